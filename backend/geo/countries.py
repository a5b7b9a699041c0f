"""Country databases."""

from pathlib import Path

import maxminddb
from geoip2.database import Reader
from geoip2.errors import AddressNotFoundError, GeoIP2Error

from kit.logs import get_logger
from kit.process import StartError

_log = get_logger("geo")


class NoCountries:
    """Knows no country: what stands in where no database is configured."""

    def country_of(self, address: str) -> str | None:  # noqa: ARG002 - the port's signature
        """Return None."""
        return None

    def close(self) -> None:
        """Do nothing."""


class GeoipCountries:
    """A GeoLite2 Country database, read into memory."""

    def __init__(self, path: Path) -> None:
        """Raises StartError when the file cannot be read as one."""
        try:
            self._reader = Reader(path, mode=maxminddb.MODE_MEMORY)
        except (OSError, maxminddb.InvalidDatabaseError) as error:
            raise StartError(f"BACKEND_GEOIP_DB_PATH {path} is no country database: {error}") from error

    def country_of(self, address: str) -> str | None:
        """Return the ISO 3166 code, or None; a broken database is logged and otherwise ignored."""
        if not address:
            return None
        try:
            return self._reader.country(address).country.iso_code
        except AddressNotFoundError:
            return None
        except (GeoIP2Error, ValueError, maxminddb.InvalidDatabaseError) as error:
            _log.warning("country_lookup_failed", reason=type(error).__name__)
            return None

    def close(self) -> None:
        """Let go of the database."""
        self._reader.close()


def open_countries(path: Path | None) -> GeoipCountries | NoCountries:
    """Open the configured database, or stand in for it."""
    return GeoipCountries(path) if path is not None else NoCountries()
