"""Ratios rounded the way a reader checks them."""

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
    n, d = numerator.cast("bigint"), F.nullif(denominator.cast("bigint"), F.lit(0).cast("bigint"))
    doubled = n * F.lit(2 * 10**digits)
    above = doubled + d
    upper = (above - F.pmod(above, 2 * d)).cast("double") / (2 * d).cast("double")
    is_tie = F.pmod(doubled, 2 * d) == d
    excess = _excess_of_quotient(n.cast("double"), d.cast("double"))
    is_down = (excess < 0) | ((excess == 0) & (F.pmod(upper, F.lit(2.0)) == 1))
    return F.when(is_tie & is_down, upper - 1).otherwise(upper) / F.lit(float(10**digits))


def _excess_of_quotient(n: Column, d: Column) -> Column:
    """`q * d - n` without rounding, for q the double nearest to n / d: Dekker's product of a double split in halves.

    T. J. Dekker, "A floating-point technique for extending the available precision", 1971.
    """
    quotient = n / d
    high = quotient * _SPLITTER - (quotient * _SPLITTER - quotient)
    return (high * d - n) + (quotient - high) * d
