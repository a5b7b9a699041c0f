"""Small games made by hand, so that a test states only what it is about."""

from dataclasses import replace

from engine.rules import turn
from engine.rules.model import Game, Goods, Group, Planet, Product, ProductKind, Race, ShipType, Tech
from engine.rules.numbers import ship_tech
from engine.rules.options import Options
from engine.rules.orders.reading import read_text
from engine.rules.turn_outcome import TurnOutcome

CLOSE = 1e-4
"""Relative tolerance of the rule vectors."""


def design(
    drive: float = 0.0,
    attacks: int = 0,
    weapons: float = 0.0,
    shields: float = 0.0,
    cargo: float = 0.0,
    *,
    name: str = "Ship",
    number: int = 1,
) -> ShipType:
    return ShipType(number, name, float(drive), attacks, float(weapons), float(shields), float(cargo))


def planet(
    number, pop=0.0, ind=0.0, res=0.0, size=0.0, *, owner=None, at=(0.0, 0.0), product="CAP", **rest
) -> Planet:
    made = Product(ProductKind.SHIP, 1) if product == "SHIP" else Product(ProductKind(product))
    rest = {key: float(value) if isinstance(value, int) else value for key, value in rest.items()}
    return Planet(
        number,
        str(number),
        float(at[0]),
        float(at[1]),
        float(size or pop),
        float(res),
        owner=owner,
        population=float(pop),
        industry=float(ind),
        product=made,
        **rest,
    )


def home(number, pop, ind, res, size=0.0, *, owner=0, **rest) -> Planet:
    return planet(number, pop, ind, res, size, owner=owner, **rest)


def group(kind: ShipType, ships=1, at=1, *, number=1, tech=None, goods=None, load=0.0, **rest) -> Group:
    return Group(
        number,
        kind.id,
        ships,
        ship_tech(kind, tech or Tech()),
        at,
        Goods(goods) if goods else None,
        float(load),
        **rest,
    )


def race(number=0, name="", *, types=(), groups=(), tech=None, off=(), **rest) -> Race:
    return Race(
        number,
        f"p{number}",
        name or f"Race{number}",
        tech or Tech(),
        types=tuple(types),
        next_type_id=1 + max((each.id for each in types), default=0),
        groups=tuple(groups),
        switched_off=tuple(sorted(off)),
        **rest,
    )


def game(planets, races=None, *, size=200.0, turn=0, **options) -> Game:
    chosen = Options(**{"player_order": "fixed", "drop_idle": False, **options})
    return Game("test", "seed", chosen, turn, float(size), tuple(planets), tuple(races or (race(),)))


def play(start: Game, *orders: str | None) -> TurnOutcome:
    """Run a turn; orders are texts by race, missing ones count as an empty set."""
    texts = list(orders) + [""] * (len(start.races) - len(orders))
    return turn.take_turn(
        start, {index: None if text is None else read_text(text) for index, text in enumerate(texts)}
    )


def turned(start: Game, *orders: str | None) -> Game:
    return play(start, *orders).game


def codes(outcome: TurnOutcome, race_id=0) -> list[str]:
    return [str(result.code) for result in outcome.results[race_id]]


def with_race(start: Game, number: int, **changes) -> Game:
    return replace(
        start, races=tuple(replace(each, **changes) if each.id == number else each for each in start.races)
    )
