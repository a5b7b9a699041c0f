"""What a turn leaves behind besides the next state."""

from collections.abc import Mapping
from dataclasses import dataclass, field

from engine.rules.draft import Letter, News
from engine.rules.model import Game
from engine.rules.orders.results import OrderResult


@dataclass(frozen=True, slots=True)
class TurnOutcome:
    """A turn that has run: the next game and what its reports tell beyond the state. Of turn 0 only the game."""

    game: Game
    race_order: tuple[int, ...] = ()
    results: Mapping[int, tuple[OrderResult, ...]] = field(default_factory=dict)
    letters: tuple[Letter, ...] = ()
    news: tuple[News, ...] = ()
