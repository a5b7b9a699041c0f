"""How light years become pixels, on the whole map or through a lens."""

from dataclasses import dataclass

from client.chart.model import Chart
from client.chart.paint import OVERSAMPLING, Box, Point


@dataclass(frozen=True)
class Projection:
    """A square window of the galaxy on a square of the picture."""

    left: float
    top: float
    span: float  # pixels
    x0: float
    y0: float
    extent: float  # light years

    @property
    def scale(self) -> float:
        """Return pixels per light year."""
        return self.span / self.extent

    @property
    def box(self) -> Box:
        """Return the square on the picture."""
        return self.left, self.top, self.left + self.span, self.top + self.span

    def at(self, x: float, y: float) -> Point:
        """Return where a point of the galaxy lies on the picture."""
        return self.left + (x - self.x0) * self.scale, self.top + (y - self.y0) * self.scale

    def shows(self, at: Point) -> bool:
        """Tell whether a point of the picture lies within the square."""
        left, top, right, bottom = self.box
        return left <= at[0] <= right and top <= at[1] <= bottom


# A little air around the galaxy, so that worlds at its rim are not cut.
_AIR = 0.02


def whole_map(chart: Chart, left: float, top: float, span: float) -> Projection:
    """Return the projection of the whole galaxy."""
    air = _AIR * chart.size
    return Projection(left, top, span, -air, -air, chart.size + 2 * air)


def lens_on_home(chart: Chart, plain: Projection, span: float) -> Projection | None:
    """Return a closer look at the reader's capital, or None where the map itself shows it well enough.

    It is centred on the worlds around the capital and reaches as far as the crowd does.
    """
    own = [place for place in chart.places if place.owner == chart.race and place.size]
    if not own:
        return None
    capital = max(own, key=lambda place: (place.population, -place.id))

    def away(place_x: float, place_y: float) -> float:
        return max(abs(place_x - capital.x), abs(place_y - capital.y))

    crowd = [place for place in chart.places if away(place.x, place.y) * plain.scale < 42 * OVERSAMPLING]
    if len(crowd) < 3:
        return None
    left, right = min(place.x for place in crowd), max(place.x for place in crowd)
    top, bottom = min(place.y for place in crowd), max(place.y for place in crowd)
    extent = max(right - left, bottom - top) * 1.3 + 1.6
    return Projection(0, 0, span, (left + right - extent) / 2, (top + bottom - extent) / 2, extent)
