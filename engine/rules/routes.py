"""Cargo routes: loading and dispatch (rules, 11.4)."""

import math
from dataclasses import replace

from engine.rules import numbers
from engine.rules.draft import Draft
from engine.rules.model import Goods, Planet, RouteKind
from engine.rules.numbers import LEAST_LOAD


def dispatch_all(draft: Draft) -> None:
    """Step 8: planets in order, kinds in the order COL, CAP, MAT, EMP, the owner's groups in order."""
    for number in range(1, len(draft.planets) + 1):
        planet = draft.planet(number)
        if planet.owner not in draft.acting:
            continue
        for kind, target in planet.routes:
            _dispatch(draft, planet.owner, number, kind, target)


def _dispatch(draft: Draft, race: int, number: int, kind: RouteKind, target: int) -> None:
    book = draft.groups[race]
    # Ships split off by this kind join the end of the list; they are empty for want of stock, so a visit is harmless.
    for position, group in draft.own_groups(race):
        if group.planet != number or group.destination is not None:
            continue
        design = draft.design(race, group.type_id)
        if design.drive <= 0.0 or design.cargo <= 0.0:
            continue
        if kind is RouteKind.EMP:
            if group.goods is None:
                book[position] = replace(group, destination=target)
        elif group.goods is not None:
            if group.goods == kind.value:
                book[position] = replace(group, destination=target)
        else:
            _load_and_send(draft, race, position, Goods(kind.value), target)


def _load_and_send(draft: Draft, race: int, position: int, goods: Goods, target: int) -> None:
    """Fill as few ships as can carry the stock, split the idle rest off, and send the loaded ones."""
    book = draft.groups[race]
    group = book[position]
    planet = draft.planet(group.planet)
    room = draft.capacity(race, group)
    taken = min(numbers.stock(planet, goods), group.ships * room)
    if taken <= 0.0:
        return
    idle = min(group.ships - 1, math.floor((group.ships * room - taken) / room))
    load = taken / (group.ships - idle)
    if load < LEAST_LOAD:
        return  # too little to count as a load: it stays on the ground rather than vanish
    if idle > 0:
        book.split(position, idle)
    draft.put(without(planet, goods, taken))
    book[position] = replace(book[position], goods=goods, load=min(load, room), destination=target)


def without(planet: Planet, goods: Goods, amount: float) -> Planet:
    """Return the planet after so much was taken from its stock."""
    left = max(0.0, numbers.stock(planet, goods) - amount)
    match goods:
        case Goods.COL:
            return replace(planet, colonists=left)
        case Goods.CAP:
            return replace(planet, capital=left)
        case Goods.MAT:
            return replace(planet, materials=left)
