"""The rules of the game as pure functions over frozen values.

Nothing here reads a clock, a disk, a socket or a global random generator: a turn is a function of the stored game and
the orders. Each module is one chapter of the rules; `turn` lines the chapters up.
"""
