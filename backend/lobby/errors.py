"""What the lobby refuses.

Refusal
├── GameNotFound, ApplicationNotFound, InviteNotFound      not there, or not for this caller to know of
├── NotOwner                                               only the owner may
├── WrongState, GameFull, NotEnoughPlayers                 not in the present state of the game
├── AlreadyMember, AlreadyApplied, AlreadyInvited, NotMember, OwnerStays
├── RaceNameInvalid, RaceNameTaken
├── TooManyGames, TooManyInvites, TooManyApplications
├── ApplicantNotActive, OwnerNotActive                     their account is blocked or deleted
├── ApplicationDecided, InviteDecided                      a decision is made once
└── SettingsInvalid                                        settings that make no game
"""

from kit.refusals import Refusal, RefusalKind


class GameNotFound(Refusal):
    """there is no such game"""

    code = "lobby.game_not_found"
    kind = RefusalKind.NOT_FOUND


class ApplicationNotFound(Refusal):
    """there is no such application"""

    code = "lobby.application_not_found"
    kind = RefusalKind.NOT_FOUND


class InviteNotFound(Refusal):
    """there is no such invite"""

    code = "lobby.invite_not_found"
    kind = RefusalKind.NOT_FOUND


class NotOwner(Refusal):
    """only the owner of the game may do this"""

    code = "lobby.not_owner"
    kind = RefusalKind.FORBIDDEN


class NotMember(Refusal):
    """you do not play in this game"""

    code = "lobby.not_member"
    kind = RefusalKind.FORBIDDEN


class WrongState(Refusal):
    """the game is not in a state for this"""

    code = "lobby.wrong_state"
    kind = RefusalKind.CONFLICT


class GameFull(Refusal):
    """every seat is taken"""

    code = "lobby.game_full"
    kind = RefusalKind.CONFLICT


class NotEnoughPlayers(Refusal):
    """too few players to start"""

    code = "lobby.not_enough_players"
    kind = RefusalKind.CONFLICT


class AlreadyMember(Refusal):
    """this person plays in the game already"""

    code = "lobby.already_member"
    kind = RefusalKind.CONFLICT


class AlreadyApplied(Refusal):
    """your application is waiting already"""

    code = "lobby.already_applied"
    kind = RefusalKind.CONFLICT


class AlreadyInvited(Refusal):
    """an invite to this address is open already"""

    code = "lobby.already_invited"
    kind = RefusalKind.CONFLICT


class OwnerStays(Refusal):
    """the owner cannot leave; cancel the game instead"""

    code = "lobby.owner_cannot_leave"
    kind = RefusalKind.CONFLICT


class RaceNameInvalid(Refusal):
    """this cannot be a race name"""

    code = "lobby.race_name_invalid"
    kind = RefusalKind.INVALID


class RaceNameTaken(Refusal):
    """another race of the game has this name"""

    code = "lobby.race_name_taken"
    kind = RefusalKind.CONFLICT


class ApplicationDecided(Refusal):
    """this application has been decided already"""

    code = "lobby.application_decided"
    kind = RefusalKind.CONFLICT


class InviteDecided(Refusal):
    """this invite has been answered already"""

    code = "lobby.invite_decided"
    kind = RefusalKind.CONFLICT


class ApplicantNotActive(Refusal):
    """the account of this applicant is not active; turn the application down"""

    code = "lobby.applicant_not_active"
    kind = RefusalKind.CONFLICT


class OwnerNotActive(Refusal):
    """the account of the game's owner is not active; nobody could let you in"""

    code = "lobby.owner_not_active"
    kind = RefusalKind.CONFLICT


class TooManyGames(Refusal):
    """you have as many games as one owner may have at a time; cancel or finish one first"""

    code = "lobby.too_many_games"
    kind = RefusalKind.CONFLICT


class TooManyInvites(Refusal):
    """you have invited this address often enough for a day"""

    code = "lobby.too_many_invites"
    kind = RefusalKind.TOO_MANY


class TooManyApplications(Refusal):
    """you have applied to this game often enough; its owner may still invite you"""

    code = "lobby.too_many_applications"
    kind = RefusalKind.CONFLICT


class SettingsInvalid(Refusal):
    """these settings make no game"""

    code = "lobby.settings_invalid"
    kind = RefusalKind.INVALID
