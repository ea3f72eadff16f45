"""What stays resident: look at it, start it, stop it."""

from dataclasses import asdict
from typing import TYPE_CHECKING

import typer

from lakelib.cli.display import AsJson, show_json

if TYPE_CHECKING:
    from lakelib.engine.spark_server import ServerStatus
    from lakelib.kernels import Zygote

__all__ = ["app"]

app = typer.Typer(
    help="What stays resident for this project: the local Spark server, and what kernels are forked from.",
    no_args_is_help=True,
)


@app.command()
def status(*, as_json: AsJson = False) -> None:
    """Say which engine is configured, and what is resident: for how long, and with how much memory."""
    from lakelib import kernels
    from lakelib.engine.spark_server import server_status
    from lakelib.settings import load_settings

    settings = load_settings()
    server, zygotes = server_status(settings), kernels.status()
    if as_json:
        resident = {"server": asdict(server) if server else None, "zygotes": [asdict(each) for each in zygotes]}
        show_json({"engine": settings.engine, **resident})
        return
    typer.echo(f"Engine {settings.engine}. {_described(server)}")
    for zygote in zygotes:
        typer.echo(_told(zygote))


@app.command()
def start() -> None:
    """Start the local Spark server, or find the one that runs."""
    from lakelib.engine.spark_server import ensure_server, server_status
    from lakelib.settings import load_settings

    settings = load_settings()
    ensure_server(settings)
    typer.echo(_described(server_status(settings)))


@app.command()
def stop() -> None:
    """Stop the local Spark server, and what kernels are forked from where it has none. The next use starts them."""
    from lakelib import kernels
    from lakelib.engine.spark_server import stop_server
    from lakelib.settings import load_settings

    typer.echo("The Spark server was stopped." if stop_server(load_settings()) else "No Spark server was running.")
    for zygote in kernels.stop_idle():
        typer.echo(f"Process {zygote.pid}, from which kernels were forked, was stopped.")


def _told(zygote: "Zygote") -> str:
    return (
        f"Kernels are forked from process {zygote.pid}, for {zygote.age_seconds:,.0f} s. It takes "
        f"{zygote.memory_bytes / 1024**2:,.0f} MB and has {zygote.kernels} kernels."
    )


def _described(server: "ServerStatus | None") -> str:
    if server is None:
        return "No local Spark server runs."
    memory = f"{server.memory_bytes / 1024**2:,.0f} MB"
    return (
        f"A local Spark server runs on port {server.port} (process {server.pid}) for {server.age_seconds:,.0f} s, "
        f"takes {memory}, has {server.clients} clients and is idle for {server.idle_seconds:,.0f} s."
    )
