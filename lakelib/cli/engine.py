"""The resident Spark server of this project: look at it, start it, stop it."""

import typer

from lakelib.cli.display import AsJson, show_json
from lakelib.settings import load_settings

__all__ = ["app"]

app = typer.Typer(help="The project's local Spark server; `embedded` needs none.", no_args_is_help=True)


@app.command()
def status(*, as_json: AsJson = False) -> None:
    """Say which engine is configured and whether its server runs."""
    from lakelib.engine.spark_server import server_status

    settings = load_settings()
    server = server_status(settings)
    if as_json:
        show_json({"engine": settings.engine, "server": server})
    else:
        typer.echo(f"engine {settings.engine}; local Spark server: {server or 'not running'}")


@app.command()
def start() -> None:
    """Start the server, or find the one that runs."""
    from lakelib.engine.spark_server import ensure_server

    typer.echo(f"Spark server: {ensure_server(load_settings())}")


@app.command()
def stop() -> None:
    """Stop the server; nothing happens when none runs."""
    from lakelib.engine.spark_server import stop_server

    stop_server(load_settings())
    typer.echo("No Spark server runs for this project.")
