"""Contracts: what each table promises, read from one ODCS file a table."""

from lakelib.contracts.model import BRONZE_COLUMNS, HISTORY_COLUMNS, Column, Contract, Query, Reference, Rule
from lakelib.contracts.odcs import load_contract, read_contract
from lakelib.contracts.schema import table_schema
from lakelib.contracts.types import spark_type

__all__ = [
    "BRONZE_COLUMNS",
    "HISTORY_COLUMNS",
    "Column",
    "Contract",
    "Query",
    "Reference",
    "Rule",
    "load_contract",
    "read_contract",
    "spark_type",
    "table_schema",
]
