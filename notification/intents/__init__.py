"""Intents: reads `notification:intents`, keeps what it cannot understand as malformed, makes records with their routes.

One intent is one (producer, notification type, idempotency key), for ever; another body under a known key is a conflict on
record, and the first one wins.
"""
