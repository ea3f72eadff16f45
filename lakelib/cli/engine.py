"""The resident Spark server of this project: look at it, start it, stop it."""

from dataclasses import asdict
from typing import TYPE_CHECKING

import typer

from lakelib.cli.display import AsJson, show_json
from lakelib.settings import load_settings

if TYPE_CHECKING:
    from lakelib.engine.spark_server import ServerStatus

__all__ = ["app"]

app = typer.Typer(help="The project's local Spark server; `embedded` needs none.", no_args_is_help=True)


@app.command()
def status(*, as_json: AsJson = False) -> None:
    """Say which engine is configured, and whether the local Spark server runs."""
    from lakelib.engine.spark_server import server_status

    settings = load_settings()
    server = server_status(settings)
    if as_json:
        show_json({"engine": settings.engine, "server": asdict(server) if server else None})
    else:
        typer.echo(f"Engine {settings.engine}. {_described(server)}")


@app.command()
def start() -> None:
    """Start the local Spark server, or find the one that runs."""
    from lakelib.engine.spark_server import ensure_server, server_status

    settings = load_settings()
    ensure_server(settings)
    typer.echo(_described(server_status(settings)))


@app.command()
def stop() -> None:
    """Stop the local Spark server; nothing happens when none runs."""
    from lakelib.engine.spark_server import stop_server

    typer.echo("The Spark server was stopped." if stop_server(load_settings()) else "No Spark server was running.")


def _described(server: "ServerStatus | None") -> str:
    if server is None:
        return "No local Spark server runs."
    memory = f"{server.memory_bytes / 1024**2:,.0f} MB"
    return (
        f"A local Spark server runs on port {server.port} (process {server.pid}) for {server.age_seconds:,.0f} s, "
        f"takes {memory}, has {server.clients} clients and is idle for {server.idle_seconds:,.0f} s."
    )
