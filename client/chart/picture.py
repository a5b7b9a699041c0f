"""The map as a picture: the whole galaxy, a closer look at home where it is crowded, and words around both."""

from PIL import Image, ImageDraw

from client.chart import paint
from client.chart.layout import Weighted, quiet_place
from client.chart.legend import LegendPainter
from client.chart.model import Chart
from client.chart.paint import OVERSAMPLING, Box
from client.chart.palette import Palette
from client.chart.projection import Projection, lens_on_home, whole_map
from client.chart.scene import Scene

EDGE = 1200
_HEADER, _FOOTER = 74, 62
_LENS = 300
_CLOSENESS = 1.5
_PLACE_WEIGHT = 10.0
_FRAME = (150, 170, 230, 120)


def draw_picture(chart: Chart, title: str) -> Image.Image:
    """Paint a square picture of EDGE pixels. The same chart gives the same picture."""
    edge = EDGE * OVERSAMPLING
    span = (EDGE - _HEADER - _FOOTER) * OVERSAMPLING
    plain = whole_map(chart, (edge - span) / 2, _HEADER * OVERSAMPLING, span)
    palette = Palette(chart)
    legend = LegendPainter(chart, palette, title)

    busy = _busy(chart, plain)
    gap = 20 * OVERSAMPLING
    corner = (*plain.at(0, 0), *plain.at(chart.size, chart.size))
    inside = (corner[0] + gap, corner[1] + gap, corner[2] - gap, corner[3] - gap)
    panels: list[Box] = []
    standings, _ = quiet_place(inside, *legend.standings_size, busy, panels)
    panels.append(standings)
    lens = lens_on_home(chart, plain, _LENS * OVERSAMPLING)
    lens_box, hidden = quiet_place(inside, _LENS * OVERSAMPLING, _LENS * OVERSAMPLING, busy, panels)
    # A closer look that hides more than it shows is none.
    if lens is not None and hidden <= 2 * _PLACE_WEIGHT:
        panels.append(lens_box)

    image = Scene(chart, palette, plain).over(paint.sky(edge, edge, chart.game_id), taken=panels)
    if lens_box in panels and lens is not None:
        image = _through_lens(image, chart, palette, plain, lens, lens_box)
    image = legend.over(image, plain, standings)
    return image.resize((EDGE, EDGE), Image.Resampling.LANCZOS)


def _busy(chart: Chart, plain: Projection) -> list[Weighted]:
    """Return where the map has something to show: worlds with their surroundings first, lanes after them."""
    busy: list[Weighted] = []
    room = 34 * OVERSAMPLING
    for place in chart.places:
        x, y = plain.at(place.x, place.y)
        busy += [
            ((x + dx, y + dy), _PLACE_WEIGHT / 5)
            for dx, dy in ((0, 0), (room, 0), (-room, 0), (0, room), (0, -room))
        ]
    lanes = [(route.origin, route.destination) for route in chart.routes]
    lanes += [(flight.origin, flight.destination) for flight in chart.flights]
    for origin, destination in set(lanes):
        start, end = chart.place(origin), chart.place(destination)
        if start is None or end is None:
            continue
        for step in range(1, 8):
            share = step / 8
            x, y = start.x + (end.x - start.x) * share, start.y + (end.y - start.y) * share
            busy.append((plain.at(x, y), _PLACE_WEIGHT / 20))
    return busy


def _through_lens(
    image: Image.Image, chart: Chart, palette: Palette, plain: Projection, lens: Projection, box: Box
) -> Image.Image:
    edge = round(lens.span)
    inner = Scene(chart, palette, lens, _CLOSENESS).over(Image.new("RGB", (edge, edge), (9, 12, 30)))
    brush = ImageDraw.Draw(inner, "RGBA")
    brush.text(
        (edge - 12 * OVERSAMPLING, edge - 12 * OVERSAMPLING),
        f"{lens.scale / plain.scale:.0f}x closer",
        font=paint.font(12),
        fill=(160, 172, 212, 255),
        anchor="rb",
    )
    mask = Image.new("L", (edge, edge))
    ImageDraw.Draw(mask).rounded_rectangle((0, 0, edge - 1, edge - 1), radius=12 * OVERSAMPLING, fill=255)
    layer = Image.new("RGBA", image.size)
    brush = ImageDraw.Draw(layer)
    _draw_beam(brush, plain, lens, box)
    image = Image.alpha_composite(image.convert("RGBA"), layer).convert("RGB")
    image.paste(inner, (round(box[0]), round(box[1])), mask)
    frame = ImageDraw.Draw(image, "RGBA")
    frame.rounded_rectangle(box, radius=12 * OVERSAMPLING, outline=_FRAME, width=round(1.5 * OVERSAMPLING))
    return image


def _draw_beam(brush: ImageDraw.ImageDraw, plain: Projection, lens: Projection, box: Box) -> None:
    """Draw the square that the lens looks at, and two lines from it to the lens."""
    left, top = plain.at(lens.x0, lens.y0)
    right, bottom = plain.at(lens.x0 + lens.extent, lens.y0 + lens.extent)
    source = (left, top, right, bottom)
    brush.rounded_rectangle(source, radius=6 * OVERSAMPLING, outline=_FRAME, width=OVERSAMPLING)
    dash = (3.0 * OVERSAMPLING, 5.0 * OVERSAMPLING)
    for near, far in _facing_corners(source, box):
        paint.line(brush, [near, far], (150, 170, 230, 80), OVERSAMPLING, dash)


def _facing_corners(source: Box, box: Box) -> list[tuple[paint.Point, paint.Point]]:
    corners = [(0, 1), (2, 1), (2, 3), (0, 3)]
    pairs = [((source[x], source[y]), (box[x], box[y])) for x, y in corners]
    pairs.sort(key=lambda pair: (pair[0][0] - pair[1][0]) ** 2 + (pair[0][1] - pair[1][1]) ** 2)
    return pairs[:2]
