"""Formulas of masses, speeds, cargo, fighting values and production points (rules, 6.1 and 7)."""

from engine.rules import exact
from engine.rules.model import Goods, Group, Planet, ShipType, Tech

ARRIVED_BELOW = 0.01
"""A group with less than this many light years to go has arrived."""
LEAST_LOAD = 0.01
"""A load per ship below this is no load; orders move at least this much per ship."""
PEOPLE_PER_COLONIST = 8.0
GROWTH = 0.08


def production_points(industry: float, population: float, spent: float = 0.0) -> float:
    """Return L of rules 6.1, never negative."""
    return max(0.0, 0.75 * industry + 0.25 * population - spent)


def planet_points(planet: Planet) -> float:
    """Return what the planet's industry still has to give this turn."""
    return production_points(planet.industry, planet.population, planet.spent)


def weapon_mass(attacks: int, weapons: float) -> float:
    """Return the mass of all guns together."""
    return 0.0 if attacks == 0 else weapons * (1.0 + (attacks - 1) / 2.0)


def ship_mass(design: ShipType) -> float:
    """Return the mass of one empty ship."""
    return design.drive + weapon_mass(design.attacks, design.weapons) + design.shields + design.cargo


def capacity(cargo: float, cargo_tech: float, divisor: float) -> float:
    """Return how many units of goods one ship can carry."""
    return cargo_tech * (cargo + cargo * cargo / divisor)


def full_mass(empty_mass: float, load: float, cargo_tech: float) -> float:
    """Return the mass of one ship with its load; better cargo technology makes a load lighter."""
    return empty_mass + load / (cargo_tech or 1.0)


def speed(design: ShipType, tech: Tech, load: float = 0.0) -> float:
    """Return light years a turn."""
    return 20.0 * tech.drive * design.drive / full_mass(ship_mass(design), load, tech.cargo)


def attack(design: ShipType, tech: Tech) -> float:
    """Return the attack of one gun."""
    return tech.weapons * design.weapons if design.attacks else 0.0


def defence(design: ShipType, tech: Tech, load: float = 0.0) -> float:
    """Return the defence of one ship: the same shields protect a small hull better."""
    if design.shields <= 0.0:
        return 0.0
    mass = full_mass(ship_mass(design), load, tech.cargo)
    return tech.shields * design.shields * exact.CUBE_ROOT_OF_30 / exact.cube_root(mass)


def ship_tech(design: ShipType, race: Tech) -> Tech:
    """Return the levels a new ship gets: the race's, to two decimals; absent components have none."""
    return Tech(
        exact.two_decimals(race.drive) if design.drive else 0.0,
        exact.two_decimals(race.weapons) if design.weapons else 0.0,
        exact.two_decimals(race.shields) if design.shields else 0.0,
        exact.two_decimals(race.cargo) if design.cargo else 0.0,
    )


def distance(one: Planet, other: Planet) -> float:
    """Return light years between two planets."""
    return exact.hypotenuse(one.x - other.x, one.y - other.y)


def stock(planet: Planet, goods: Goods) -> float:
    """Return how much of the goods lies in stock on the planet."""
    match goods:
        case Goods.COL:
            return planet.colonists
        case Goods.CAP:
            return planet.capital
        case Goods.MAT:
            return planet.materials


def is_armed(design: ShipType) -> bool:
    """Return whether ships of the type can shoot."""
    return design.attacks > 0


def group_speed(group: Group, design: ShipType) -> float:
    """Return the group's speed with its present load."""
    return speed(design, group.tech, group.load)
