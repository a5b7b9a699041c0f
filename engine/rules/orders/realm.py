"""Orders to the race itself: designs, names, attitudes, options, messages (rules, 5, 7, 15, 17)."""

from dataclasses import replace

from engine.rules import names
from engine.rules.draft import Draft, Letter
from engine.rules.errors import Refusal
from engine.rules.model import ProductKind, ShipType
from engine.rules.orders.catalogue import Code
from engine.rules.orders.model import (
    Design,
    Erase,
    MapWindow,
    Message,
    NameRace,
    Peace,
    Quit,
    RenameType,
    SetOption,
    War,
)
from engine.rules.orders.results import Warnings

OPTIONS = (
    "AutoUnload",
    "SortGroups",
    "ProdTable",
    "BattleProtocol",
    "Anonymous",
    "PlanetForecast",
    "GroupForecast",
    "ShipTypeForecast",
    "RoutesForecast",
)
"""Options of a race; all are on until switched off."""
_MAIL_OPTIONS = ("Compress", "GPlus", "MachineReport", "XMLReport", "TXTReport")
TYPES_MAX = 500
MESSAGES_MAX = 100
_COMPONENT_MAX = 1_000_000.0
_WINDOW_MAX = 100_000.0


def design(draft: Draft, race: int, order: Design) -> Warnings:
    """Add a ship type."""
    name = _type_name(draft, race, order.name)
    parts = (order.drive, order.weapons, order.shields, order.cargo)
    if any(part != 0.0 and not 1.0 <= part <= _COMPONENT_MAX for part in parts):
        raise Refusal("E_COMPONENT", "Drive, weapons, shields and cargo are 0 or at least 1.")
    if order.attacks != int(order.attacks) or not 0 <= order.attacks <= _COMPONENT_MAX:
        raise Refusal("E_COMPONENT", "The number of guns is a whole number.")
    if (order.attacks == 0) != (order.weapons == 0.0):
        raise Refusal("E_COMPONENT", "Guns and weapons are both zero or both not.")
    if not any(parts):
        raise Refusal("E_COMPONENT", "A ship needs at least one component.")
    owner = draft.races[race]
    if len(owner.types) >= TYPES_MAX:
        raise Refusal(Code.LIMIT, f"A race has at most {TYPES_MAX} ship types.")
    new = ShipType(
        owner.next_type_id, name, order.drive, int(order.attacks), order.weapons, order.shields, order.cargo
    )
    draft.change(race, types=(*owner.types, new), next_type_id=owner.next_type_id + 1)
    return []


def erase(draft: Draft, race: int, order: Erase) -> Warnings:
    """Delete a ship type that nothing uses."""
    old = _design(draft, race, order.type)
    built = any(
        planet.owner == race and planet.product.kind is ProductKind.SHIP and planet.product.type_id == old.id
        for planet in draft.planets
    )
    if built or any(group.type_id == old.id and group.ships for group in draft.groups[race]):
        raise Refusal("E_IN_USE", f"Ships of type {old.name} exist or are being built.")
    draft.change(race, types=tuple(each for each in draft.races[race].types if each.id != old.id))
    return []


def rename_type(draft: Draft, race: int, order: RenameType) -> Warnings:
    """Rename a ship type."""
    old = _design(draft, race, order.type)
    new = replace(old, name=_type_name(draft, race, order.name, but=old.id))
    draft.change(race, types=tuple(new if each.id == old.id else each for each in draft.races[race].types))
    return []


def rename_race(draft: Draft, race: int, order: NameRace) -> Warnings:
    """Rename the race."""
    name = names.checked(order.name, draft.game.game_id)
    if any(other.id != race and names.key(other.name) == names.key(name) for other in draft.races):
        raise Refusal("E_NAME_USED", f"Another race is called {name}.")
    draft.change(race, name=name)
    return []


def peace(draft: Draft, race: int, order: Peace) -> Warnings:
    """Be at peace with a race, on one's own side only."""
    other = draft.find_race(order.race).id
    if other == race:
        return [("W_SELF", "A race is always at peace with itself.")]
    draft.change(race, peace=tuple(sorted({*draft.races[race].peace, other})))
    return []


def war(draft: Draft, race: int, order: War) -> Warnings:
    """Be at war with a race, on one's own side only."""
    other = draft.find_race(order.race).id
    if draft.turn <= draft.options.peace_turns:
        raise Refusal("E_PEACE", f"Nobody goes to war in the first {draft.options.peace_turns} turns.")
    if other == race:
        return [("W_SELF", "A race is never at war with itself.")]
    draft.change(race, peace=tuple(each for each in draft.races[race].peace if each != other))
    return []


def option(draft: Draft, race: int, order: SetOption) -> Warnings:
    """Switch one option of the race."""
    wanted = order.name.casefold()
    if wanted in {each.casefold() for each in _MAIL_OPTIONS}:
        return [("W_IGNORED", "This option belongs to the mail era and does nothing here.")]
    name = next((each for each in OPTIONS if each.casefold() == wanted), None)
    if name is None:
        raise Refusal("E_OPTION", f"There is no option {order.name}.")
    off = set(draft.races[race].switched_off)
    (off.discard if order.on else off.add)(name)
    draft.change(race, switched_off=tuple(sorted(off)))
    return []


def map_window(draft: Draft, race: int, order: MapWindow) -> Warnings:
    """Choose the window of the map."""
    if not 1.0 <= order.extent <= _WINDOW_MAX or max(abs(order.x), abs(order.y)) > _WINDOW_MAX:
        raise Refusal("E_MAP", "The window's side is at least 1 light year.")
    draft.change(race, window=(order.x, order.y, order.extent))
    return []


def leave(draft: Draft, race: int, order: Quit) -> Warnings:
    """Leave the game at the end of this turn."""
    if names.key(order.name) != names.key(draft.races[race].name):
        raise Refusal("E_RACE", "Quitting needs your own race's name.")
    draft.quitting.add(race)
    return []


def message(draft: Draft, race: int, order: Message) -> Warnings:
    """Post a message; unknown recipients are named, the others still get it."""
    if sum(letter.sender == race for letter in draft.letters) >= MESSAGES_MAX:
        raise Refusal(Code.LIMIT, f"A race sends at most {MESSAGES_MAX} messages a turn.")
    known: list[int] = []
    unknown: list[str] = []
    for name in order.races:
        try:
            known.append(draft.find_race(name).id)
        except Refusal:
            unknown.append(name)
    if order.races and not known:
        raise Refusal("E_RACE", f"There is no race called {', '.join(unknown)[:200]}.")
    draft.letters.append(Letter(race, tuple(sorted(set(known))), order.text))
    return [("E_RACE", f"There is no race called {name}.") for name in unknown]


def _design(draft: Draft, race: int, text: str) -> ShipType:
    found = draft.find_design(race, text)
    if found is None:
        raise Refusal("E_TYPE", f"You have no ship type {text}.")
    return found


def _type_name(draft: Draft, race: int, text: str, but: int | None = None) -> str:
    name = names.checked(text, draft.game.game_id)
    found = draft.find_design(race, name)
    if found is not None and found.id != but:
        raise Refusal("E_NAME_USED", f"You have a ship type {name} already.")
    return name
