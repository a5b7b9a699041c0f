"""The one thing that every store has in common: it can be away. Known without the driver of any of them."""


class StoreAway(Exception):
    """A store cannot be reached just now; the work may be tried again after a moment."""
