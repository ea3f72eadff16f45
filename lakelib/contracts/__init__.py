"""Contracts: what each table promises, read from one ODCS file a table."""

from lakelib.contracts.model import BRONZE_COLUMNS, Column, Contract, Rule
from lakelib.contracts.odcs import load_contract
from lakelib.contracts.schema import table_schema
from lakelib.contracts.types import spark_type

__all__ = ["BRONZE_COLUMNS", "Column", "Contract", "Rule", "load_contract", "spark_type", "table_schema"]
