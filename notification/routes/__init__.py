"""Routes: one way by which one recipient hears of one record, from its making to its end, with every attempt on record.

What this room owns: who gets which route, the states, the table, what a deleted account does to them. Claims, leases and the
retry ladder are kit.outbox's; the publishing is the publishers room's.
"""
