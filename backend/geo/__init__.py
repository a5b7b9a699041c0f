"""Where requests come from, by country, as far as a local database knows.

Owns the lookup, the rule which address counts, and the counters. Nothing here may delay or fail a request.
"""
