"""The edge of the platform: the only process that players' clients reach.

It forwards sign-in calls, lets signed commands through a fixed pipeline to the backend, and carries events to open streams.
It keeps nothing durable: reservations against replay stand in Redis, everything else in the backend.
"""
