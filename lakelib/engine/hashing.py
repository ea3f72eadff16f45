"""xxHash64 on every engine."""

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pyspark.sql import Column

__all__ = ["xxhash64"]


def xxhash64(*columns: "Column | str") -> "Column":
    """As `functions.xxhash64`, in a projection; nulls add nothing, so a null and a value are as a value and a null.

    Sail panics where it takes all columns for constants, as those of a Parquet file that hold one value in all its
    rows. The number of a partition is a constant for no engine. Spark does not push filters below it.
    """
    from pyspark.sql import functions as F

    return F.xxhash64(*columns, F.when(F.spark_partition_id() < 0, F.lit(0)))
