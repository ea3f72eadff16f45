"""The archive of executed notebooks in Airflow's web server, for whoever is logged in there."""

from functools import cache
from typing import Final

from fastapi import Depends, FastAPI, HTTPException, Response
from upath import UPath

from lakelib.settings import load_settings

__all__ = ["pages"]

_TYPES: Final = {".html": "text/html", ".ipynb": "application/x-ipynb+json", ".json": "application/json"}
# A page shows what a notebook printed: nothing in it may act as the person who looks at it.
_SANDBOX: Final = {"Content-Security-Policy": "sandbox allow-scripts", "X-Content-Type-Options": "nosniff"}


@cache
def pages() -> FastAPI:
    """The application, which answers a request with a file of the archive, and 401 where nobody is logged in.

    The project is the one that LAKE_PROJECT names, or whose folder the server runs in.
    """
    from airflow.api_fastapi.core_api.security import get_user

    app = FastAPI(dependencies=[Depends(get_user)], docs_url=None, redoc_url=None, openapi_url=None)
    app.get("/{path:path}")(_archived)
    return app


def _archived(path: str) -> Response:
    file = _file(load_settings().archive, path.split("/"))
    if file is None:
        raise HTTPException(404, f"There is no {path} in the archive.")
    return Response(file.read_bytes(), media_type=_TYPES[file.suffix], headers=_SANDBOX)


def _file(archive: UPath, parts: list[str]) -> UPath | None:
    if {"", ".", ".."} & set(parts):
        return None
    file = archive.joinpath(*parts)
    return file if file.suffix in _TYPES and file.is_file() else None
