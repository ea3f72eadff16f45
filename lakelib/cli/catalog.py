"""The catalog: what is there, where it came from, what depends on it, and what is told to DataHub."""

from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from lakelib.cli.display import AsJson, console, errors, show_json, show_rows
from lakelib.errors import CatalogError, UsageError

if TYPE_CHECKING:
    from lakelib.catalog import Lake
    from lakelib.catalog.emitting import Sent
    from lakelib.catalog.graph import Direction

__all__ = ["app", "impact", "lineage"]

app = typer.Typer(help="What the catalog knows, and DataHub's copy of it.", no_args_is_help=True)
Place = Annotated[str, typer.Argument(metavar="TABLE[.COLUMN]", help="such as gold.kpi_origin_daily.flights")]


@app.command()
def emit(
    *,
    again: Annotated[bool, typer.Option("--again", help="send everything once more")] = False,
    as_json: AsJson = False,
) -> None:
    """Tell the catalog what is new: contracts that changed, runs that ended; what it does not take waits."""
    from lakelib.catalog.emitting import emit as emitted
    from lakelib.settings import load_settings

    with errors.status("telling the catalog what is new"):
        sent = emitted(load_settings(), again=again)
    _show_sent(sent, is_json=as_json)


@app.command()
def status(*, as_json: AsJson = False) -> None:
    """Show what each sink has had and what waits for it."""
    from lakelib.catalog.emitting import status as found
    from lakelib.settings import load_settings

    _show_sent(found(load_settings()), is_json=as_json)


@app.command()
def validate(*, as_json: AsJson = False) -> None:
    """Check what is in the spool, more strictly than DataHub does."""
    from lakelib.catalog.emitting import validate as validated
    from lakelib.settings import load_settings

    count, faults = validated(load_settings())
    if as_json:
        show_json({"proposals": count, "faults": faults})
    else:
        console.print("\n".join([*faults, f"{count} proposals, {len(faults)} faults"]), markup=False, soft_wrap=True)
    if faults:
        raise CatalogError(f"{len(faults)} faults were found.", hint="`lake catalog emit --again` does not send them.")


@app.command()
def search(
    words: Annotated[list[str], typer.Argument(metavar="WORDS", help="all of them, in any case")],
    *,
    as_json: AsJson = False,
) -> None:
    """Find tables and columns by names, descriptions, owners, domains and classifications."""
    from lakelib.catalog.searching import search as hits

    found = [asdict(hit) for hit in hits(_lake(), words)]
    if as_json:
        show_json(found)
    else:
        show_rows(found, names=("name", "owner", "text"))


@app.command()
def drift(*, as_json: AsJson = False) -> None:
    """List where contracts, tables, lineage and classification disagree."""
    from lakelib.catalog.drift import drifts

    found = [asdict(each) for each in drifts(_lake())]
    if as_json:
        show_json(found)
    else:
        show_rows(found, names=("table", "kind", "found"))


@app.command()
def openlineage(
    to: Annotated[str, typer.Argument(metavar="FILE|URL", help="a file for a line an event, or an HTTP endpoint")],
    *,
    as_json: AsJson = False,
) -> None:
    """Tell the runs of the archive as OpenLineage events, with their column lineage."""
    from lakelib.catalog.openlineage import post_events, write_events

    lake = _lake()
    namespace = lake.settings.catalog.flow
    if to.startswith(("http://", "https://")):
        count = post_events(lake.runs, to, namespace=namespace)
    elif "://" in to:
        raise UsageError(f"Events were to be sent to {to}.", hint="Give an address with https://, or a file's path.")
    else:
        count = write_events(lake.runs, Path(to), namespace=namespace)
    if as_json:
        show_json({"events": count, "to": to})
    else:
        console.print(f"{count} events: {to}", markup=False, soft_wrap=True)


def lineage(
    place: Place,
    *,
    up: Annotated[bool, typer.Option("--up", help="only what it is made of")] = False,
    down: Annotated[bool, typer.Option("--down", help="only what is made of it")] = False,
    depth: Annotated[int, typer.Option(min=1, help="so many steps")] = 20,
    mermaid: Annotated[bool, typer.Option("--mermaid", help="a Mermaid flowchart")] = False,
    html: Annotated[Path | None, typer.Option(help="write a page of the whole lake to this file")] = None,
    as_json: AsJson = False,
) -> None:
    """Show what a table or a column is made of, and what is made of it."""
    from lakelib.catalog.drawing import as_decisions, as_mermaid, as_tree, as_values, kinds_of

    lake = _lake()
    node = lake.node(place)
    directions: list[Direction] = [way for way, asked in (("up", up), ("down", down)) if asked or not (up or down)]  # type: ignore[misc]
    edges = [e for way in directions for e in lake.graph.walk(node, way, depth=depth, kinds=kinds_of(node))]
    if html is not None:
        from lakelib.catalog.page import write_page

        write_page(lake, html, focus=node)
        console.print(f"{html}", markup=False, soft_wrap=True)
    elif as_json:
        show_json(as_values(edges))
    elif mermaid:
        typer.echo(as_mermaid(edges))
    else:
        for way in directions:
            typer.echo("made of" if way == "up" else "goes into")
            typer.echo("\n".join(as_tree(lake.graph, node, direction=way, depth=depth)))
        if "up" in directions:
            typer.echo("\n".join(as_decisions(lake.graph, node)))


def impact(place: Place, *, as_json: AsJson = False) -> None:
    """List what a change of a table or a column touches: tables, their columns, and whom to ask."""
    from lakelib.catalog.impact import impact_of

    lake = _lake()
    found = [asdict(each) for each in impact_of(lake, lake.node(place))]
    if as_json:
        show_json(found)
    else:
        show_rows(found, names=("table", "owner", "columns", "is_decided"))


def _lake() -> "Lake":
    from lakelib.catalog import Lake
    from lakelib.settings import load_settings

    return Lake(load_settings())


def _show_sent(sent: "list[Sent]", *, is_json: bool) -> None:
    if is_json:
        show_json([asdict(each) for each in sent])
    else:
        show_rows([asdict(each) for each in sent], names=("sink", "had", "taken", "waiting", "error"))
    if failed := [each.sink for each in sent if each.error]:
        raise CatalogError(
            f"Not everything was taken by: {', '.join(failed)}.",
            hint="It waits in the spool for the next `lake catalog emit`.",
        )
