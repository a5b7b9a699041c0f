"""What the registry of engine versions refuses.

Refusal
├── VersionNotFound
├── VersionExists      another image under a registered version: register a new version instead
└── VersionInvalid
"""

from kit.refusals import Refusal, RefusalKind


class VersionNotFound(Refusal):
    """there is no such engine version"""

    code = "engine_version.not_found"
    kind = RefusalKind.NOT_FOUND


class VersionExists(Refusal):
    """this version is registered with another image"""

    code = "engine_version.exists"
    kind = RefusalKind.CONFLICT


class VersionInvalid(Refusal):
    """this is no semantic version"""

    code = "engine_version.invalid"
    kind = RefusalKind.INVALID
