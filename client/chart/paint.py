"""Brushes of the picture: sky, glow, worlds, arrows. Pixels only; nothing here knows of games.

Pictures are painted at twice their size and scaled down, which smooths every edge.
"""

import math
import random
from collections.abc import Callable
from itertools import pairwise

from PIL import Image, ImageChops, ImageDraw, ImageFilter, ImageFont

Colour = tuple[int, int, int]
Point = tuple[float, float]
Box = tuple[float, float, float, float]
Drawing = Callable[[ImageDraw.ImageDraw], None]

OVERSAMPLING = 2


def font(size: float) -> ImageFont.FreeTypeFont | ImageFont.ImageFont:
    """Return the font that Pillow carries, so that pictures look alike on every machine."""
    return ImageFont.load_default(size * OVERSAMPLING)


def blend(one: Colour, other: Colour, share: float) -> Colour:
    """Return a colour between two; `share` 1 is the other."""
    red, green, blue = (round(a + (b - a) * share) for a, b in zip(one, other, strict=True))
    return red, green, blue


def sky(width: int, height: int, seed: str) -> Image.Image:
    """Paint a night sky: a dark gradient, faint nebulae, stars. The same seed gives the same sky."""
    chance = random.Random(seed)
    small = Image.new("RGB", (48, 48))
    for row in range(48):
        for column in range(48):
            away = math.hypot(column - 22, row - 20) / 34
            small.putpixel((column, row), blend((17, 23, 52), (5, 7, 18), min(1.0, away)))
    image = small.resize((width, height), Image.Resampling.BICUBIC)
    nebula = Image.new("RGB", (160, 160))
    brush = ImageDraw.Draw(nebula)
    for _ in range(16):
        x, y, radius = chance.uniform(0, 160), chance.uniform(0, 160), chance.uniform(8, 30)
        hue = chance.choice([(34, 24, 70), (16, 38, 72), (52, 20, 54), (12, 44, 56)])
        brush.ellipse((x - radius, y - radius * 0.7, x + radius, y + radius * 0.7), fill=hue)
    nebula = nebula.filter(ImageFilter.GaussianBlur(14)).resize((width, height), Image.Resampling.BICUBIC)
    image = ImageChops.add(image, nebula.point(lambda value: round(value * 0.55)))
    brush = ImageDraw.Draw(image)
    for _ in range(width * height // 5200):
        x, y = chance.uniform(0, width), chance.uniform(0, height)
        bright = chance.random() ** 4
        radius = 0.7 + 1.5 * bright
        tint = blend((70, 80, 120), chance.choice([(255, 244, 220), (200, 220, 255)]), 0.15 + 0.75 * bright)
        brush.ellipse((x - radius, y - radius, x + radius, y + radius), fill=tint)
    return image


class Glow:
    """Light that is gathered, blurred and added to a picture in one go."""

    def __init__(self, size: tuple[int, int], blur: float) -> None:
        # Soft light needs no detail: a quarter of the size is as good and sixteen times as quick.
        self._scale = 4
        self._full = size
        self._blur = blur * OVERSAMPLING / self._scale
        self._layer = Image.new("RGB", (size[0] // self._scale, size[1] // self._scale))

    def disc(self, at: Point, radius: float, colour: Colour, strength: float) -> None:
        """Add a disc of light."""
        x, y, radius = at[0] / self._scale, at[1] / self._scale, radius / self._scale
        one = Image.new("RGB", self._layer.size)
        ImageDraw.Draw(one).ellipse(
            (x - radius, y - radius, x + radius, y + radius), fill=blend((0, 0, 0), colour, strength)
        )
        self._layer = (
            ImageChops.lighter(self._layer, one) if strength < 0.5 else ImageChops.add(self._layer, one)
        )

    def over(self, image: Image.Image) -> Image.Image:
        """Return the picture with the light on it."""
        light = self._layer.filter(ImageFilter.GaussianBlur(self._blur))
        return ImageChops.screen(image, light.resize(self._full, Image.Resampling.BICUBIC))


def world(image: Image.Image, at: Point, radius: float, colour: Colour) -> None:
    """Paint a lit ball."""
    edge = max(4, math.ceil(radius * 2) + 4)
    ball = Image.new("RGB", (edge, edge), colour)
    brush = ImageDraw.Draw(ball)
    middle = edge / 2
    steps = 14
    for step in range(steps):
        share = step / (steps - 1)
        size = radius * 1.25 * (1 - share)
        x, y = middle - radius * 0.35 * share, middle - radius * 0.4 * share
        tint = blend(blend(colour, (4, 6, 20), 0.42), blend(colour, (255, 255, 255), 0.3), share**0.6)
        brush.ellipse((x - size, y - size, x + size, y + size), fill=tint)
    mask = Image.new("L", (edge, edge))
    ImageDraw.Draw(mask).ellipse(
        (middle - radius, middle - radius, middle + radius, middle + radius), fill=255
    )
    image.paste(ball, (round(at[0] - middle), round(at[1] - middle)), mask)


def line(
    brush: ImageDraw.ImageDraw,
    points: list[Point],
    colour: tuple[int, int, int, int],
    width: float,
    dash: tuple[float, float] | None = None,
) -> None:
    """Draw a line through points, whole or dashed; `dash` is (drawn, left out) in pixels."""
    thick = max(1, round(width))
    if dash is None:
        brush.line(points, fill=colour, width=thick, joint="curve")
        return
    drawn, left = True, dash[0]
    for start, end in pairwise(points):
        length = math.dist(start, end)
        done = 0.0
        while done < length:
            step = min(left, length - done)
            a, b = _between(start, end, done / length), _between(start, end, (done + step) / length)
            if drawn:
                brush.line([a, b], fill=colour, width=thick)
            done += step
            left -= step
            if left <= 1e-6:
                drawn = not drawn
                left = dash[0] if drawn else dash[1]


def curve(start: Point, end: Point, bend: float) -> list[Point]:
    """Return points of an arc that leaves the straight line by `bend` of its length, to the right of the way."""
    (x0, y0), (x2, y2) = start, end
    x1, y1 = (x0 + x2) / 2 - (y2 - y0) * bend, (y0 + y2) / 2 + (x2 - x0) * bend
    points = []
    for step in range(25):
        t = step / 24
        a, b, c = (1 - t) ** 2, 2 * t * (1 - t), t**2
        points.append((a * x0 + b * x1 + c * x2, a * y0 + b * y1 + c * y2))
    return points


def shortened(points: list[Point], first: float, last: float) -> list[Point]:
    """Cut a line by some pixels at its ends, so that it touches discs instead of crossing them."""
    kept = [p for p in points if math.dist(p, points[0]) >= first and math.dist(p, points[-1]) >= last]
    return kept if len(kept) >= 2 else points


def arrow_head(
    brush: ImageDraw.ImageDraw, tip: Point, heading: float, size: float, colour: tuple[int, int, int, int]
) -> None:
    """Draw a filled arrow head whose tip lies at a point, heading in radians."""
    corners = [
        (tip[0] + math.cos(heading + turn) * size * reach, tip[1] + math.sin(heading + turn) * size * reach)
        for turn, reach in ((0.0, 0.0), (2.65, 1.0), (math.pi, 0.62), (-2.65, 1.0))
    ]
    brush.polygon(corners, fill=colour)


def diamond(brush: ImageDraw.ImageDraw, at: Point, reach: float, colour: tuple[int, int, int, int]) -> None:
    """Draw the outline of a diamond, the sign of what is somebody else's."""
    x, y = at
    corners = [(x, y - reach), (x + reach, y), (x, y + reach), (x - reach, y), (x, y - reach)]
    brush.line(corners, fill=colour, width=round(1.6 * OVERSAMPLING), joint="curve")


def cross(brush: ImageDraw.ImageDraw, at: Point, reach: float) -> None:
    """Draw the sign of foreign ships."""
    x, y = at
    for slope in (1, -1):
        ends = [(x - reach, y - reach * slope), (x + reach, y + reach * slope)]
        brush.line(ends, fill=(255, 120, 120, 200), width=round(1.5 * OVERSAMPLING))


def _between(start: Point, end: Point, share: float) -> Point:
    return start[0] + (end[0] - start[0]) * share, start[1] + (end[1] - start[1]) * share
