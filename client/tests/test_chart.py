"""Maps: what they show, and that it can be read."""

import json
import math
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image, ImageChops, ImageDraw

from client.chart import draw_picture, draw_text, read_chart
from client.chart.labels import Labels
from client.chart.layout import quiet_place
from client.chart.legend import LegendPainter
from client.chart.model import Place, Route, Sight, Sighting
from client.chart.paint import OVERSAMPLING
from client.chart.palette import Palette
from client.chart.picture import EDGE
from client.chart.projection import lens_on_home, whole_map
from client.chart.scene import DIAMOND, Scene, grid_step

REPORTS = Path(__file__).with_name("reports")


def report(turn: int) -> dict[str, Any]:
    body: dict[str, Any] = json.loads((REPORTS / f"turn{turn}.json").read_text(encoding="utf-8"))
    return body


def test_every_planet_of_a_report_is_a_place_once() -> None:
    body = report(10)
    chart = read_chart(body)
    kinds = ("planets", "foreign_planets", "unidentified_planets", "unowned_planets")
    assert sorted(place.id for place in chart.places) == sorted(
        row["id"] for kind in kinds for row in body[kind]
    )


def test_fog_is_kept_apart_from_knowledge() -> None:
    before = {place.sight for place in read_chart(report(0)).places}
    after = {place.sight for place in read_chart(report(10)).places}
    assert before == {Sight.OWN, Sight.UNIDENTIFIED, Sight.UNKNOWN}
    assert {Sight.OWN, Sight.FOREIGN, Sight.UNOWNED} <= after


def test_what_is_no_report_is_refused() -> None:
    with pytest.raises(KeyError):
        read_chart({"turn": 3})


@pytest.mark.parametrize("columns", [40, 78, 100])
def test_the_text_map_has_straight_edges(columns: int) -> None:
    lines = draw_text(read_chart(report(10)), columns).plain.splitlines()
    framed = [line for line in lines if line[0] in "╭│╰"]
    assert {len(line) for line in framed} == {columns}


def test_the_text_map_names_own_worlds_and_has_one_sign_a_world() -> None:
    chart = read_chart(report(0))
    page = draw_text(chart, 100).plain
    body = "\n".join(line for line in page.splitlines() if line.startswith("│"))
    assert "Terra" in draw_text(read_chart(report(10)), 100).plain
    assert 1 <= body.count("●") <= len([place for place in chart.places if place.sight is Sight.OWN])
    assert "not seen yet" in page


@pytest.mark.parametrize("turn", [0, 10])
def test_the_picture_is_square_and_the_same_each_time(turn: int) -> None:
    chart = read_chart(report(turn))
    one, other = draw_picture(chart, "Sol"), draw_picture(chart, "Sol")
    assert one.size == (EDGE, EDGE)
    assert ImageChops.difference(one, other).getbbox() is None


def test_own_worlds_stand_out_in_gold() -> None:
    chart = read_chart(report(10))
    image = draw_picture(chart, "Sol")
    assert has_colour(image, lambda red, green, blue: red > 230 and 170 < green < 230 and blue < 130)
    assert has_colour(image, lambda red, green, blue: red > 220 and 80 < green < 140 and 80 < blue < 150), (
        "foreign"
    )


def has_colour(image: Image.Image, is_it: Any) -> bool:
    raw = image.tobytes()
    return any(is_it(*raw[at : at + 3]) for at in range(0, len(raw), 3))


def test_a_crowded_home_gets_a_closer_look() -> None:
    chart = read_chart(report(10))
    plain = whole_map(chart, 0, 0, 2000)
    lens = lens_on_home(chart, plain, 600)
    assert lens is not None
    assert lens.scale > 2 * plain.scale
    capital = max((p for p in chart.places if p.sight is Sight.OWN), key=lambda place: place.population)
    x, y = lens.at(capital.x, capital.y)
    assert 0 < x < 600
    assert 0 < y < 600


@pytest.mark.parametrize(("size", "step"), [(100, 10), (84, 10), (200, 20), (420, 50), (40, 5), (1000, 100)])
def test_the_grid_has_round_steps(size: float, step: float) -> None:
    assert grid_step(size) == step


boxes = st.tuples(st.floats(0, 900), st.floats(0, 900), st.floats(5, 80), st.floats(5, 20)).map(
    lambda box: (box[0], box[1], box[0] + box[2], box[1] + box[3])
)


@given(st.lists(st.tuples(st.floats(50, 950), st.floats(50, 950)), max_size=25))
def test_names_that_need_not_be_shown_never_lie_on_another(points: list[tuple[float, float]]) -> None:
    labels = Labels((0, 0, 1000, 1000))
    placed = [box for at in points if (box := labels.find(at, 5, (60, 12), must=False))]
    for number, one in enumerate(placed):
        for other in placed[number + 1 :]:
            assert one[2] <= other[0] or other[2] <= one[0] or one[3] <= other[1] or other[3] <= one[1]


def test_a_name_that_must_be_shown_always_is() -> None:
    labels = Labels((0, 0, 100, 100), [(0, 0, 100, 100)])
    assert labels.find((50, 50), 5, (60, 12), must=True) is not None
    assert labels.find((50, 50), 5, (60, 12), must=False) is None


def test_names_that_must_be_shown_find_room_in_a_crowd() -> None:
    crowd = [(500.0 + 22 * column, 500.0 + 22 * row) for column in range(4) for row in range(3)]
    labels = Labels((0, 0, 1000, 1000), [(x - 10, y - 10, x + 10, y + 10) for x, y in crowd])
    placed = [labels.find(at, 10, (70, 16), must=True) for at in crowd]
    boxes = [box for box in placed if box is not None]
    assert len(boxes) == len(crowd)
    for number, one in enumerate(boxes):
        for other in boxes[number + 1 :]:
            assert one[2] <= other[0] or other[2] <= one[0] or one[3] <= other[1] or other[3] <= one[1]


def test_foreign_worlds_are_told_by_their_shape_not_by_colour_alone() -> None:
    chart = read_chart(report(10))
    plain = whole_map(chart, 0, 0, 2000)
    grey: Palette = Palette(replace(chart, standings=()))
    scene = Scene(chart, grey, plain)
    light = scene.over(Image.new("RGB", (2000, 2000))).convert("L")

    def brightness(place: Place, angle: float) -> float:
        """Return how bright the edge of a diamond would be in a direction, from its world's middle."""
        x, y = plain.at(place.x, place.y)
        reach = scene.radius(place) * DIAMOND + 4
        slant = reach if angle % 90 == 0 else reach / math.sqrt(2)
        at = x + slant * math.cos(math.radians(angle)), y + slant * math.sin(math.radians(angle))
        value = light.getpixel((round(at[0]), round(at[1])))
        assert isinstance(value, int)
        return value

    lonely = [
        place
        for place in chart.places
        if place.sight in {Sight.OWN, Sight.FOREIGN}
        and all(math.dist((place.x, place.y), (o.x, o.y)) > 4 for o in chart.places if o is not place)
    ]
    marked = {
        sight: [
            max(brightness(place, -90), brightness(place, 180)) > 100
            for place in lonely
            if place.sight is sight
        ]
        for sight in (Sight.OWN, Sight.FOREIGN)
    }
    assert marked[Sight.FOREIGN]
    assert all(marked[Sight.FOREIGN])
    assert marked[Sight.OWN]
    assert sum(marked[Sight.OWN]) <= len(marked[Sight.OWN]) / 2, "a name or a lane may pass there"


def test_the_legend_of_everything_stays_clear_of_the_scale() -> None:
    chart = read_chart(report(10))
    full = replace(
        chart,
        places=(
            *chart.places,
            replace(chart.places[0], id=900, sight=Sight.UNIDENTIFIED, owner=None),
            replace(chart.places[0], id=901, sight=Sight.UNKNOWN, owner=None, size=None),
        ),
        routes=tuple(
            Route(chart.places[0].id, chart.places[1].id, kind) for kind in ("COL", "CAP", "MAT", "EMP")
        ),
        sightings=(Sighting(50.0, 50.0),),
    )
    assert draw_picture(full, "Sol").size == (EDGE, EDGE)
    brush = ImageDraw.Draw(Image.new("RGBA", (1, 1)))
    legend = LegendPainter(full, Palette(full), "Sol")
    left, scale_from = 30.0 * OVERSAMPLING, (EDGE - 30 - 110) * OVERSAMPLING
    assert legend._worlds(brush, left, 0) < scale_from
    assert legend._ships(brush, left, 0) < scale_from


def test_a_panel_goes_where_it_hides_least_and_off_the_others() -> None:
    busy = [((x * 10.0, y * 10.0), 1.0) for x in range(50) for y in range(50)]
    box, hidden = quiet_place((0, 0, 1000, 1000), 300, 300, busy, [])
    assert hidden == 0
    second, _ = quiet_place((0, 0, 1000, 1000), 300, 300, busy, [box])
    assert second[2] <= box[0] or box[2] <= second[0] or second[3] <= box[1] or box[3] <= second[1]
