"""Bringing ships to the race's present technology (rules, 8)."""

from dataclasses import dataclass, replace

from engine.rules import numbers
from engine.rules.exact import ordered_sum, two_decimals
from engine.rules.model import ShipType, Tech

POINTS_PER_MASS = 10.0
COMPONENTS = ("drive", "weapons", "shields", "cargo")


@dataclass(frozen=True, slots=True)
class Upgrade:
    """New levels of the ships and the points it took for all of them."""

    tech: Tech
    spent: float


def cost_per_ship(design: ShipType, ship: Tech, race: Tech) -> float:
    """Return the points that bring one ship to the full levels; 0 when it is current."""
    return POINTS_PER_MASS * ordered_sum(
        (1.0 - getattr(ship, name) / getattr(race, name)) * mass
        for name, mass in zip(COMPONENTS, _masses(design), strict=True)
        if _behind(ship, race, name, mass)
    )


def upgraded(design: ShipType, ship: Tech, race: Tech, ships: int, points: float) -> Upgrade:
    """Upgrade exactly so many ships as far as the points reach, every component by the same share of its way."""
    cost = cost_per_ship(design, ship, race)
    share = min(1.0, points / ships / cost) if cost > 0.0 else 0.0
    levels = {
        name: two_decimals(getattr(ship, name) + share * (getattr(race, name) - getattr(ship, name)))
        for name, mass in zip(COMPONENTS, _masses(design), strict=True)
        if _behind(ship, race, name, mass)
    }
    return Upgrade(replace(ship, **levels), min(points, share * cost * ships))


def _behind(ship: Tech, race: Tech, name: str, mass: float) -> bool:
    return mass > 0.0 and two_decimals(getattr(race, name)) > getattr(ship, name)


def _masses(design: ShipType) -> tuple[float, float, float, float]:
    return design.drive, numbers.weapon_mass(design.attacks, design.weapons), design.shields, design.cargo
