"""The player's events: one endless, verified, resuming stream."""

from client.events.model import Event
from client.events.stream import EventStream

__all__ = ["Event", "EventStream"]
