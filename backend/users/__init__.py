"""Accounts: who a player is, how they want to be reached, and their leaving.

Owns the table `accounts` and its cache. Leaves sign-in and sessions to `auth`, and what to send to `notification`.
"""
