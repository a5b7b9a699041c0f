"""Intents, mail commands and session events on their way to Redis, written with what caused them.

Owns the table `outbox`, its two lanes and their workers, dead letters and their re-arming, and the operator's view of mail
(joined with the mail service's). Leaves routes to `notification` and delivery to `mail`.
"""
