"""What stands around the map: title, standings of the races, legend, scale."""

from PIL import Image, ImageDraw

from client.chart import paint
from client.chart.model import Chart, Sight, Standing
from client.chart.paint import OVERSAMPLING, Box
from client.chart.palette import SOMEBODYS, Palette
from client.chart.projection import Projection

_TEXT = (232, 237, 255, 255)
_DIM = (160, 172, 212, 255)
_ROW = 21 * OVERSAMPLING
_COLUMNS = (0, 150, 212, 292, 356)
_GOODS_WORDS = {"COL": "colonists", "CAP": "capital", "MAT": "materials", "EMP": "empty ships"}


class LegendPainter:
    """Paints the words of one chart onto its picture."""

    def __init__(self, chart: Chart, palette: Palette, title: str) -> None:
        self._chart = chart
        self._palette = palette
        self._title = title

    @property
    def standings_size(self) -> tuple[float, float]:
        """Return width and height of the panel of standings."""
        rows = len(self._rows()) + 1
        return (_COLUMNS[-1] + 78) * OVERSAMPLING, rows * _ROW + 22 * OVERSAMPLING

    def over(self, image: Image.Image, projection: Projection, standings: Box) -> Image.Image:
        """Return the picture with everything around the map, and the panel of standings in its box."""
        layer = Image.new("RGBA", image.size)
        brush = ImageDraw.Draw(layer)
        self._head(brush, image.width)
        self._standings(brush, standings)
        self._foot(brush, image, projection)
        return Image.alpha_composite(image.convert("RGBA"), layer).convert("RGB")

    def _rows(self) -> list[Standing]:
        return [row for row in self._chart.standings if row.planets is not None]

    def _head(self, brush: ImageDraw.ImageDraw, width: int) -> None:
        left = 30 * OVERSAMPLING
        brush.text((left, 32 * OVERSAMPLING), self._title, font=paint.font(28), fill=_TEXT, anchor="lm")
        own = self._palette.of(self._chart.race)
        right = width - 30 * OVERSAMPLING
        turn = f"turn {self._chart.turn}"
        brush.text((right, 32 * OVERSAMPLING), turn, font=paint.font(22), fill=_TEXT, anchor="rm")
        gone = brush.textlength(turn, font=paint.font(22)) + 18 * OVERSAMPLING
        brush.text(
            (right - gone, 32 * OVERSAMPLING),
            f"as the {self._chart.race} see it",
            font=paint.font(17),
            fill=(*paint.blend(own, (255, 255, 255), 0.3), 255),
            anchor="rm",
        )

    def _standings(self, brush: ImageDraw.ImageDraw, box: Box) -> None:
        if not self._rows():
            return
        brush.rounded_rectangle(
            box,
            radius=9 * OVERSAMPLING,
            fill=(10, 13, 32, 205),
            outline=(150, 170, 230, 90),
            width=OVERSAMPLING,
        )
        x, y = box[0] + 16 * OVERSAMPLING, box[1] + 11 * OVERSAMPLING + _ROW / 2
        for offset, word in zip(_COLUMNS[1:], ("planets", "people", "industry", "drive"), strict=True):
            brush.text(
                (x + (offset + 46) * OVERSAMPLING, y), word, font=paint.font(12), fill=_DIM, anchor="rm"
            )
        for row in self._rows():
            y += _ROW
            self._standing(brush, row, x, y)

    def _standing(self, brush: ImageDraw.ImageDraw, row: Standing, x: float, y: float) -> None:
        colour = self._palette.of(row.race)
        reach = 5 * OVERSAMPLING
        brush.ellipse((x, y - reach, x + 2 * reach, y + reach), fill=(*colour, 255))
        name = row.race if row.status == "active" else f"{row.race} ({row.status})"
        brush.text((x + 18 * OVERSAMPLING, y), name, font=paint.font(15), fill=_TEXT, anchor="lm")
        figures = (
            f"{row.planets}",
            f"{row.population or 0:,.0f}",
            f"{row.industry or 0:,.0f}",
            f"{row.drive or 0:.2f}",
        )
        for offset, figure in zip(_COLUMNS[1:], figures, strict=True):
            brush.text(
                (x + (offset + 46) * OVERSAMPLING, y), figure, font=paint.font(15), fill=_TEXT, anchor="rm"
            )

    def _foot(self, brush: ImageDraw.ImageDraw, image: Image.Image, projection: Projection) -> None:
        """Write the legend on one line, or on two where worlds and lanes together would run into the scale."""
        left, y = 30.0 * OVERSAMPLING, projection.box[3] + 30 * OVERSAMPLING
        right = image.width - 30 * OVERSAMPLING
        trial = ImageDraw.Draw(Image.new("RGBA", (1, 1)))
        end = self._ships(trial, self._worlds(trial, left, y), y)
        self._scale(brush, right, y, projection.scale)
        if end < right - 10 * projection.scale:
            self._ships(brush, self._worlds(brush, left, y), y)
        else:
            self._worlds(brush, left, y - 9 * OVERSAMPLING)
            self._ships(brush, left, y + 15 * OVERSAMPLING)

    def _worlds(self, brush: ImageDraw.ImageDraw, x: float, y: float) -> float:
        sights = {place.sight for place in self._chart.places}
        x = self._own(brush, x, y, self._palette.of(self._chart.race))
        if Sight.FOREIGN in sights:
            others = [place.owner for place in self._chart.places if place.sight is Sight.FOREIGN]
            x = self._disc(brush, x, y, self._palette.of(others[0] or ""), "foreign", diamond=True)
        if Sight.UNIDENTIFIED in sights:
            x = self._disc(brush, x, y, SOMEBODYS, "somebody's", small=True, diamond=True)
        if Sight.UNOWNED in sights:
            x = self._disc(brush, x, y, (104, 120, 152), "nobody's")
        if Sight.UNKNOWN in sights:
            x = self._disc(brush, x, y, (120, 128, 150), "not seen yet", small=True)
        return x

    def _ships(self, brush: ImageDraw.ImageDraw, x: float, y: float) -> float:
        for kind in sorted({route.goods for route in self._chart.routes}, key=list(_GOODS_WORDS).index):
            x = self._lane(brush, x, y, kind)
        if self._chart.flights:
            paint.arrow_head(brush, (x + 11 * OVERSAMPLING, y), 0.0, 11 * OVERSAMPLING, (255, 255, 255, 245))
            x = self._word(brush, x + 18 * OVERSAMPLING, y, "your ships")
        if self._chart.sightings:
            paint.cross(brush, (x + 4 * OVERSAMPLING, y), 4 * OVERSAMPLING)
            x = self._word(brush, x + 14 * OVERSAMPLING, y, "foreign ships")
        return x

    def _disc(
        self,
        brush: ImageDraw.ImageDraw,
        x: float,
        y: float,
        colour: paint.Colour,
        word: str,
        *,
        small: bool = False,
        diamond: bool = False,
    ) -> float:
        reach = (3 if small else 6) * OVERSAMPLING
        room = 8 * OVERSAMPLING if diamond else reach
        brush.ellipse((x + room - reach, y - reach, x + room + reach, y + reach), fill=(*colour, 255))
        if diamond:
            paint.diamond(brush, (x + room, y), reach * 1.55 + 1.5 * OVERSAMPLING, (*colour, 235))
        return self._word(brush, x + 2 * room + 6 * OVERSAMPLING, y, word)

    def _own(self, brush: ImageDraw.ImageDraw, x: float, y: float, colour: paint.Colour) -> float:
        """Draw an own world with its ring, and what the ring says."""
        reach, ring = 5 * OVERSAMPLING, 8 * OVERSAMPLING
        middle = x + ring
        brush.ellipse((middle - reach, y - reach, middle + reach, y + reach), fill=(*colour, 255))
        box = (middle - ring, y - ring, middle + ring, y + ring)
        brush.ellipse(box, outline=(*colour, 70), width=OVERSAMPLING)
        brush.arc(box, -90, 180, fill=(*colour, 255), width=round(1.8 * OVERSAMPLING))
        return self._word(brush, middle + ring + 6 * OVERSAMPLING, y, "yours (ring: how full)")

    def _lane(self, brush: ImageDraw.ImageDraw, x: float, y: float, kind: str) -> float:
        colour = self._palette.goods(kind)
        end = x + 30 * OVERSAMPLING
        dash = (5.0 * OVERSAMPLING, 5.0 * OVERSAMPLING) if kind == "EMP" else None
        paint.line(brush, [(x, y), (end, y)], (*colour, 235), 2 * OVERSAMPLING, dash)
        paint.arrow_head(brush, (end + 4 * OVERSAMPLING, y), 0.0, 9 * OVERSAMPLING, (*colour, 245))
        return self._word(brush, end + 10 * OVERSAMPLING, y, _GOODS_WORDS[kind])

    def _word(self, brush: ImageDraw.ImageDraw, x: float, y: float, word: str) -> float:
        letters = paint.font(14)
        brush.text((x, y), word, font=letters, fill=_DIM, anchor="lm")
        return x + brush.textlength(word, font=letters) + 20 * OVERSAMPLING

    def _scale(
        self, brush: ImageDraw.ImageDraw, right: float, y: float, pixels_per_light_year: float
    ) -> None:
        length = 10 * pixels_per_light_year
        left = right - length
        tick = 5 * OVERSAMPLING
        for x in (left, right):
            brush.line([(x, y - tick), (x, y + tick)], fill=_DIM, width=round(1.5 * OVERSAMPLING))
        brush.line([(left, y), (right, y)], fill=_DIM, width=round(1.5 * OVERSAMPLING))
        brush.text(
            ((left + right) / 2, y - 7 * OVERSAMPLING),
            "10 light years",
            font=paint.font(12),
            fill=_DIM,
            anchor="mb",
        )
