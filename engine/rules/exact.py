"""Correctly rounded powers, roots, logarithms and sines.

The C library's versions differ in the last bit between processors and releases, and a last bit is enough to make a
replayed turn differ. MPFR at 53 bits rounds each result to the nearest double, on every machine. `math.sqrt` needs no
stand-in: IEEE 754 already demands that it be exact.
"""

import math
from collections.abc import Iterable

import gmpy2  # type: ignore[import-untyped]  # the wheel carries no stubs

_NEAREST = gmpy2.context(precision=53, round=gmpy2.RoundToNearest)

CUBE_ROOT_OF_30 = float(_NEAREST.cbrt(30.0))
"""The constant of the defence formula, 3.1072325…"""


def power(base: float, exponent: float) -> float:
    """Return base ** exponent for a positive base."""
    return float(_NEAREST.pow(base, exponent))


def cube_root(value: float) -> float:
    """Return the real cube root."""
    return float(_NEAREST.cbrt(value))


def log4(value: float) -> float:
    """Return the logarithm to base 4 of a positive value; halving the base-2 logarithm is exact."""
    return float(_NEAREST.log2(value)) / 2.0


def sine(radians: float) -> float:
    """Return the sine of an angle in radians."""
    return float(_NEAREST.sin(radians))


def cosine(radians: float) -> float:
    """Return the cosine of an angle in radians."""
    return float(_NEAREST.cos(radians))


def hypotenuse(dx: float, dy: float) -> float:
    """Return the plain Euclidean length; `math.hypot` changed its algorithm between Pythons, this cannot."""
    return math.sqrt(dx * dx + dy * dy)


def two_decimals(value: float) -> float:
    """Round the exact binary value to the nearest two decimals, as printing with two decimals would (rules, 2)."""
    return round(value, 2)


def cut_two_decimals(value: float) -> float:
    """Cut a non-negative value off after two decimals (coordinates and resources at creation)."""
    return math.floor(value * 100.0) / 100.0


def ordered_sum(terms: Iterable[float]) -> float:
    """Add floats one after the other; the builtin `sum` compensates since Python 3.12, which changes the bits."""
    total = 0.0
    for term in terms:
        total += term
    return total
