"""What the families need of `geo`, and what `geo` needs of a country database."""

from typing import Protocol


class CountryLookup(Protocol):
    """Knows which country an address belongs to."""

    def country_of(self, address: str) -> str | None:
        """Return the ISO 3166 code, or None; never raises and never waits."""


class RequestObserver(Protocol):
    """Hears of each authenticated request."""

    def saw(self, user_id: str, address: str) -> None:
        """Count it, some time later, or never; returns at once."""
