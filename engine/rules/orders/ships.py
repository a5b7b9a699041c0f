"""Orders to groups: send, load, unload, break, scrap, upgrade (rules, 8 to 11)."""

from dataclasses import replace

from engine.rules import cargo, numbers, routes
from engine.rules import upgrade as upgrading
from engine.rules.draft import Draft
from engine.rules.errors import Refusal
from engine.rules.model import Goods, Group, Planet
from engine.rules.orders.model import Break, GroupNumber, Load, Scrap, Send, Unload, Upgrade
from engine.rules.orders.results import Warnings

_LEAST_STOCK_PER_SHIP = 0.005


def send(draft: Draft, race: int, order: Send) -> Warnings:
    """Order ships away; they leave in this turn's movement. To where they are: they stay."""
    position = _at_planet(draft, race, order.group)
    target = draft.find_planet(order.planet)
    group = draft.groups[race][position]
    if draft.design(race, group.type_id).drive <= 0.0:
        raise Refusal("E_NO_DRIVE", "Ships without a drive cannot move.")
    count, warnings = _count(group, order.count)
    position = draft.groups[race].split(position, count)
    destination = None if target.id == group.planet else target.id
    draft.groups[race][position] = replace(draft.groups[race][position], destination=destination)
    return warnings


def load(draft: Draft, race: int, order: Load) -> Warnings:
    """Load goods; a short stock is spread evenly over the ships."""
    position = _group(draft, race, order.group)
    goods = _goods(order.goods)
    group = draft.groups[race][position]
    if draft.design(race, group.type_id).cargo <= 0.0:
        raise Refusal("E_NO_BAY", "Ships of this type have no cargo bay.")
    _refuse_under_way(group)
    room = draft.capacity(race, group)
    if group.goods is not None and group.goods is not goods:
        raise Refusal("E_MIXED", f"The ships carry {group.goods} already.")
    if room - group.load < numbers.LEAST_LOAD:
        raise Refusal("E_FULL", "The ships are full.")
    wanted = room - group.load
    if order.amount is not None:
        if order.amount < numbers.LEAST_LOAD:
            raise Refusal("E_MIN_AMOUNT", f"The least amount per ship is {numbers.LEAST_LOAD}.")
        if order.amount > room - group.load:
            raise Refusal("E_ROOM", f"Each ship has room for {room - group.load:.2f} more.")
        wanted = order.amount
    planet = draft.planet(group.planet)
    if planet.owner not in {None, race} and not draft.options.foreign_load:
        raise Refusal("E_FOREIGN", "Goods of other races cannot be loaded.")
    count, warnings = _count(group, order.count)
    taken = min(wanted, numbers.stock(planet, goods) / count)
    if taken < _LEAST_STOCK_PER_SHIP or group.load + taken < numbers.LEAST_LOAD:
        raise Refusal("E_NO_STOCK", f"There is no {goods} to load here.")
    if taken < wanted and order.amount is not None:
        warnings.append(("W_SHORT", f"Only {taken:.2f} {goods} per ship were there."))
    position = draft.groups[race].split(position, count)
    draft.put(routes.without(planet, goods, taken * count))
    draft.groups[race][position] = cargo.with_load(
        draft.groups[race][position], goods, min(room, group.load + taken)
    )
    return warnings


def unload(draft: Draft, race: int, order: Unload) -> Warnings:
    """Unload goods where the group is."""
    position = _group(draft, race, order.group)
    group = draft.groups[race][position]
    if group.goods is None:
        raise Refusal("E_EMPTY", "The ships carry nothing.")
    _refuse_under_way(group)
    amount = group.load if order.amount is None else order.amount
    if amount < numbers.LEAST_LOAD:
        raise Refusal("E_MIN_AMOUNT", f"The least amount per ship is {numbers.LEAST_LOAD}.")
    if not cargo.may_land(draft, race, draft.planet(group.planet), group.goods):
        raise Refusal("E_FOREIGN", "Colonists cannot land on a planet of another race.")
    count, warnings = _count(group, order.count)
    if amount > group.load:
        warnings.append(("W_SHORT", f"Each ship carried only {group.load:.2f}."))
        amount = group.load
    cargo.unload(draft, race, draft.groups[race].split(position, count), amount)
    return warnings


def split(draft: Draft, race: int, order: Break) -> Warnings:
    """Split ships off into a new group."""
    position = _group(draft, race, order.group)
    ships = draft.groups[race][position].ships
    if order.count > ships:
        raise Refusal("E_TOO_MANY", f"The group has only {ships} ships.")
    if order.count < 1:
        raise Refusal("E_COUNT", "A new group needs at least one ship.")
    draft.groups[race].split(position, order.count)
    return []


def scrap(draft: Draft, race: int, order: Scrap) -> Warnings:
    """Turn ships into materials; their cargo is unloaded first."""
    position = _at_planet(draft, race, order.group)
    group = draft.groups[race][position]
    planet = draft.planet(group.planet)
    if group.goods is Goods.COL and planet.owner not in {None, race}:
        raise Refusal("E_FOREIGN", "Ships with colonists cannot be scrapped over a planet of another race.")
    count, warnings = _count(group, order.count)
    position = draft.groups[race].split(position, count)
    cargo.unload(draft, race, position, group.load)
    mass = numbers.ship_mass(draft.design(race, group.type_id)) * count
    planet = draft.planet(group.planet)
    draft.put(replace(planet, materials=planet.materials + mass))
    draft.groups[race][position] = replace(draft.groups[race][position], ships=0)
    return warnings


def upgrade(draft: Draft, race: int, order: Upgrade) -> Warnings:
    """Upgrade ships with the planet's remaining points; see rules 8 for what a missing count means."""
    position = _at_planet(draft, race, order.group)
    group = draft.groups[race][position]
    if group.destination is not None:
        raise Refusal("E_HYPERSPACE", "The group was ordered away.")
    planet = draft.planet(group.planet)
    if planet.owner != race:
        raise Refusal("E_NOT_OWNER", "Ships are upgraded at own planets only.")
    design = draft.design(race, group.type_id)
    cost = upgrading.cost_per_ship(design, group.tech, draft.races[race].tech)
    if cost <= 0.0:
        return [("W_CURRENT", "The ships are of the present technology already.")]
    points = numbers.planet_points(planet)
    if order.count is None:
        warnings: Warnings = []
        count = min(group.ships, int(points / cost))
    else:
        count, warnings = _count(group, order.count)
    if count < 1 or points <= 0.0:
        raise Refusal("E_NO_INDUSTRY", "The planet has no industry left for this.")
    _upgrade_ships(draft, race, draft.groups[race].split(position, count), planet, points)
    return warnings


def _upgrade_ships(draft: Draft, race: int, position: int, planet: Planet, points: float) -> None:
    group = draft.groups[race][position]
    design = draft.design(race, group.type_id)
    outcome = upgrading.upgraded(design, group.tech, draft.races[race].tech, group.ships, points)
    draft.groups[race][position] = replace(group, tech=outcome.tech)
    draft.put(replace(planet, spent=planet.spent + outcome.spent))


def _group(draft: Draft, race: int, number: GroupNumber) -> int:
    book = draft.groups[race]
    position = book.find(book.highest if number == "MAX" else number)
    if position is None:
        raise Refusal("E_GROUP", f"You have no group {number}.")
    return position


def _at_planet(draft: Draft, race: int, number: GroupNumber) -> int:
    position = _group(draft, race, number)
    _refuse_under_way(draft.groups[race][position])
    return position


def _refuse_under_way(group: Group) -> None:
    if group.under_way:
        raise Refusal("E_HYPERSPACE", "The group is in hyperspace.")


def _count(group: Group, count: int | None) -> tuple[int, Warnings]:
    """Return how many ships an order means: missing or 0 are all, anything else out of range as well, with a warning."""
    if not count:
        return group.ships, []
    if count < 0 or count > group.ships:
        return group.ships, [("W_COUNT", f"The group has {group.ships} ships; all of them are meant.")]
    return count, []


def _goods(word: str) -> Goods:
    try:
        return Goods(word.upper())
    except ValueError:
        raise Refusal("E_CARGO_KIND", "Goods are CAP, MAT or COL.") from None
