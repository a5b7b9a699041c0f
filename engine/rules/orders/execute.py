"""Running one race's orders in their phases (rules, 18, steps 2 to 4)."""

from collections.abc import Iterable
from typing import assert_never

from engine.rules.draft import Draft
from engine.rules.errors import Refusal
from engine.rules.orders import model, planets, realm, ships
from engine.rules.orders.catalogue import BY_TYPE, Code, Phase
from engine.rules.orders.model import Order
from engine.rules.orders.reading import Line
from engine.rules.orders.results import OrderResult, Outcome, Warnings


def unreadable(lines: Iterable[Line]) -> dict[int, OrderResult]:
    """Return results of the lines that hold no order, by line number."""
    return {line.number: _refused(line, line.refusal) for line in lines if line.refusal is not None}


def run_phase(draft: Draft, race: int, lines: Iterable[Line], phase: Phase) -> dict[int, OrderResult]:
    """Run the race's orders of one phase line by line; return their results by line number."""
    results: dict[int, OrderResult] = {}
    for line in lines:
        if line.order is not None and _phase(line.order) is phase:
            results[line.number] = _run(draft, race, line, line.order)
    return results


def _phase(order: Order) -> Phase:
    spec = BY_TYPE.get(type(order))
    return spec.phase if spec is not None else Phase.AT_ONCE


def _run(draft: Draft, race: int, line: Line, order: Order) -> OrderResult:
    try:
        warnings = ([line.warning] if line.warning else []) + _execute(draft, race, order)
    except Refusal as refusal:
        return _refused(line, refusal)
    if warnings:
        text = " ".join(message for _, message in warnings)
        return OrderResult(line.number, line.text, Outcome.WARNING, warnings[0][0], text)
    return OrderResult(line.number, line.text, Outcome.OK, Code.OK, "")


def _refused(line: Line, refusal: Refusal) -> OrderResult:
    return OrderResult(line.number, line.text, Outcome.ERROR, refusal.code, refusal.message)


def _execute(draft: Draft, race: int, order: Order) -> Warnings:  # noqa: PLR0911, PLR0912 - one arm an order
    match order:
        case model.Send():
            return ships.send(draft, race, order)
        case model.Load():
            return ships.load(draft, race, order)
        case model.Unload():
            return ships.unload(draft, race, order)
        case model.Break():
            return ships.split(draft, race, order)
        case model.Scrap():
            return ships.scrap(draft, race, order)
        case model.Upgrade():
            return ships.upgrade(draft, race, order)
        case model.Produce():
            return planets.produce(draft, race, order)
        case model.SetRoute():
            return planets.route(draft, race, order)
        case model.NamePlanet():
            return planets.name(draft, race, order)
        case model.Design():
            return realm.design(draft, race, order)
        case model.Erase():
            return realm.erase(draft, race, order)
        case model.RenameType():
            return realm.rename_type(draft, race, order)
        case model.NameRace():
            return realm.rename_race(draft, race, order)
        case model.Peace():
            return realm.peace(draft, race, order)
        case model.War():
            return realm.war(draft, race, order)
        case model.SetOption():
            return realm.option(draft, race, order)
        case model.MapWindow():
            return realm.map_window(draft, race, order)
        case model.Quit():
            return realm.leave(draft, race, order)
        case model.Message():
            return realm.message(draft, race, order)
        case model.MailEra():
            return [("W_IGNORED", "The platform owns accounts; this order does nothing.")]
        case _:
            assert_never(order)
