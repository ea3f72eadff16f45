"""A contract as a table's schema."""

from typing import TYPE_CHECKING

from lakelib.contracts.model import Contract
from lakelib.contracts.types import spark_type

if TYPE_CHECKING:
    from pyspark.sql.types import StructType

__all__ = ["table_schema"]


def table_schema(contract: Contract) -> "StructType":
    """The contract's columns, then the platform's; comments from the descriptions, all nullable."""
    from pyspark.sql.types import StructField, StructType

    promised = [
        StructField(
            column.name,
            spark_type(column.type),
            metadata={"comment": column.description} if column.description else {},
        )
        for column in contract.columns
    ]
    added = [StructField(name, spark_type(kind)) for name, kind in contract.platform_columns.items()]
    return StructType(promised + added)
