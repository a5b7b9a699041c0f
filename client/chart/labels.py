"""Finds places for names so that none lies on a world or on another name."""

from collections.abc import Iterable

Box = tuple[float, float, float, float]

# How far from its world a name may stand, in pixels; one that must be shown may go further, on a line of its own.
_NEAR_GAPS = (4.0, 14.0, 28.0)
_GAPS = (*_NEAR_GAPS, 48.0, 72.0, 104.0, 144.0)
_AIR = 3.0


class Labels:
    """Boxes that are taken, and where the next one fits."""

    def __init__(self, bounds: Box, taken: Iterable[Box] = ()) -> None:
        self._bounds = bounds
        self._taken = list(taken)

    def take(self, box: Box) -> None:
        """Mark a box as taken."""
        self._taken.append(box)

    def find(
        self, at: tuple[float, float], radius: float, size: tuple[float, float], *, must: bool
    ) -> Box | None:
        """Return a free box of `size` near a disc, or the least bad one if there `must` be one, else None."""
        best: tuple[float, Box] | None = None
        for rank, box in enumerate(self._candidates(at, radius, size, _GAPS if must else _NEAR_GAPS)):
            cost = sum(_overlap(box, other) for other in self._taken) + self._outside(box) * 4
            if cost == 0:
                best = (0, box)
                break
            score = cost + rank * 0.5
            if best is None or score < best[0]:
                best = (score, box)
        if best is None or (best[0] > 0 and not must):
            return None
        left, top, right, bottom = best[1]
        self.take((left - _AIR, top - _AIR, right + _AIR, bottom + _AIR))
        return best[1]

    def _candidates(
        self, at: tuple[float, float], radius: float, size: tuple[float, float], gaps: Iterable[float]
    ) -> Iterable[Box]:
        x, y = at
        wide, high = size
        for gap in (radius + extra for extra in gaps):
            slant = gap * 0.72
            for left, top in (
                (x + gap, y - high / 2),
                (x - gap - wide, y - high / 2),
                (x - wide / 2, y + gap),
                (x - wide / 2, y - gap - high),
                (x + slant, y - slant - high),
                (x + slant, y + slant),
                (x - slant - wide, y - slant - high),
                (x - slant - wide, y + slant),
            ):
                yield (left, top, left + wide, top + high)

    def _outside(self, box: Box) -> float:
        left, top, right, bottom = self._bounds
        return (
            max(0.0, left - box[0])
            + max(0.0, top - box[1])
            + max(0.0, box[2] - right)
            + max(0.0, box[3] - bottom)
        ) * 10


def _overlap(one: Box, other: Box) -> float:
    wide = min(one[2], other[2]) - max(one[0], other[0])
    high = min(one[3], other[3]) - max(one[1], other[1])
    return wide * high if wide > 0 and high > 0 else 0.0
