"""The name of this machine's time zone, for turn times in mails."""

import os
import zoneinfo
from pathlib import Path

_UNKNOWN = "UTC"


def local_time_zone() -> str:
    """Return the IANA name of the local zone: from TZ, else from /etc/localtime, else UTC."""
    candidates = [os.environ.get("TZ", "").lstrip(":")]
    target = Path("/etc/localtime")
    if target.is_symlink():
        candidates.append(str(target.resolve()).partition("zoneinfo/")[2])
    for name in candidates:
        if name and _exists(name):
            return name
    return _UNKNOWN


def _exists(name: str) -> bool:
    try:
        zoneinfo.ZoneInfo(name)
    except (zoneinfo.ZoneInfoNotFoundError, ValueError, OSError):
        return False
    return True
