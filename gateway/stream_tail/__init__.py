"""Reading a Redis stream from its tail, every gateway for itself, and noticing when the stream began anew or lost entries.

A position is an epoch and an entry id. The epoch is a name that stands in Redis beside the stream, so that all gateways
share it and a flush takes both away at once.
"""
