"""Making a new game and changing who plays it."""

from collections.abc import Sequence
from dataclasses import dataclass, replace

from engine.rules import galaxy_ng, names
from engine.rules.errors import BadSetup, Refusal
from engine.rules.model import Game, Race, RaceStatus, Tech
from engine.rules.options import Options

PLAYERS_MAX = 100


@dataclass(frozen=True, slots=True)
class Seat:
    """A player's place in a new game; a computer level makes it a computer race from the start."""

    player_id: str
    race_name: str
    computer_level: int | None = None


def new_game(game_id: str, seed: str, options: Options, seats: Sequence[Seat], origin: str = "") -> Game:
    """Return the game before its first turn; raises BadSetup naming the field at fault."""
    races = _races(game_id, options, seats)
    galaxy = galaxy_ng.generate(seed, options, len(races))
    return Game(
        game_id, seed, options, 0, galaxy.size, galaxy.planets, _allied(races, options), origin=origin
    )


def _races(game_id: str, options: Options, seats: Sequence[Seat]) -> list[Race]:
    races: list[Race] = []
    for index, seat in enumerate(seats):
        where = f"players[{index}]"
        try:
            name = names.checked(seat.race_name, game_id)
        except Refusal as refusal:
            raise BadSetup(f"{where}.race_name", refusal.message) from refusal
        if any(names.key(race.name) == names.key(name) for race in races):
            raise BadSetup(f"{where}.race_name", f"Two races are called {name}.")
        if any(race.player_id == seat.player_id for race in races):
            raise BadSetup(f"{where}.player_id", "A player has one race.")
        status = RaceStatus.ACTIVE if seat.computer_level is None else RaceStatus.COMPUTER
        tech = Tech(*options.initial_tech)
        races.append(Race(index, seat.player_id, name, tech, status, computer_level=seat.computer_level))
    return races


def _allied(races: list[Race], options: Options) -> tuple[Race, ...]:
    friends: dict[int, set[int]] = {race.id: set() for race in races}
    if options.peace_turns > 0:
        friends = {race.id: {other.id for other in races} for race in races}
    for index, team in enumerate(options.teams):
        keys = {names.key(names.written(name)) for name in team}
        members = {race.id for race in races if names.key(race.name) in keys}
        if len(members) != len(keys):
            raise BadSetup(f"options.teams[{index}]", "A team lists races of the game, each once.")
        for member in members:
            friends[member] |= members
    return tuple(replace(race, peace=tuple(sorted(friends[race.id] - {race.id}))) for race in races)


def find_player(game: Game, player_id: str) -> Race | None:
    """Return the race that the player commands now."""
    return next((race for race in game.races if race.player_id == player_id), None)


def replaced(game: Game, race: int, player_id: str) -> Game:
    """Return the game with a new owner of a race, which thereby is in human hands."""
    old = game.races[race]
    return _with(
        game,
        replace(
            old,
            player_id=player_id,
            former_players=(*old.former_players, old.player_id),
            status=RaceStatus.ACTIVE,
            computer_level=None,
            missed_turns=0,
        ),
    )


def retired(game: Game, race: int, computer_level: int | None) -> Game:
    """Return the game with a race handed to the computer, or, without a level, to nobody."""
    status = RaceStatus.IDLE if computer_level is None else RaceStatus.COMPUTER
    return _with(
        game, replace(game.races[race], status=status, computer_level=computer_level, missed_turns=0)
    )


def _with(game: Game, race: Race) -> Game:
    return replace(game, races=tuple(race if each.id == race.id else each for each in game.races))
