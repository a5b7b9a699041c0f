"""Growth, colonists and the conversion of capital into industry (rules, 6.2 and 11.2)."""

from dataclasses import replace

from engine.rules.model import Goods, Planet
from engine.rules.numbers import GROWTH, PEOPLE_PER_COLONIST


def grown(planet: Planet) -> Planet:
    """Return the planet after a turn's growth; what finds no room goes into stock as colonists."""
    return converted(_settled(planet, GROWTH * planet.population))


def converted(planet: Planet) -> Planet:
    """Return the planet after as much capital as people can work has become industry."""
    gap = planet.population - planet.industry
    if gap <= 0.0 or planet.capital <= 0.0:
        return planet
    if planet.capital >= gap:
        return replace(planet, industry=planet.population, capital=planet.capital - gap)
    # The minimum guards the law ind <= pop against the rounding of the sum.
    return replace(planet, industry=min(planet.population, planet.industry + planet.capital), capital=0.0)


def landed(planet: Planet, goods: Goods, amount: float) -> Planet:
    """Return the planet after goods were unloaded there; ownership is the caller's matter."""
    match goods:
        case Goods.COL:
            return converted(_settled(planet, PEOPLE_PER_COLONIST * amount))
        case Goods.CAP:
            return converted(replace(planet, capital=planet.capital + amount))
        case Goods.MAT:
            return replace(planet, materials=planet.materials + amount)


def _settled(planet: Planet, people: float) -> Planet:
    room = planet.size - planet.population
    if people <= room:
        return replace(planet, population=min(planet.size, planet.population + people))
    return replace(
        planet, population=planet.size, colonists=planet.colonists + (people - room) / PEOPLE_PER_COLONIST
    )
