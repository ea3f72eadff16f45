"""Ratios rounded the way a reader checks them."""

from collections.abc import Callable
from typing import Final

from pyspark.sql import Column
from pyspark.sql import functions as F

__all__ = ["ratio"]

_SPLITTER: Final = float(2**27 + 1)


def ratio(numerator: Column, denominator: Column, *, digits: int = 4) -> Column:
    """`numerator / denominator` of whole numbers, rounded to `digits` decimals; null where the divisor is 0.

    The double nearest to the ratio is rounded, half to even of its binary value, as Python's `round` does: engines
    differ in their own rounding of ties. Exact for numbers below 2^26 whose ratio times 10^digits is below 2^50.
    """
    whole = F.struct(
        numerator.cast("bigint").alias("n"), F.nullif(denominator.cast("bigint"), F.lit(0).cast("bigint")).alias("d")
    ).cast("struct<n:bigint,d:bigint>")
    return _with(whole, lambda of: _rounded(of["n"], of["d"], digits))


def _with(value: Column, use: Callable[[Column], Column]) -> Column:
    """`use` of the value, which is said and computed once, however often it is used."""
    return F.get(F.transform(F.array(value), use), F.lit(0))


def _rounded(n: Column, d: Column, digits: int) -> Column:
    doubled = n * F.lit(2 * 10**digits)
    above = doubled + d
    upper = (above - F.pmod(above, 2 * d)).cast("double") / (2 * d).cast("double")
    is_tie = F.pmod(doubled, 2 * d) == d
    # Ties are few, and what they need takes long to plan for.
    rounded = F.when(is_tie & _is_down(n.cast("double"), d.cast("double"), upper), upper - 1).otherwise(upper)
    return rounded / F.lit(float(10**digits))


def _is_down(n: Column, d: Column, upper: Column) -> Column:
    """Whether of two numbers that are equally near the lower one is right."""
    excess = _with(n / d, lambda quotient: _excess_of_quotient(quotient, n, d))
    return _with(excess, lambda above: (above < 0) | ((above == 0) & (F.pmod(upper, F.lit(2.0)) == 1)))


def _excess_of_quotient(quotient: Column, n: Column, d: Column) -> Column:
    """`q * d - n` without rounding, for q the double nearest to n / d: Dekker's product of a double split in halves.

    T. J. Dekker, "A floating-point technique for extending the available precision", 1971.
    """
    high = quotient * _SPLITTER - (quotient * _SPLITTER - quotient)
    return (high * d - n) + (quotient - high) * d
