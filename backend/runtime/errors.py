"""What can go wrong with engines.

RuntimeFailure                  a failure: something outside is unwell
├── ContainersAway              the Docker daemon (or whatever runs engines) does not answer; nothing was decided
├── ImagePullFailed
├── StartFailed                 the container did not come up, or the engine in it was not ready in time
└── ConfigInvalid               this can never start: a bad image reference, settings that the engine refuses

Refusal
└── NoRuntime                   the game has never been started
"""

from kit.refusals import Refusal, RefusalKind


class RuntimeFailure(Exception):
    """Base of failures; the text is for operators."""


class ContainersAway(RuntimeFailure):
    """Whatever runs the engines cannot be reached; it says nothing about any engine."""


class ImagePullFailed(RuntimeFailure):
    """The image is not there and cannot be fetched."""


class StartFailed(RuntimeFailure):
    """The engine did not come up."""


class ConfigInvalid(RuntimeFailure):
    """The engine can never come up like this."""


class NoRuntime(Refusal):
    """this game has no engine yet"""

    code = "runtime.none"
    kind = RefusalKind.NOT_FOUND
