"""What the mails that can be switched off are called, in the words of their readers."""

from collections.abc import Mapping

KINDS: Mapping[str, Mapping[str, str]] = {
    "en": {
        "game.turn.ready": "when a new turn is ready",
        "game.started": "when a game of yours starts",
        "lobby.application.submitted": "when somebody asks to join a game of yours",
        "lobby.application.approved": "when you are let into a game",
        "lobby.invite.created": "when somebody invites you to a game",
    },
    "ru": {
        "game.turn.ready": "о готовности нового хода",
        "game.started": "о начале ваших игр",
        "lobby.application.submitted": "о заявках в ваши игры",
        "lobby.application.approved": "о том, что вас приняли в игру",
        "lobby.invite.created": "о приглашениях в игры",
    },
}
"""Language → notification type → what follows the word "mails"."""
_OTHERS = {"en": "of this kind", "ru": "этого вида"}


def kind_of(notification_type: str, locale: str) -> str:
    """Return what mails of a type are called; a type that is newer than this page is called "of this kind"."""
    return KINDS[locale].get(notification_type, _OTHERS[locale])
