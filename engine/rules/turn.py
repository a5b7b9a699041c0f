"""The turn: every chapter at its place, in the exact order of rules 18."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass

from engine.rules import cargo, computer, ending, movement, production, routes
from engine.rules.draft import Draft
from engine.rules.model import Game, RaceStatus
from engine.rules.orders import execute
from engine.rules.orders.catalogue import Phase
from engine.rules.orders.reading import Line
from engine.rules.orders.results import OrderResult
from engine.rules.streams import Purpose, Stream
from engine.rules.turn_outcome import TurnOutcome

SORT_GROUPS = "SortGroups"

Orders = Mapping[int, tuple[Line, ...] | None]
"""Orders by race id; None or absent means that nothing was filed, which is not the same as an empty set."""


@dataclass(frozen=True, slots=True)
class Step:
    """One step of the sequence. `run` None: the place of a chapter that this engine version does not have."""

    number: int
    name: str
    run: Callable[[Draft], None] | None


def _orders(phase: Phase) -> Callable[[Draft], None]:
    def run(draft: Draft) -> None:
        for race in draft.acting:
            draft.results[race].update(execute.run_phase(draft, race, draft.lines.get(race, ()), phase))

    return run


def _merge(draft: Draft) -> None:
    for race in draft.acting:
        draft.groups[race].merge()


def _merge_and_renumber(draft: Draft) -> None:
    _merge(draft)
    for race in draft.acting:
        if SORT_GROUPS not in draft.races[race].switched_off:
            draft.groups[race].renumber(race, draft.planets)


SEQUENCE: tuple[Step, ...] = (
    Step(2, "orders", _orders(Phase.AT_ONCE)),
    Step(3, "upgrades_and_names", _orders(Phase.NAMES_AND_UPGRADES)),
    Step(4, "race_names", _orders(Phase.RACE_NAMES)),
    Step(5, "merge_after_orders", _merge),
    Step(6, "first_battles", None),
    Step(7, "first_bombing", None),
    Step(8, "routes", routes.dispatch_all),
    Step(9, "fleets", None),
    Step(10, "intercepts", None),
    Step(11, "movement", movement.move_all),
    Step(12, "merge_after_movement", _merge),
    Step(13, "second_battles", None),
    Step(14, "second_bombing", None),
    Step(15, "ships_materials_capital", production.produce_goods),
    Step(16, "research_and_growth", production.research_and_grow),
    Step(17, "automatic_unloading", cargo.unload_automatically),
    Step(18, "merge_and_renumber", _merge_and_renumber),
    Step(19, "ending", ending.end_turn),
)
"""The turn after step 1, which is `take_turn` itself: order sets, turn number, race order."""


def take_turn(game: Game, orders: Orders) -> TurnOutcome:
    """Run the next turn. Pure: the same game and orders give the same outcome, on every machine."""
    order = race_order(game)
    draft = Draft(game, order, {race: _lines(game, race, orders) for race in order})
    for race in order:
        draft.results[race].update(execute.unreadable(draft.lines[race]))
    _count_missed(draft, orders)
    run_steps(draft, SEQUENCE)
    return TurnOutcome(
        game=draft.close(),
        race_order=order,
        results={race: sorted_results(draft, race) for race in order},
        letters=tuple(draft.letters),
        news=tuple(draft.news),
    )


def run_steps(draft: Draft, steps: tuple[Step, ...]) -> None:
    """Run the steps one after the other; places of missing chapters are passed by."""
    for step in steps:
        if step.run is not None:
            step.run(draft)


def sorted_results(draft: Draft, race: int) -> tuple[OrderResult, ...]:
    """Return the race's results in the order of its lines, whatever phase they ran in."""
    return tuple(draft.results[race][line] for line in sorted(draft.results[race]))


def race_order(game: Game) -> tuple[int, ...]:
    """Return the living races in the order of the coming turn (rules, 3)."""
    living = [race.id for race in game.races if race.status.plays]
    if game.options.player_order == "fixed":
        return tuple(living)
    return tuple(Stream(game.seed, game.turn + 1, Purpose.ORDER).shuffled(living))


def _lines(game: Game, race: int, orders: Orders) -> tuple[Line, ...]:
    match game.races[race].status:
        case RaceStatus.COMPUTER:
            return computer.orders(game, race)
        case RaceStatus.ACTIVE:
            return orders.get(race) or ()
        case RaceStatus.IDLE | RaceStatus.ELIMINATED | RaceStatus.QUIT:
            return ()


def _count_missed(draft: Draft, orders: Orders) -> None:
    for race in draft.acting:
        missed = draft.races[race].status is RaceStatus.ACTIVE and orders.get(race) is None
        draft.change(race, missed_turns=draft.races[race].missed_turns + 1 if missed else 0)
