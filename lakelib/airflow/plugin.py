"""What lakelib adds to Airflow's web server: the archive, under `/lake`."""

from collections.abc import Awaitable, Callable
from typing import Any

from airflow.plugins_manager import AirflowPlugin

from lakelib.airflow.outcomes import PAGES

__all__ = ["LakePlugin"]


async def _pages(scope: Any, receive: Callable[[], Awaitable[Any]], send: Callable[[Any], Awaitable[None]]) -> None:
    # Every process of Airflow loads its plugins, each task too; only the web server needs what this takes to import.
    from lakelib.airflow.pages import pages

    await pages()(scope, receive, send)


class LakePlugin(AirflowPlugin):
    """Found by Airflow through the entry point `airflow.plugins`."""

    name = "lake"
    fastapi_apps = [{"app": _pages, "url_prefix": PAGES, "name": "Executed notebooks"}]  # noqa: RUF012 -- as Airflow has it
