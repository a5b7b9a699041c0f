"""Which colour stands for whom and what. No colour says alone what matters: foreign worlds are diamonds, own ones discs."""

from client.chart.model import Chart
from client.chart.paint import Colour

SOMEBODYS: Colour = (226, 120, 132)
_OWN: Colour = (255, 204, 92)
_FOREIGN: tuple[Colour, ...] = (
    (255, 104, 112),
    (184, 134, 255),
    (88, 196, 255),
    (255, 150, 72),
    (120, 222, 150),
    (255, 130, 200),
    (150, 220, 230),
    (210, 190, 120),
)
# Blue and orange are told apart by every eye; empty ships are dashed besides.
_GOODS: dict[str, Colour] = {
    "COL": (96, 190, 255),
    "CAP": (255, 164, 84),
    "MAT": (190, 176, 158),
    "EMP": (158, 176, 224),
}


class Palette:
    """Colours of one chart: the reader's own race is always gold, the others keep their order of the status table."""

    def __init__(self, chart: Chart) -> None:
        others = [standing.race for standing in chart.standings if standing.race != chart.race]
        self._races = {race: _FOREIGN[place % len(_FOREIGN)] for place, race in enumerate(others)}
        self._races[chart.race] = _OWN

    def of(self, race: str) -> Colour:
        """Return a race's colour."""
        return self._races.get(race, _FOREIGN[0])

    def goods(self, kind: str) -> Colour:
        """Return the colour of a kind of goods."""
        return _GOODS.get(kind, _GOODS["EMP"])
