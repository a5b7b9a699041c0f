"""The scheduler: when the next turn of each game falls, and who is told that it is due.

Owns `game_clocks`, `deadline_moves`, `scheduler_heartbeat`. It decides *when*; what a turn is and how it is generated
belongs to play. Only the database's `now()` decides that something is due.
"""
