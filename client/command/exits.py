"""What exit codes mean. A promise to scripts: they do not change."""

from enum import IntEnum

from client.errors import CannotReach, GalaxyError, NotSignedIn, ProfileUnusable, Untrusted


class ExitCode(IntEnum):
    """Why the command ended."""

    OK = 0
    REFUSED = 1  # the platform understood and said no, or an order was found wrong by --check
    USAGE = 2  # the command line, a file or a profile is not as it must be
    NOT_SIGNED_IN = 3
    CANNOT_REACH = 4
    UNTRUSTED = 5  # an answer could not be believed, or the gateway's key changed


def exit_code_of(error: GalaxyError) -> ExitCode:
    """Return the code for an error of the SDK."""
    match error:
        case NotSignedIn():
            return ExitCode.NOT_SIGNED_IN
        case CannotReach():
            return ExitCode.CANNOT_REACH
        case Untrusted():
            return ExitCode.UNTRUSTED
        case ProfileUnusable():
            return ExitCode.USAGE
        case _:
            return ExitCode.REFUSED
