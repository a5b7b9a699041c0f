"""Materials, capital, ships, research, and what a change of production gives back (rules, 6.3 to 6.6)."""

import math
from dataclasses import dataclass, replace

from engine.rules import growth, numbers
from engine.rules.draft import Draft
from engine.rules.model import RESEARCH, Group, Planet, Product, ProductKind, Tech

POINTS_PER_MASS = 10.0
POINTS_PER_CAPITAL = 5.0
POINTS_PER_LEVEL = 5000.0
_LARGE_SHIP = 49.5


@dataclass(frozen=True, slots=True)
class Built:
    """Outcome of a turn of ship building on one planet."""

    ships: int
    materials: float
    progress: float


def materials_made(planet: Planet) -> Planet:
    """Return the planet after a turn of MAT."""
    return replace(planet, materials=planet.materials + numbers.planet_points(planet) * planet.resources)


def capital_made(planet: Planet) -> Planet:
    """Return the planet after a turn of CAP: first from stocked materials, then digging for them."""
    points = numbers.planet_points(planet)
    from_stock = min(points / POINTS_PER_CAPITAL, planet.materials)
    made = from_stock
    if planet.resources > 0.0:
        rest = max(0.0, points - POINTS_PER_CAPITAL * from_stock)
        made += rest / (POINTS_PER_CAPITAL + 1.0 / planet.resources)
    return replace(planet, capital=planet.capital + made, materials=max(0.0, planet.materials - from_stock))


def paid_mass(mass: float, tolerance: float) -> float:
    """Return the mass that must be paid: large ships get a little for nothing."""
    return mass - tolerance if mass > _LARGE_SHIP else mass


def ships_cost(count: int, mass: float, materials: float, resources: float) -> float:
    """Return the points that `count` ships of that paid mass take, missing materials included."""
    missing = count * mass - materials
    points = POINTS_PER_MASS * count * mass
    if missing <= 0.0:
        return points
    return points + missing / resources if resources > 0.0 else math.inf


def built(points: float, mass: float, materials: float, resources: float) -> Built:
    """Build as many whole ships of that paid mass as the points allow; without a single one nothing is used."""
    count = _affordable(points, mass, materials, resources)
    if count == 0:
        return Built(0, materials, points)
    left = points - ships_cost(count, mass, materials, resources)
    return Built(count, max(0.0, materials - count * mass), max(0.0, left))


def _affordable(points: float, mass: float, materials: float, resources: float) -> int:
    count = math.floor(points / (POINTS_PER_MASS * mass))
    if count * mass > materials:
        # Where digging is next to impossible, both quotients run over; then what lies there is all there is.
        diggable = resources > 0.0 and math.isfinite((materials + mass) / resources)
        if diggable:
            with_digging = (points + materials / resources) / (POINTS_PER_MASS * mass + mass / resources)
            count = min(count, math.floor(with_digging))
        else:
            count = min(count, math.floor(materials / mass))
    # The division may be off by its rounding; the comparison below is the rule itself.
    while ships_cost(count + 1, mass, materials, resources) <= points:
        count += 1
    while count > 0 and ships_cost(count, mass, materials, resources) > points:
        count -= 1
    return count


def produce_goods(draft: Draft) -> None:
    """Step 15: planets in order make ships, materials or capital."""
    for planet in tuple(draft.planets):
        if planet.owner not in draft.acting:
            continue
        match planet.product.kind:
            case ProductKind.MAT:
                draft.put(materials_made(planet))
            case ProductKind.CAP:
                draft.put(capital_made(planet))
            case ProductKind.SHIP:
                _build_ships(draft, planet, planet.owner)
            case ProductKind.DRIVE | ProductKind.WEAPONS | ProductKind.SHIELDS | ProductKind.CARGO:
                pass


def _build_ships(draft: Draft, planet: Planet, owner: int) -> None:
    design = draft.design(owner, planet.product.type_id)
    mass = numbers.ship_mass(design)
    outcome = built(
        numbers.planet_points(planet) + planet.progress,
        paid_mass(mass, draft.options.large_ship_tolerance),
        planet.materials,
        planet.resources,
    )
    draft.put(replace(planet, materials=outcome.materials, progress=outcome.progress))
    if outcome.ships:
        race = draft.races[owner]
        tech = numbers.ship_tech(design, race.tech)
        draft.groups[owner].add(Group(0, design.id, outcome.ships, tech, planet.id))
        draft.change(owner, mass_produced=race.mass_produced + outcome.ships * mass)


def research_and_grow(draft: Draft) -> None:
    """Step 16: research points of all planets are credited, then each planet grows and converts."""
    for planet in tuple(draft.planets):
        if planet.owner not in draft.acting:
            continue
        race = draft.races[planet.owner]
        if planet.product.kind in RESEARCH:
            points = numbers.planet_points(planet)
            tech = researched(race.tech, planet.product.kind, points, draft.options.cargo_tech_cost)
            draft.change(race.id, tech=tech)
        draft.put(growth.grown(replace(planet, spent=0.0)))


def researched(tech: Tech, kind: ProductKind, points: float, cargo_tech_cost: float) -> Tech:
    """Return the levels after so many points of research; fractions count."""
    match kind:
        case ProductKind.DRIVE:
            return replace(tech, drive=tech.drive + points / POINTS_PER_LEVEL)
        case ProductKind.WEAPONS:
            return replace(tech, weapons=tech.weapons + points / POINTS_PER_LEVEL)
        case ProductKind.SHIELDS:
            return replace(tech, shields=tech.shields + points / POINTS_PER_LEVEL)
        case ProductKind.CARGO:
            return replace(tech, cargo=tech.cargo + points / cargo_tech_cost)
        case ProductKind.CAP | ProductKind.MAT | ProductKind.SHIP:
            return tech


def reassigned(planet: Planet, product: Product, abandoned_mass: float, *, keep_progress: bool) -> Planet:
    """Return the planet with another product; a ship in the works gives part of its material back (6.5).

    `abandoned_mass` is the plain mass of the type that was being built, 0 when none was.
    """
    if product == planet.product:
        return planet
    materials = planet.materials
    if abandoned_mass > 0.0 and planet.progress > 0.0:
        full = ships_cost(1, abandoned_mass, planet.materials, planet.resources)
        materials += abandoned_mass * planet.progress / full
    progress = planet.progress if keep_progress else 0.0
    return replace(planet, product=product, materials=materials, progress=progress)
