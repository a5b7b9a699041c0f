"""The groups of one race during a turn: numbering, splitting, merging, sorting (rules, 9)."""

from collections.abc import Iterable, Iterator
from dataclasses import replace

from engine.rules.model import Group, Planet


class GroupBook:
    """A race's groups in creation order, findable by number. Positions are stable until `merge`."""

    def __init__(self, groups: Iterable[Group]) -> None:
        self._groups = list(groups)
        self._by_number: dict[int, int] = {}
        self._highest = 0
        self._reindex()

    def __iter__(self) -> Iterator[Group]:
        return iter(tuple(self._groups))

    def __len__(self) -> int:
        return len(self._groups)

    def __getitem__(self, position: int) -> Group:
        return self._groups[position]

    def __setitem__(self, position: int, group: Group) -> None:
        self._groups[position] = group

    @property
    def highest(self) -> int:
        """The highest number in use, 0 without groups: what MAX means at this moment."""
        return self._highest

    def find(self, number: int) -> int | None:
        """Return the position of the group with that number."""
        position = self._by_number.get(number)
        return position if position is not None and self._groups[position].ships > 0 else None

    def add(self, group: Group) -> int:
        """Append the group under a new number and return its position."""
        numbered = replace(group, number=self.highest + 1)
        self._groups.append(numbered)
        self._by_number[numbered.number] = len(self._groups) - 1
        self._highest = numbered.number
        return len(self._groups) - 1

    def split(self, position: int, ships: int) -> int:
        """Split that many ships off into a new last group; the whole group stays where it is. Return the position."""
        group = self._groups[position]
        if ships >= group.ships:
            return position
        self._groups[position] = replace(group, ships=group.ships - ships)
        return self.add(replace(group, ships=ships))

    def merge(self) -> None:
        """Join identical groups into the earlier one and drop empty ones."""
        merged: dict[Group, int] = {}
        kept: list[Group] = []
        for group in self._groups:
            if group.ships < 1:
                continue
            likeness = replace(group, number=0, ships=1)
            if likeness in merged:
                earlier = kept[merged[likeness]]
                kept[merged[likeness]] = replace(earlier, ships=earlier.ships + group.ships)
            else:
                merged[likeness] = len(kept)
                kept.append(group)
        self._groups = kept
        self._reindex()

    def renumber(self, race: int, planets: Iterable[Planet]) -> None:
        """Give numbers 1..k by where groups are or are bound for: own planets, others' planets, unowned ones."""
        owners = {planet.id: planet.owner for planet in planets}

        def rank(position: int) -> tuple[int, int, bool, int]:
            group = self._groups[position]
            target = group.destination if group.destination is not None else group.planet
            owner = owners[target]
            section = 0 if owner == race else 2 if owner is None else 1
            return section, target, group.under_way, position

        for number, position in enumerate(sorted(range(len(self._groups)), key=rank), start=1):
            self._groups[position] = replace(self._groups[position], number=number)
        self._reindex()

    def _reindex(self) -> None:
        self._by_number = {group.number: position for position, group in enumerate(self._groups)}
        self._highest = max(self._by_number, default=0)
