"""What breaks the service on purpose: a relay that misbehaves by script, the service as a process, and runs of random kills.

Tests use `sink` and `process` as well; nothing of the service itself imports this room.
"""
