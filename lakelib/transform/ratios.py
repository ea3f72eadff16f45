"""Ratios rounded the way a reader checks them."""

from pyspark.sql import Column
from pyspark.sql import functions as F

__all__ = ["ratio"]


def ratio(numerator: Column, denominator: Column, *, digits: int = 4) -> Column:
    """`numerator / denominator` as a double rounded half to even at `digits` decimals; null where the divisor is 0."""
    exact = numerator.cast("double") / denominator.cast("double")
    return F.bround(F.when(denominator != 0, exact), digits)
