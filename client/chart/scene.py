"""Paints one window of the galaxy: territories, grid, lanes, worlds and their names."""

import math
from collections.abc import Iterator

from PIL import Image, ImageDraw

from client.chart import paint
from client.chart.labels import Labels
from client.chart.model import Chart, Flight, Place, Route, Sight
from client.chart.paint import OVERSAMPLING, Box, Colour, Glow, Point
from client.chart.palette import SOMEBODYS, Palette
from client.chart.projection import Projection

_SHADOW = (6, 8, 20, 200)
_NAME: Colour = (226, 232, 255)
_DIM_NAME: Colour = (182, 192, 220)
# How much wider than its world a diamond is, so that the world fits between its sides.
DIAMOND = 1.55


class Scene:
    """One window; `closeness` makes worlds larger where the window is a closer look."""

    def __init__(
        self, chart: Chart, palette: Palette, projection: Projection, closeness: float = 1.0
    ) -> None:
        self._chart = chart
        self._palette = palette
        self._projection = projection
        self._closeness = closeness
        self._points = {place.id: projection.at(place.x, place.y) for place in chart.places}
        self._places = {place.id: place for place in chart.places}

    def over(self, image: Image.Image, *, taken: list[Box] | None = None) -> Image.Image:
        """Return the picture with the window painted on it; names keep off the boxes that are `taken`."""
        image = self._territories(image.size).over(image)
        image = _with_layer(image, self._draw_grid)
        image = _with_layer(image, self._draw_lanes)
        image = self._halos(image.size).over(image)
        for place in sorted(self._chart.places, key=lambda place: -(place.size or 0)):
            self._paint_world(image, place)
        return _with_layer(image, lambda brush: self._draw_names(brush, taken or []))

    def radius(self, place: Place) -> float:
        """Return the radius of a world in pixels."""
        if place.size is None:
            return 3.0 * OVERSAMPLING * self._closeness
        return (3.2 + 10.0 * math.sqrt(min(place.size, 2500) / 1000)) * OVERSAMPLING * self._closeness

    def _territories(self, size: tuple[int, int]) -> Glow:
        """Return wide light around owned worlds: neighbours of one race flow together."""
        glow = Glow(size, blur=34)
        for place in self._chart.places:
            if place.owner:
                reach = (30 + 34 * math.sqrt((place.size or 200) / 1000)) * OVERSAMPLING
                glow.disc(self._points[place.id], reach, self._palette.of(place.owner), 0.30)
        return glow

    def _halos(self, size: tuple[int, int]) -> Glow:
        glow = Glow(size, blur=6)
        for place in self._chart.places:
            if place.owner:
                glow.disc(
                    self._points[place.id], self.radius(place) * 1.15, self._palette.of(place.owner), 0.5
                )
        return glow

    def _draw_grid(self, brush: ImageDraw.ImageDraw) -> None:
        if self._closeness > 1:
            return
        size = self._chart.size
        step = grid_step(size)
        small = paint.font(12)
        figure = (150, 165, 210, 170)
        for number in range(int(size // step) + 1):
            where = number * step
            for start, end, text_at, anchor in (
                (self._at(where, 0), self._at(where, size), (0, -6 * OVERSAMPLING), "mb"),
                (self._at(0, where), self._at(size, where), (-8 * OVERSAMPLING, 0), "rm"),
            ):
                brush.line([start, end], fill=(150, 170, 230, 34), width=OVERSAMPLING)
                place = (start[0] + text_at[0], start[1] + text_at[1])
                brush.text(place, f"{where:g}", font=small, fill=figure, anchor=anchor)
        brush.rectangle(
            [*self._at(0, 0), *self._at(size, size)], outline=(150, 170, 230, 80), width=OVERSAMPLING
        )

    def _draw_lanes(self, brush: ImageDraw.ImageDraw) -> None:
        """Draw routes as bent arrows and ships under way as darts with their trail."""
        for route in sorted(self._chart.routes, key=lambda route: route.goods != "EMP"):
            self._draw_route(brush, route)
        for flight in self._chart.flights:
            self._draw_flight(brush, flight)
        for sighting in self._chart.sightings:
            paint.cross(brush, self._at(sighting.x, sighting.y), 4 * OVERSAMPLING)

    def _draw_route(self, brush: ImageDraw.ImageDraw, route: Route) -> None:
        start, end = self._places.get(route.origin), self._places.get(route.destination)
        if start is None or end is None or start.id == end.id:
            return
        colour, empty = self._palette.goods(route.goods), route.goods == "EMP"
        points = paint.curve(self._points[start.id], self._points[end.id], 0.16)
        points = paint.shortened(points, self.radius(start) + 6, self.radius(end) + 12)
        dash = (5.0 * OVERSAMPLING, 6.0 * OVERSAMPLING) if empty else None
        width = (1.0 if empty else 2.4) * OVERSAMPLING
        alpha = 120 if empty else 235
        paint.line(brush, points, (*colour, alpha), width, dash)
        heading = math.atan2(points[-1][1] - points[-2][1], points[-1][0] - points[-2][0])
        size = (6 if empty else 12) * OVERSAMPLING
        paint.arrow_head(brush, points[-1], heading, size, (*colour, min(255, alpha + 20)))

    def _draw_flight(self, brush: ImageDraw.ImageDraw, flight: Flight) -> None:
        here = self._at(flight.x, flight.y)
        origin, target = self._points.get(flight.origin), self._points.get(flight.destination)
        if origin is None or target is None:
            return
        own = self._palette.of(self._chart.race)
        paint.line(brush, [origin, here], (*own, 90), 1.4 * OVERSAMPLING)
        dots = (2.0 * OVERSAMPLING, 7.0 * OVERSAMPLING)
        paint.line(brush, [here, target], (*own, 100), OVERSAMPLING, dots)
        heading = math.atan2(target[1] - here[1], target[0] - here[0])
        colour = self._palette.goods(flight.goods) if flight.goods else (255, 255, 255)
        paint.arrow_head(
            brush, here, heading, 12 * OVERSAMPLING, (*paint.blend(colour, (255, 255, 255), 0.5), 250)
        )

    def _paint_world(self, image: Image.Image, place: Place) -> None:
        at, radius = self._points[place.id], self.radius(place)
        if place.owner:
            paint.world(image, at, radius, self._palette.of(place.owner))
        elif place.sight is Sight.UNIDENTIFIED:
            paint.world(image, at, radius, SOMEBODYS)
        else:
            paint.world(image, at, radius, (104, 120, 152))

    def _draw_names(self, brush: ImageDraw.ImageDraw, taken: list[Box]) -> None:
        for place in self._chart.places:
            if place.sight in {Sight.FOREIGN, Sight.UNIDENTIFIED}:
                colour = self._palette.of(place.owner) if place.owner else SOMEBODYS
                reach = self.radius(place) * DIAMOND + 2 * OVERSAMPLING
                paint.diamond(brush, self._points[place.id], reach, (*colour, 235))
            elif place.owner and place.size:
                self._draw_ring(brush, place)
        labels = Labels(self._projection.box, [*taken, *(self._disc(place) for place in self._chart.places)])
        # A closer look does not name what lies beyond its rim: half a word would stand there.
        shown = [place for place in self._chart.places if self._projection.shows(self._points[place.id])]
        for place in sorted(shown, key=_importance, reverse=True):
            self._draw_name(brush, labels, place)
        # Words on ships keep off the lanes, too: there is always another turn to name them.
        for x, y in self._lane_points():
            labels.take((x - 2, y - 2, x + 2, y + 2))
        for flight in sorted(self._chart.flights, key=lambda flight: -flight.ships):
            self._draw_cargo(brush, labels, flight)

    def _lane_points(self) -> Iterator[Point]:
        for route in self._chart.routes:
            if route.origin in self._points and route.destination in self._points:
                yield from paint.curve(self._points[route.origin], self._points[route.destination], 0.16)
        for flight in self._chart.flights:
            if flight.destination in self._points:
                yield from paint.curve(self._at(flight.x, flight.y), self._points[flight.destination], 0.0)

    def _draw_cargo(self, brush: ImageDraw.ImageDraw, labels: Labels, flight: Flight) -> None:
        """Say what flies, where there is room to say it; a swarm of probes need not all be named."""
        text = f"{flight.ships} {flight.design}" + (f" ({flight.goods})" if flight.goods else "")
        letters = paint.font(12)
        left, top, right, bottom = brush.textbbox((0, 0), text, font=letters)
        size = (right - left, bottom - top)
        box = labels.find(self._at(flight.x, flight.y), 7 * OVERSAMPLING, size, must=False)
        if box is not None:
            at = (box[0] - left, box[1] - top)
            brush.text(
                at, text, font=letters, fill=(*_NAME, 225), stroke_width=OVERSAMPLING, stroke_fill=_SHADOW
            )

    def _draw_ring(self, brush: ImageDraw.ImageDraw, place: Place) -> None:
        """Draw how full a world is: an arc around it, closed when there is no room left."""
        (x, y), radius = self._points[place.id], self.radius(place) + 3.2 * OVERSAMPLING
        box = (x - radius, y - radius, x + radius, y + radius)
        colour = self._palette.of(place.owner or "")
        brush.ellipse(box, outline=(*colour, 70), width=OVERSAMPLING)
        full = min(1.0, place.population / (place.size or 1.0))
        brush.arc(box, -90, -90 + 360 * full, fill=(*colour, 255), width=round(1.8 * OVERSAMPLING))

    def _draw_name(self, brush: ImageDraw.ImageDraw, labels: Labels, place: Place) -> None:
        owned = place.owner is not None
        text = place.name if place.is_named else f"#{place.id}"
        letters = paint.font(15 if owned and place.is_named else 12)
        left, top, right, bottom = brush.textbbox((0, 0), text, font=letters)
        radius = self.radius(place) + (4 * OVERSAMPLING if owned else 0)
        if place.sight in {Sight.FOREIGN, Sight.UNIDENTIFIED}:
            radius = self.radius(place) * DIAMOND + 3 * OVERSAMPLING
        important = owned and place.is_named
        box = labels.find(self._points[place.id], radius, (right - left, bottom - top), must=important)
        if box is None:
            return
        colour = paint.blend(self._palette.of(place.owner), _NAME, 0.55) if place.owner else _DIM_NAME
        self._draw_leader(brush, self._points[place.id], radius, box, colour)
        brush.text(
            (box[0] - left, box[1] - top),
            text,
            font=letters,
            fill=(*colour, 255 if owned else 230),
            stroke_width=round(1.6 * OVERSAMPLING),
            stroke_fill=_SHADOW,
        )

    def _draw_leader(
        self, brush: ImageDraw.ImageDraw, at: Point, radius: float, box: Box, colour: Colour
    ) -> None:
        """Draw a thin line from a world to a name that found room only further away."""
        near = (min(max(at[0], box[0]), box[2]), min(max(at[1], box[1]), box[3]))
        distance = math.dist(at, near)
        if distance < radius + 36:
            return
        share = radius / distance
        start = (at[0] + (near[0] - at[0]) * share, at[1] + (near[1] - at[1]) * share)
        paint.line(brush, [start, near], (*colour, 150), OVERSAMPLING)

    def _disc(self, place: Place) -> Box:
        (x, y), radius = self._points[place.id], self.radius(place)
        if place.sight in {Sight.FOREIGN, Sight.UNIDENTIFIED}:
            radius *= DIAMOND
        return x - radius, y - radius, x + radius, y + radius

    def _at(self, x: float, y: float) -> Point:
        return self._projection.at(x, y)


def grid_step(size: float) -> float:
    """Return the distance of grid lines that gives about ten of them: 1, 2 or 5 times a power of ten."""
    rough = size / 10
    power = 10.0 ** math.floor(math.log10(rough))
    return next(power * factor for factor in (1, 2, 5, 10) if power * factor >= rough * 0.999)


def _importance(place: Place) -> tuple[bool, bool, float]:
    return place.sight is Sight.OWN, place.owner is not None, place.size or 0.0


def _with_layer(image: Image.Image, draw: "paint.Drawing") -> Image.Image:
    layer = Image.new("RGBA", image.size)
    draw(ImageDraw.Draw(layer))
    return Image.alpha_composite(image.convert("RGBA"), layer).convert("RGB")
