"""The map as a page of characters for a terminal, with names where there is room."""

from rich.text import Text

from client.chart.model import Chart, Place, Sight

# Shapes tell worlds apart; green and magenta are read on light and dark ground, and by eyes that confuse red and green.
SYMBOLS = {
    Sight.OWN: ("●", "bold green"),
    Sight.FOREIGN: ("▲", "bold magenta"),
    Sight.UNIDENTIFIED: ("?", "magenta"),
    Sight.UNOWNED: ("○", "cyan"),
    Sight.UNKNOWN: ("·", "bright_black"),
}
_OWN_SHIPS = ("+", "green")
_FOREIGN_SHIPS = ("x", "magenta")
# A character is about twice as high as wide.
_ASPECT = 2.0


def draw_text(chart: Chart, columns: int = 78) -> Text:
    """Return the map framed in a box of the given width; colours are styles, so they vanish in a pipe."""
    inner = max(20, columns - 2)
    rows = max(8, round(inner / _ASPECT))
    page = _Page(inner, rows)

    def cell(x: float, y: float) -> tuple[int, int]:
        return (
            min(inner - 1, max(0, int(x / chart.size * inner))),
            min(rows - 1, max(0, int(y / chart.size * rows))),
        )

    for sighting in chart.sightings:
        page.put(*cell(sighting.x, sighting.y), *_FOREIGN_SHIPS)
    for flight in chart.flights:
        page.put(*cell(flight.x, flight.y), *_OWN_SHIPS)
    # What matters most is written last, and named first.
    ranked = sorted(chart.places, key=_weight)
    for place in ranked:
        page.put(*cell(place.x, place.y), *SYMBOLS[place.sight])
    for place in reversed(ranked):
        if place.sight in {Sight.OWN, Sight.FOREIGN}:
            name = place.name if place.is_named else f"#{place.id}"
            page.name(*cell(place.x, place.y), name, SYMBOLS[place.sight][1].removeprefix("bold "))
    return _framed(chart, page)


def _weight(place: Place) -> tuple[int, float]:
    order = (Sight.UNKNOWN, Sight.UNOWNED, Sight.UNIDENTIFIED, Sight.FOREIGN, Sight.OWN)
    return order.index(place.sight), place.size or 0.0


def _framed(chart: Chart, page: "_Page") -> Text:
    title = f" {chart.race}, turn {chart.turn} "
    out = Text("╭─", style="bright_black")
    out.append(title, style="bold")
    out.append("─" * max(0, page.columns - 1 - len(title)) + "╮\n", style="bright_black")
    for row in page.cells:
        out.append("│", style="bright_black")
        for character, style in row:
            out.append(character, style=style)
        out.append("│\n", style="bright_black")
    scale = f" {chart.size:.0f} × {chart.size:.0f} ly "
    out.append("╰" + "─" * max(0, page.columns - 1 - len(scale)), style="bright_black")
    out.append(scale, style="bright_black")
    out.append("─╯\n", style="bright_black")
    words = {
        Sight.OWN: "yours",
        Sight.FOREIGN: "foreign",
        Sight.UNIDENTIFIED: "somebody's",
        Sight.UNOWNED: "nobody's",
        Sight.UNKNOWN: "not seen yet",
    }
    entries = [(*SYMBOLS[sight], words[sight]) for sight in SYMBOLS]
    entries += [(*_OWN_SHIPS, "your ships"), (*_FOREIGN_SHIPS, "foreign ships")]
    used = 0
    for symbol, style, word in entries:
        wide = len(symbol) + len(word) + 3
        if used + wide > page.columns + 2:
            out.append("\n")
            used = 0
        out.append(f" {symbol}", style=style)
        out.append(f" {word} ")
        used += wide
    return out


class _Page:
    """A grid of styled characters that never writes a name over something else."""

    def __init__(self, columns: int, rows: int) -> None:
        self.columns = columns
        self.cells = [[(" ", "") for _ in range(columns)] for _ in range(rows)]

    def put(self, column: int, row: int, character: str, style: str) -> None:
        self.cells[row][column] = (character, style)

    def name(self, column: int, row: int, text: str, style: str) -> None:
        for first, line in (
            (column + 2, row),
            (column - 1 - len(text), row),
            (column - len(text) // 2, row + 1),
            (column - len(text) // 2, row - 1),
        ):
            if self._is_free(first, line, len(text)):
                for offset, character in enumerate(text):
                    self.cells[line][first + offset] = (character, style)
                return

    def _is_free(self, first: int, row: int, length: int) -> bool:
        if first < 0 or first + length > self.columns or not 0 <= row < len(self.cells):
            return False
        around = self.cells[row][max(0, first - 1) : first + length + 1]
        # A name may touch its own symbol's neighbour blank, but no other character.
        return all(character == " " for character, _ in around)
