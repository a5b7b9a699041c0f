"""Handing one mail to the relay: persistent connections, one recipient a transaction, and what a failure tells.

What this room owns: the connection, its stages and their time limits, the verdict on a failure, the bytes of a message. What
it leaves to others: when to try (deliveries), what to say (templates).
"""
