"""Finds room for panels on the map where they hide least."""

from collections.abc import Iterable

from client.chart.paint import OVERSAMPLING, Box, Point

_STEPS = 8
_APART = 16 * OVERSAMPLING

Weighted = tuple[Point, float]


def quiet_place(
    inside: Box, wide: float, high: float, busy: Iterable[Weighted], taken: Iterable[Box]
) -> tuple[Box, float]:
    """Return a box of the given size within another, and the weight of the busy points under it.

    Boxes that are taken are left alone; among equally quiet places the one nearest to a corner is best.
    """
    left, top, right, bottom = inside
    points, boxes = list(busy), list(taken)
    best: tuple[tuple[float, float], Box] | None = None
    for column in range(_STEPS + 1):
        for row in range(_STEPS + 1):
            x = left + (right - left - wide) * column / _STEPS
            y = top + (bottom - top - high) * row / _STEPS
            box = (x, y, x + wide, y + high)
            hidden = sum(
                weight for (px, py), weight in points if box[0] < px < box[2] and box[1] < py < box[3]
            )
            if any(_meets(box, other) for other in boxes):
                hidden += 1e6
            centrality = min(column, _STEPS - column) + min(row, _STEPS - row)
            rank = (hidden, float(centrality))
            if best is None or rank < best[0]:
                best = (rank, box)
    assert best is not None
    return best[1], best[0][0]


def _meets(one: Box, other: Box) -> bool:
    return (
        one[0] < other[2] + _APART
        and other[0] < one[2] + _APART
        and one[1] < other[3] + _APART
        and other[1] < one[3] + _APART
    )
