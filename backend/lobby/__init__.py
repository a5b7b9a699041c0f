"""The lobby: games before, around and after their play, and who sits in them.

Owns `games`, `memberships`, `applications`, `invites`; the states a game may take and who may move it from one to another.
Leaves to others: the engine (runtime), turns and orders (play), deadlines (scheduler), mails (intents).
"""
