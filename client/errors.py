"""What can go wrong between a player's device and the platform.

GalaxyError
├── NotSignedIn                nobody is signed in here, or the platform does not know the session any more
│   └── SessionRevoked         the session was ended: by its owner, by the platform, or by "sign out everywhere"
├── Refused                    the platform understood and says no, with a stable code
│   └── InvalidRequest         the gateway could not take the request at all: too large, unknown, of another version
├── CannotReach                no answer, after every retry: the network, or the platform is unwell
│   └── TooBusy                the gateway asks to slow down for longer than this call may wait
├── Untrusted                  an answer came that must not be believed
│   ├── Forged                 its signature does not hold
│   └── GatewayKeyChanged      it is signed by a key that this device has not learned to trust
└── ProfileUnusable            the files on this machine cannot be used as they are

Every message is one sentence that a player may read as it stands.
"""

from typing import Any


class GalaxyError(Exception):
    """Base of everything that this package raises on purpose."""


class NotSignedIn(GalaxyError):
    """Nobody is signed in under this profile, or the platform no longer knows the session.

    The message says what is; the command to type depends on the profile, and the shell adds it.
    """


class SessionRevoked(NotSignedIn):
    """The session of this device was ended; only a new sign-in helps."""

    def __init__(self) -> None:
        super().__init__("The session of this device was ended.")


class Refused(GalaxyError):
    """The platform says no; `code` is stable, `message` is for people."""

    def __init__(
        self, code: str, message: str, *, details: dict[str, Any] | None = None, request_id: str = ""
    ) -> None:
        self.code = code
        self.details = details or {}
        self.request_id = request_id
        super().__init__(message)


class InvalidRequest(Refused):
    """The gateway could not take the request: repeating it changes nothing."""


class CannotReach(GalaxyError):
    """No answer, although it was tried as often as the call allows."""


class TooBusy(CannotReach):
    """The gateway asks to wait longer than the call may take."""

    def __init__(self, retry_after_seconds: float) -> None:
        self.retry_after_seconds = retry_after_seconds
        when = f"in {retry_after_seconds:.0f} s" if retry_after_seconds >= 1 else "shortly"
        super().__init__(f"The gateway asks to slow down: try again {when}.")


class Untrusted(GalaxyError):
    """An answer came that must not be believed."""


class Forged(Untrusted):
    """A signature does not hold: the answer is not the gateway's, or not to this question."""


class GatewayKeyChanged(Untrusted):
    """The gateway signs with a key that this device has not learned to trust."""

    def __init__(self, gateway_url: str, pinned: str, offered: str, why: str) -> None:
        self.gateway_url = gateway_url
        self.pinned = pinned
        self.offered = offered
        super().__init__(
            f"THE GATEWAY'S KEY HAS CHANGED: {gateway_url} was known by {pinned} and now signs with {offered} "
            f"({why}); if its operator confirms the new fingerprint, or you removed its data yourself (`make clean-data`), "
            "run `galaxy trust`."
        )


class ProfileUnusable(GalaxyError):
    """The files on this machine cannot be used as they are; the message says what to do."""
