"""The one game that an engine process holds, and what may be done with it.

Every change is made aside and then put in place as a whole (`compute…` returns, `keep` stores), so a turn that is
abandoned half-way leaves no trace. Calls are serialised by the caller.
"""

import hashlib
from dataclasses import dataclass
from typing import Any

from engine.errors import InvalidField, Refused
from engine.rules import forecast, report_json, report_text, save, setup
from engine.rules.errors import BadSave, BadSetup, UnknownSaveFormat
from engine.rules.model import Game, Race
from engine.rules.turn import take_turn
from engine.rules.turn_outcome import TurnOutcome
from engine.wire import NewGame, OrdersCheck, Retirement, TurnRequest


@dataclass(frozen=True, slots=True)
class Report:
    """One race's report in its two forms, as sent."""

    as_json: bytes
    as_text: bytes


@dataclass(frozen=True, slots=True)
class Held:
    """A game with the reports of its current turn, by race id; a restored game has none until it turns."""

    game: Game
    reports: dict[int, Report]
    state_hash: str


@dataclass(frozen=True, slots=True)
class Turned:
    """A computed turn: what would be held, and the answer, byte for byte."""

    held: Held
    turn: int
    request_id: str
    digest: str
    answer: bytes


class Machine:
    """An empty engine, or one that holds a game."""

    def __init__(self) -> None:
        self._held: Held | None = None
        self._last: Turned | None = None

    # -- making a game

    def create(self, request: NewGame) -> bool:
        """Make the game; return whether it is new. The same request again changes nothing."""
        if self._held is not None:
            if self._held.game.origin == request.digest:
                return False
            raise Refused(
                "game_exists", "This engine holds another game already.", game_id=self._held.game.game_id
            )
        try:
            game = setup.new_game(
                request.game_id, request.seed, request.options, request.seats, request.digest
            )
        except BadSetup as error:
            raise InvalidField(error.field, error.message) from error
        self._held = _held(TurnOutcome(game))
        return True

    def restore(self, data: bytes, save_format: int, sha256: str) -> None:
        """Take over the game of a save; only into an empty engine."""
        if self._held is not None:
            raise Refused("game_exists", "This engine holds a game already.", game_id=self._held.game.game_id)
        if save_format not in save.READS:
            raise Refused(
                "save_format_unsupported", f"Save format {save_format} is not read here.", reads=save.READS
            )
        if hashlib.sha256(data).hexdigest() != sha256.lower():
            raise Refused("save_corrupt", "The save does not match its SHA-256.")
        try:
            game = save.load(data)
        except UnknownSaveFormat as error:
            raise Refused("save_format_unsupported", str(error), reads=save.READS) from error
        except BadSave as error:
            raise Refused("save_corrupt", str(error)) from error
        self._held = Held(game, {}, sha256.lower())

    # -- reading

    def summary(self) -> dict[str, Any]:
        """Return the body of GET /v1/game."""
        return _summary(self._get())

    def saved(self) -> tuple[bytes, str]:
        """Return the save and its SHA-256, which is the state hash."""
        held = self._get()
        return save.dump(held.game), held.state_hash

    def report(self, turn: int, player_id: str) -> Report:
        """Return the player's report; only those of the current turn are kept."""
        held = self._get()
        race = setup.find_player(held.game, player_id)
        if race is None or turn != held.game.turn or race.id not in held.reports:
            raise Refused("no_report", "There is no such report here.", turn=turn, player_id=player_id)
        return held.reports[race.id]

    def check(self, request: OrdersCheck) -> dict[str, Any]:
        """Return the verdicts on one player's orders for the coming turn and the forecast. Nothing is kept."""
        game = self._get().game
        race = setup.find_player(game, request.player_id)
        if race is None:
            raise InvalidField("player_id", "plays no race here")
        if not race.status.plays:
            raise Refused("player_out", "This race no longer takes part.", status=race.status)
        if request.turn != game.turn + 1:
            raise Refused("wrong_turn", f"Orders are checked for turn {game.turn + 1}.", current=game.turn)
        outcome = forecast.check(game, race.id, request.lines)
        return {
            "results": [
                {"line": each.line, "status": each.status, "code": each.code, "message": each.message}
                for each in outcome.results
            ],
            "forecast": outcome.forecast,
            "accepted": outcome.accepted,
            "rejected": outcome.rejected,
        }

    # -- turning

    def stored_answer(self, turn: int, request: TurnRequest) -> bytes | None:
        """Return the answer of the last turn if this is the same request again; refuse a turn that is not next."""
        game = self._get().game
        last = self._last
        if last is not None and turn == last.turn == game.turn and not request.dry_run:
            if (request.request_id, request.digest) == (last.request_id, last.digest):
                return last.answer
            raise Refused(
                "turn_conflict", f"Turn {turn} has run already from another request.", current=game.turn
            )
        if turn != game.turn + 1:
            raise Refused("wrong_turn", f"The next turn is {game.turn + 1}.", current=game.turn)
        if last is not None and last.turn == game.turn and request.request_id == last.request_id:
            raise Refused("turn_conflict", f"This request id belongs to turn {last.turn}.", current=game.turn)
        if game.finished:
            raise Refused("game_finished", "The game has ended.", current=game.turn)
        return None

    def compute_turn(self, turn: int, request: TurnRequest) -> Turned:
        """Run the next turn aside. Pure; may run in another thread."""
        game = self._get().game
        orders = {}
        for index, (player_id, lines) in enumerate(request.orders):
            race = setup.find_player(game, player_id)
            if race is None:
                raise InvalidField(f"orders[{index}].player_id", "plays no race here")
            orders[race.id] = lines
        held = _held(take_turn(game, orders))
        summary = _summary(held)
        answer = {
            "turn": turn,
            "state_hash": held.state_hash,
            "finished": summary["finished"],
            "winner": summary["winner"],
            "players": summary["players"],
            "report_hashes": {
                held.game.races[race].player_id: hashlib.sha256(report.as_json).hexdigest()
                for race, report in held.reports.items()
            },
        }
        return Turned(held, turn, request.request_id, request.digest, save.canonical(answer))

    def keep(self, turned: Turned) -> None:
        """Make a computed turn the present one."""
        self._held = turned.held
        self._last = turned

    # -- players

    def replace_player(self, player_id: str, new_player_id: str) -> None:
        """Give a race a new owner; the same replacement again changes nothing."""
        held = self._get()
        known = setup.find_player(held.game, new_player_id)
        if known is not None:
            if known.former_players and known.former_players[-1] == player_id:
                return
            raise Refused("player_exists", "The new player has a race in this game already.")
        self._change(setup.replaced(held.game, self._playing(player_id).id, new_player_id))

    def retire_player(self, player_id: str, retirement: Retirement) -> None:
        """Hand a race to the computer, or leave it idle."""
        held = self._get()
        self._change(setup.retired(held.game, self._playing(player_id).id, retirement.computer_level))

    def _playing(self, player_id: str) -> Race:
        race = setup.find_player(self._get().game, player_id)
        if race is None:
            raise Refused("unknown_player", "Nobody of that id plays here.", player_id=player_id)
        if not race.status.plays:
            raise Refused("player_out", "This race no longer takes part.", status=race.status)
        return race

    def _change(self, game: Game) -> None:
        held = self._get()
        self._held = Held(game, held.reports, save.state_hash(game))

    def _get(self) -> Held:
        if self._held is None:
            raise Refused("no_game", "This engine holds no game.")
        return self._held


def _held(outcome: TurnOutcome) -> Held:
    reports = {race.id: _report(outcome, race.id) for race in outcome.game.races}
    return Held(outcome.game, reports, save.state_hash(outcome.game))


def _report(outcome: TurnOutcome, race: int) -> Report:
    values = report_json.report(outcome, race)
    return Report(save.canonical(values), report_text.render(values).encode())


def _summary(held: Held) -> dict[str, Any]:
    game = held.game
    return {
        "game_id": game.game_id,
        "turn": game.turn,
        "players": [
            {"player_id": race.player_id, "race_name": race.name, "status": race.status}
            for race in game.races
        ],
        "finished": game.finished,
        "winner": None if game.winner is None else game.races[game.winner].player_id,
        "state_hash": held.state_hash,
    }
