"""Tables as Airflow's assets."""

from airflow.sdk import Asset

from lakelib.names import TableName

__all__ = ["asset"]


def asset(table: str) -> Asset:
    """The asset that each run of the table's notebook updates; a DAG can be scheduled on it.

    Its event carries the run's id, interval, rows and the version written. DataHub reads the URI as the dataset of the
    same name on the platform `delta-lake`.

    Raises:
        TableNameError: not a name like silver.flights.
    """
    name = str(TableName.parse(table))
    return Asset(name=name, uri=f"delta-lake://{name}")
