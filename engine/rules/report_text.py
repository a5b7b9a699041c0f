"""The report as plain text, made from the JSON report alone, so that it can tell no more than that."""

import math
from collections.abc import Iterator, Sequence
from typing import Any

_WIDTH = 100


def render(report: dict[str, Any]) -> str:
    """Return the text report; sections without content are left out."""
    return "\n".join(_Page(report).lines()) + "\n"


class _Page:
    def __init__(self, report: dict[str, Any]) -> None:
        self._report = report
        self._places = {planet["id"]: planet for planet in _all_planets(report)}

    def lines(self) -> Iterator[str]:
        report = self._report
        yield f"Galaxy {report['game_id']}"
        yield f"Report of {report['race']} for turn {report['turn']}"
        if report["status"] in {"eliminated", "quit"}:
            yield f"Your race no longer takes part ({report['status']})."
        if report["finished"]:
            winner = report["winner"]
            yield (
                f"The game has ended; {winner} has won." if winner else "The game has ended without a winner."
            )
        if report["race_order"]:
            yield f"Order of races this turn: {', '.join(report['race_order'])}"
        yield from self._section("News", [f"* {item['text']}" for item in report["news"]])
        yield from self._section("Messages", list(self._messages()))
        yield from self._section("Your orders", list(self._orders()))
        yield from self._section("Status of the races", self._races())
        yield from self._section("Your planets", self._planets(report["planets"]))
        yield from self._section("Ships in production", self._in_production())
        yield from self._section("Your groups", self._groups())
        yield from self._section("Cargo routes", self._routes())
        yield from self._section("Incoming groups", self._incoming())
        yield from self._section("Your ship types (at technology 1, empty)", self._types(report["types"]))
        yield from self._section(
            "Foreign ship types seen (at technology 1, empty)", self._types(report["seen_types"])
        )
        yield from self._section("Foreign planets", self._planets(report["foreign_planets"]))
        yield from self._section("Foreign groups", self._seen_groups())
        yield from self._section("Unowned planets", self._unowned())
        yield from self._section("Unidentified planets (owned by somebody)", self._unidentified())
        yield from self._section(self._map_title(), self._map())
        yield from self._section("Totals", self._totals())
        yield from self._section("Your options", self._own_options())
        yield from self._section("Options of the game", self._game_options())

    def _section(self, title: str, lines: Sequence[str]) -> Iterator[str]:
        if lines:
            yield ""
            yield title
            yield "-" * len(title)
            yield from lines

    def _messages(self) -> Iterator[str]:
        for letter in self._report["messages"]:
            yield f"From {letter['from']}{' to all' if letter['to_all'] else ''}:"
            yield from (f"  | {line}" for line in letter["text"].splitlines())

    def _orders(self) -> Iterator[str]:
        for order in self._report["orders"]:
            yield f"{order['line']:>4}  {order['text']}"
            if order["status"] != "ok":
                yield f"      ^ {order['status']} {order['code']}: {order['message']}"

    def _races(self) -> list[str]:
        rows = []
        for race in self._report["races"]:
            known = "drive" in race
            figures = [_two(race[name]) if known else "?" for name in _STATUS_FIGURES]
            attitude = race["attitude"] or "-"
            rows.append(
                [
                    race["race"],
                    *figures,
                    str(race.get("planets", "?")),
                    str(race.get("rank", "?")),
                    attitude,
                    race["status"],
                ]
            )
        head = [
            "race",
            "drive",
            "weapons",
            "shields",
            "cargo",
            "pop",
            "ind",
            "prod",
            "planets",
            "rank",
            "you are at",
            "status",
        ]
        return _table(head, rows)

    def _planets(self, planets: list[dict[str, Any]]) -> list[str]:
        rows = []
        for planet in planets:
            names = [str(planet["id"]), planet["name"], *([planet["owner"]] if "owner" in planet else [])]
            figures = [
                _two(planet[name]) for name in ("x", "y", "size", "population", "industry", "resources")
            ]
            stocks = [_two(planet[name]) for name in ("capital", "materials", "colonists", "points")]
            rows.append([*names, *figures, planet["production"], *stocks])
        owner = ["owner"] if planets and "owner" in planets[0] else []
        head = [
            "#",
            "name",
            *owner,
            "x",
            "y",
            "size",
            "pop",
            "ind",
            "res",
            "production",
            "cap",
            "mat",
            "col",
            "L",
        ]
        return _table(head, rows)

    def _in_production(self) -> list[str]:
        rows = []
        for item in self._report["in_production"]:
            cost = item["points_per_ship"]
            rows.append(
                [
                    self._name(item["planet"]),
                    item["type"],
                    "no materials" if cost is None else _two(cost),
                    _two(item["progress"]),
                    _two(item["points"]),
                ]
            )
        return _table(["planet", "type", "points a ship", "in progress", "points a turn"], rows)

    def _groups(self) -> list[str]:
        rows = [
            [
                str(group["number"]),
                *_ships(group),
                self._name(group["planet"]),
                self._name(group["destination"]) if group["destination"] else "",
                _two(group["remaining"]) if group["under_way"] else "",
                str(_turns(group)) if group["under_way"] else "",
                _two(group["speed"]),
                _two(group["mass"]),
            ]
            for group in self._report["groups"]
        ]
        head = ["#", *_SHIP_HEAD, "at/from", "bound for", "remaining", "turns", "speed", "mass"]
        return _table(head, rows)

    def _seen_groups(self) -> list[str]:
        rows = [
            [each["race"], *_ships(each), self._name(each["planet"])] for each in self._report["seen_groups"]
        ]
        return _table(["race", *_SHIP_HEAD, "at"], rows)

    def _routes(self) -> list[str]:
        routes = self._report["routes"]
        rows = [
            [self._name(route["planet"]), route["kind"], self._name(route["destination"])] for route in routes
        ]
        return _table(["from", "goods", "to"], rows)

    def _incoming(self) -> list[str]:
        rows = []
        for group in self._report["incoming"]:
            figures = [_two(group[name]) for name in ("remaining", "speed", "mass")]
            rows.append(
                [self._name(group["origin"]), self._name(group["destination"]), *figures, str(_turns(group))]
            )
        return _table(["from", "to", "remaining", "speed", "mass", "turns"], rows)

    def _types(self, types: list[dict[str, Any]]) -> list[str]:
        rows = []
        for each in types:
            names = [*([each["race"]] if "race" in each else []), each["name"]]
            parts = [
                _two(each["drive"]),
                str(each["attacks"]),
                *(_two(each[name]) for name in ("weapons", "shields", "cargo")),
            ]
            values = [_two(each[name]) for name in ("mass", "speed", "attack", "defence", "capacity")]
            rows.append([*names, *parts, *values])
        race = ["race"] if types and "race" in types[0] else []
        head = [*race, "type", "D", "A", "W", "S", "C", "mass", "speed", "attack", "defence", "capacity"]
        return _table(head, rows)

    def _unowned(self) -> list[str]:
        rows = []
        for planet in self._report["unowned_planets"]:
            seen = [
                _two(planet[name]) if name in planet else ""
                for name in ("size", "resources", "capital", "materials")
            ]
            rows.append([str(planet["id"]), planet["name"], _two(planet["x"]), _two(planet["y"]), *seen])
        return _table(["#", "name", "x", "y", "size", "res", "cap", "mat"], rows)

    def _unidentified(self) -> list[str]:
        planets = self._report["unidentified_planets"]
        rows = [[str(each["id"]), each["name"], _two(each["x"]), _two(each["y"])] for each in planets]
        return _table(["#", "name", "x", "y"], rows)

    def _map_title(self) -> str:
        window = self._report["map"]["window"]
        corner = f"{_two(window['x'])}, {_two(window['y'])}"
        far = f"{_two(window['x'] + window['extent'])}, {_two(window['y'] + window['extent'])}"
        return f"Map from {corner} (upper left) to {far}: * yours  o unowned  + foreign  . your ships  - foreign ships"

    def _map(self) -> list[str]:
        shown = self._report["map"]
        columns, rows = shown["columns"], shown["rows"]
        cells = [[" "] * columns for _ in range(rows)]
        for symbol, x, y in self._symbols():
            column = math.floor((x - shown["window"]["x"]) / shown["window"]["extent"] * columns)
            row = math.floor((y - shown["window"]["y"]) / shown["window"]["extent"] * rows)
            if 0 <= column < columns and 0 <= row < rows:
                cells[row][column] = symbol
        edge = "+" + "-" * columns + "+"
        return [edge, *("|" + "".join(row) + "|" for row in cells), edge]

    def _symbols(self) -> Iterator[tuple[str, float, float]]:
        """Yield symbols with places; later ones overwrite earlier ones."""
        report, shown = self._report, self._report["map"]
        for symbol, planets in (
            ("o", report["unowned_planets"]),
            ("+", [*report["unidentified_planets"], *report["foreign_planets"]]),
            ("*", report["planets"]),
        ):
            for planet in planets:
                yield symbol, planet["x"], planet["y"]
        for group in report["groups"]:
            if group["under_way"]:
                yield ".", group["x"], group["y"]
        for column, row in shown["dots"]:
            yield (
                "-",
                (column + 0.5) * shown["size"] / shown["columns"],
                (row + 0.5) * shown["size"] / shown["rows"],
            )
        for group in report["incoming"]:
            yield "-", *self._on_the_way(group)

    def _on_the_way(self, group: dict[str, Any]) -> tuple[float, float]:
        here, there = self._places[group["origin"]], self._places[group["destination"]]
        dx, dy = here["x"] - there["x"], here["y"] - there["y"]
        leg = math.sqrt(dx * dx + dy * dy)
        share = group["remaining"] / leg if leg > 0 else 0.0
        return there["x"] + dx * share, there["y"] + dy * share

    def _totals(self) -> list[str]:
        totals = self._report["totals"]
        return [f"Ship mass produced {_two(totals['mass_produced'])}, lost {_two(totals['mass_lost'])}"]

    def _own_options(self) -> list[str]:
        return _wrapped([name if on else f"NO {name}" for name, on in self._report["own_options"].items()])

    def _game_options(self) -> list[str]:
        return _wrapped([f"{name}={_plain(value)}" for name, value in self._report["game_options"].items()])

    def _name(self, number: int) -> str:
        return str(self._places[number]["name"])


_STATUS_FIGURES = ("drive", "weapons", "shields", "cargo", "population", "industry", "production")
_SHIP_HEAD = ["ships", "type", "drive", "weapons", "shields", "cargo", "load", "each"]


def _all_planets(report: dict[str, Any]) -> Iterator[dict[str, Any]]:
    for section in ("planets", "foreign_planets", "unidentified_planets", "unowned_planets"):
        yield from report[section]


def _ships(group: dict[str, Any]) -> list[str]:
    levels = [_two(group[name]) if group[name] else "-" for name in ("drive", "weapons", "shields", "cargo")]
    load = _two(group["load"]) if group["goods"] else ""
    return [str(group["ships"]), group["type"], *levels, group["goods"] or "-", load]


def _turns(group: dict[str, Any]) -> int:
    """Return in how many turns a traveller arrives at its present speed."""
    return math.ceil(group["remaining"] / group["speed"]) if group["speed"] > 0 else 0


def _two(value: float) -> str:
    return f"{value:.2f}"


def _plain(value: Any) -> str:
    if isinstance(value, list):
        return "[" + ",".join(_plain(item) for item in value) + "]"
    if isinstance(value, float):
        return f"{value:g}"
    return "-" if value is None else str(value)


def _table(head: list[str], rows: list[list[str]]) -> list[str]:
    """Align columns: those of numbers to the right, those of words to the left."""
    if not rows:
        return []
    widths = [max(len(row[column]) for row in [head, *rows]) for column in range(len(head))]
    numeric = [all(_is_figure(row[column]) for row in rows) for column in range(len(head))]

    def line(cells: list[str]) -> str:
        padded = (
            cell.rjust(width) if right else cell.ljust(width)
            for cell, width, right in zip(cells, widths, numeric, strict=True)
        )
        return "  ".join(padded).rstrip()

    return [line(head), *(line(row) for row in rows)]


def _is_figure(cell: str) -> bool:
    return not cell or cell in {"-", "?"} or cell.replace(".", "", 1).replace("-", "", 1).isdigit()


def _wrapped(words: list[str]) -> list[str]:
    lines = [""]
    for word in words:
        if lines[-1] and len(lines[-1]) + 2 + len(word) > _WIDTH:
            lines.append("")
        lines[-1] += f", {word}" if lines[-1] else word
    return lines
