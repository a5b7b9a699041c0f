"""Why a demo did not come to its end.

DemoFailed
├── NothingThere      no platform, or no mail catcher, answers at the addresses
└── NotSeen           something that must happen did not, in time
"""


class DemoFailed(Exception):
    """The demo ended early; the message is one sentence."""


class NothingThere(DemoFailed):
    """Nobody answers at an address that the demo needs."""


class NotSeen(DemoFailed):
    """Something that must happen did not happen in time."""
