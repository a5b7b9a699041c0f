"""Movement through hyperspace (rules, 10)."""

from dataclasses import replace

from engine.rules import numbers
from engine.rules.draft import Draft
from engine.rules.model import Group


def moved(group: Group, speed: float, distance: float) -> Group:
    """Return the group one turn on; `distance` is that of the whole leg, used when it departs now."""
    if group.destination is None:
        return group
    remaining = (group.remaining if group.under_way else distance) - speed
    if remaining < numbers.ARRIVED_BELOW:
        return replace(group, planet=group.destination, destination=None, remaining=0.0, under_way=False)
    return replace(group, remaining=remaining, under_way=True)


def move_all(draft: Draft) -> None:
    """Step 11: everything that was ordered away or is under way moves."""
    for race in draft.acting:
        book = draft.groups[race]
        for position, group in draft.own_groups(race):
            if group.destination is None:
                continue
            leg = numbers.distance(draft.planet(group.planet), draft.planet(group.destination))
            book[position] = moved(group, numbers.group_speed(group, draft.design(race, group.type_id)), leg)
