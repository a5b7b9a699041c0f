"""Landing goods, by order and by itself at the end of the turn (rules, 11.2, 11.3, 14)."""

from dataclasses import replace

from engine.rules import growth
from engine.rules.draft import Draft
from engine.rules.model import CAPITAL, Goods, Group, Planet, RouteKind
from engine.rules.numbers import LEAST_LOAD

AUTO_UNLOAD = "AutoUnload"
_ROUTED_GOODS = {RouteKind.CAP: Goods.CAP, RouteKind.MAT: Goods.MAT, RouteKind.COL: Goods.COL}


def may_land(draft: Draft, race: int, planet: Planet, goods: Goods) -> bool:
    """Return whether the race may put these goods on this planet."""
    if goods is not Goods.COL or planet.owner in {None, race}:
        return True
    return draft.options.foreign_colonists


def unload(draft: Draft, race: int, position: int, per_ship: float) -> None:
    """Land goods from each ship of the group at its planet; colonists take an unowned planet into possession.

    A remainder too small to count as a load is landed with the rest, so that nothing is lost.
    """
    group = draft.groups[race][position]
    if group.goods is None:
        return
    landed = group.load if group.load - per_ship < LEAST_LOAD else per_ship
    planet = draft.planet(group.planet)
    if group.goods is Goods.COL and planet.owner is None:
        planet = replace(planet, owner=race, product=CAPITAL, progress=0.0, routes=())
    draft.put(growth.landed(planet, group.goods, landed * group.ships))
    draft.groups[race][position] = with_load(group, group.goods, group.load - landed)


def with_load(group: Group, goods: Goods, load: float) -> Group:
    """Return the group carrying that much per ship; under the least load it counts as empty."""
    if load < LEAST_LOAD:
        return replace(group, goods=None, load=0.0)
    return replace(group, goods=goods, load=load)


def unload_automatically(draft: Draft) -> None:
    """Step 17: ships land what they carry at own and unowned planets, then at the ends of their routes."""
    places = _loaded_groups(draft)
    for number in sorted(places):
        for race, position in places[number]:
            if AUTO_UNLOAD not in draft.races[race].switched_off and draft.planet(number).owner in {
                None,
                race,
            }:
                unload(draft, race, position, draft.groups[race][position].load)
    for planet in tuple(draft.planets):
        if planet.owner in draft.acting:
            _unload_routes(draft, planet, planet.owner, places)


def _unload_routes(
    draft: Draft, planet: Planet, owner: int, places: dict[int, list[tuple[int, int]]]
) -> None:
    for kind in (RouteKind.CAP, RouteKind.MAT, RouteKind.COL):
        target = dict(planet.routes).get(kind)
        if target is None:
            continue
        for race, position in places.get(target, ()):
            group = draft.groups[race][position]
            if race != owner or group.goods is not _ROUTED_GOODS[kind]:
                continue
            if may_land(draft, race, draft.planet(target), group.goods):
                unload(draft, race, position, group.load)


def _loaded_groups(draft: Draft) -> dict[int, list[tuple[int, int]]]:
    """Return who stands loaded at each planet: races in the turn's order, their groups in order."""
    places: dict[int, list[tuple[int, int]]] = {}
    for race in draft.acting:
        for position, group in draft.own_groups(race):
            if group.goods is not None and group.destination is None:
                places.setdefault(group.planet, []).append((race, position))
    return places
