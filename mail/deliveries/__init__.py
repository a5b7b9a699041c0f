"""Deliveries: one mail to one address, from its command to its end, with every attempt on record.

What this room owns: the states, the table, the worker's part of a delivery, what operators may see and do. Claims, leases
and the retry ladder are kit.outbox's; the relay is the smtp room's; the words are the templates room's.
"""
