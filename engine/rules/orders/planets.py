"""Orders to planets: produce, route, name (rules, 6.5, 11.4, 5)."""

from dataclasses import replace

from engine.rules import names, numbers, production
from engine.rules.draft import Draft
from engine.rules.errors import Refusal
from engine.rules.model import Planet, Product, ProductKind, RouteKind
from engine.rules.orders.model import NamePlanet, Produce, SetRoute
from engine.rules.orders.results import Warnings

_ROUTE_KINDS = tuple(RouteKind)


def produce(draft: Draft, race: int, order: Produce) -> Warnings:
    """Set the product of an own planet; another one than before costs the progress made."""
    planet = _own_planet(draft, race, order.planet)
    abandoned = 0.0
    if planet.product.kind is ProductKind.SHIP:
        abandoned = numbers.ship_mass(draft.design(race, planet.product.type_id))
    product = _product(draft, race, order.product)
    draft.put(
        production.reassigned(planet, product, abandoned, keep_progress=draft.options.keep_production),
    )
    return []


def route(draft: Draft, race: int, order: SetRoute) -> Warnings:
    """Set, replace or cancel the route of one kind."""
    planet = _own_planet(draft, race, order.planet)
    try:
        kind = RouteKind(order.kind.upper())
    except ValueError:
        raise Refusal("E_CARGO_KIND", "Routes carry CAP, MAT, COL, or EMP for empty ships.") from None
    kept = {each: target for each, target in planet.routes if each is not kind}
    if order.destination is not None:
        kept[kind] = draft.find_planet(order.destination).id
    ordered = tuple((each, kept[each]) for each in _ROUTE_KINDS if each in kept)
    draft.put(replace(planet, routes=ordered))
    return []


def name(draft: Draft, race: int, order: NamePlanet) -> Warnings:
    """Rename an own planet."""
    planet = _own_planet(draft, race, order.planet)
    new = names.checked(order.name, draft.game.game_id)
    if not draft.planet_name_is_free(new, planet.id):
        raise Refusal("E_NAME_USED", f"Another planet is called {new}, or has that number.")
    draft.put(replace(planet, name=new))
    return []


def _own_planet(draft: Draft, race: int, text: str) -> Planet:
    planet = draft.find_planet(text)
    if planet.owner != race:
        raise Refusal("E_NOT_OWNER", f"{planet.name} is not yours.")
    return planet


def _product(draft: Draft, race: int, word: str) -> Product:
    if word.upper() in names.PRODUCT_WORDS:
        return Product(ProductKind(word.upper()))
    design = draft.find_design(race, word)
    if design is None:
        raise Refusal("E_PRODUCT", f"There is no product or ship type {word}.")
    return Product(ProductKind.SHIP, design.id)
