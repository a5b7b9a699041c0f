"""What play refuses.

Refusal
├── NotPlaying, PlayerOut              no orders from strangers, or from those who are out
├── TurnClosed, NotComingTurn          orders are for the coming turn, until it begins
├── OrdersRefused                      the engine cannot read them at all
├── ReportNotFound
├── CheckBusy                          more checks at once than a player or a game may have
└── EngineUnavailable, TurnNotGenerated   the engine does not answer just now
"""

from kit.refusals import Refusal, RefusalKind


class NotPlaying(Refusal):
    """the game is not being played"""

    code = "play.not_playing"
    kind = RefusalKind.CONFLICT


class PlayerOut(Refusal):
    """your race no longer takes part"""

    code = "play.player_out"
    kind = RefusalKind.CONFLICT


class TurnClosed(Refusal):
    """this turn takes no orders any more"""

    code = "play.turn_closed"
    kind = RefusalKind.CONFLICT


class NotComingTurn(Refusal):
    """orders are taken for the coming turn only"""

    code = "play.not_coming_turn"
    kind = RefusalKind.CONFLICT


class OrdersRefused(Refusal):
    """the engine cannot read these orders"""

    code = "play.orders_refused"
    kind = RefusalKind.INVALID


class CheckBusy(Refusal):
    """other checks of yours, or of this game, are still under way"""

    code = "play.check_busy"
    kind = RefusalKind.TOO_MANY


class ReportNotFound(Refusal):
    """there is no such report"""

    code = "play.report_not_found"
    kind = RefusalKind.NOT_FOUND


class EngineUnavailable(Refusal):
    """the engine of this game does not answer just now"""

    # Not 503: that would say that the platform is away, and the code would never reach the player.
    code = "play.engine_unavailable"
    kind = RefusalKind.CONFLICT


class TurnNotGenerated(Refusal):
    """the turn could not be generated now; the scheduler goes on trying"""

    code = "play.turn_not_generated"
    kind = RefusalKind.CONFLICT


class PatchRefused(Refusal):
    """the game cannot move to this engine version"""

    code = "play.patch_refused"
    kind = RefusalKind.INVALID


class PatchDrifted(Refusal):
    """the other engine version did not come to the same state"""

    code = "play.patch_drifted"
    kind = RefusalKind.CONFLICT
