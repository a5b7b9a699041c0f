"""Checking orders: verdicts and a forecast of the race's own empire (rules, 20.3). Pure; nothing is kept."""

from dataclasses import dataclass
from typing import Any

from engine.rules import report_json, turn, visibility
from engine.rules.draft import Draft
from engine.rules.model import Game
from engine.rules.orders import execute
from engine.rules.orders.reading import Line
from engine.rules.orders.results import OrderResult, Outcome

_STEPS = tuple(step for step in turn.SEQUENCE if step.name != "ending")
_SECTIONS = {
    "planets": "PlanetForecast",
    "groups": "GroupForecast",
    "types": "ShipTypeForecast",
    "routes": "RoutesForecast",
}


@dataclass(frozen=True, slots=True)
class Check:
    """Verdicts and forecast; a section that the race has switched off is None."""

    results: tuple[OrderResult, ...]
    forecast: dict[str, Any]

    @property
    def rejected(self) -> int:
        """How many orders have no effect."""
        return sum(result.status is Outcome.ERROR for result in self.results)

    @property
    def accepted(self) -> int:
        """How many orders do something."""
        return len(self.results) - self.rejected


def check(game: Game, race: int, lines: tuple[Line, ...]) -> Check:
    """Run only this race's orders on the world as it knows it.

    Planets that the race does not see now stay out of the forecast, even if ships reach or settle them.
    """
    world = visibility.known_world(game, race)
    draft = Draft(world, (race,), {race: lines})
    draft.results[race].update(execute.unreadable(lines))
    turn.run_steps(draft, _STEPS)
    after = draft.close()
    visible = visibility.present_at(game, race) | {
        planet.id for planet in game.planets if planet.owner == race
    }
    sections: dict[str, Any] = {
        "planets": [planet for planet in report_json.own_planets(after, race) if planet["id"] in visible],
        "groups": report_json.own_groups(after, race),
        "types": report_json.own_types(after, race),
        "routes": [route for route in report_json.own_routes(after, race) if route["planet"] in visible],
    }
    off = after.races[race].switched_off
    shown = {name: None if _SECTIONS[name] in off else section for name, section in sections.items()}
    return Check(turn.sorted_results(draft, race), {"turn": after.turn, **shown})
