"""Airflow runs the notebooks: the DAGs follow from what the notebooks say of themselves."""

from importlib import import_module
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from lakelib.airflow.arrivals import landed
    from lakelib.airflow.assets import asset
    from lakelib.airflow.generating import dags
    from lakelib.airflow.operator import NotebookOperator

__all__ = ["NotebookOperator", "asset", "dags", "landed"]

_HOMES: Final = {"NotebookOperator": "operator", "asset": "assets", "dags": "generating", "landed": "arrivals"}


def __getattr__(name: str) -> Any:
    # Importing Airflow takes seconds and makes its home folder: `lakelib.airflow.local` says first where that is.
    if name not in __all__:
        raise AttributeError(f"module 'lakelib.airflow' has no attribute {name!r}")
    return getattr(import_module(f"{__name__}.{_HOMES[name]}"), name)
