"""The home of all durable things: accounts and device sessions, games and their engines, turns, outboxes, operators.

The gateway calls it for players and holds its push stream; operators sign in to it directly. One process at a time is
active and writes; others stand by.
"""
