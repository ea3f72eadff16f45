"""Notebooks: run them, list them, show their order."""

import re
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Annotated, Any

import typer

from lakelib.cli.display import AsJson, console, show_json, show_rows
from lakelib.errors import ParameterError, SettingsError

if TYPE_CHECKING:
    from lakelib.intervals import Interval
    from lakelib.runner import Notebook
    from lakelib.runner.batch import RunResult
    from lakelib.settings import Settings

__all__ = ["graph", "ls", "run"]

Selection = Annotated[list[str] | None, typer.Argument(metavar="[TABLE…]", help="tables or layers; none means all")]


def run(
    tables: Selection = None,
    *,
    first: Annotated[str | None, typer.Option("--from", metavar="DATE", help="first delivery day")] = None,
    last: Annotated[
        str | None, typer.Option("--to", metavar="DATE", help="last delivery day; without it, --from")
    ] = None,
    with_upstream: Annotated[bool, typer.Option("--with-upstream", help="everything they read, too")] = False,
    engine: Annotated[str | None, typer.Option(metavar="ENGINE", help="embedded, spark or sc://host:port")] = None,
    parameter: Annotated[
        list[str] | None, typer.Option("-p", metavar="NAME=VALUE", help="a notebook parameter")
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Execute notebooks, each after those whose tables it reads."""
    settings, interval, given = _settings(engine), _interval(first, last), _parameters(parameter or [])

    from lakelib import kernels

    # It imports what notebooks need while this process imports what runs them.
    kernels.warm(cwd=settings.project)

    from lakelib.cli.progress import shown_progress
    from lakelib.runner.batch import run_notebooks

    with shown_progress(is_quiet=as_json) as on_progress:
        results = run_notebooks(
            settings,
            tables or [],
            interval=interval,
            parameters=given,
            with_upstream=with_upstream,
            on_progress=on_progress,
        )
    if as_json:
        show_json([_as_json(result) for result in results])
    else:
        _conclude(results, str(settings.archive))
    if any(result.status != "succeeded" for result in results):
        raise typer.Exit(1)


def ls(*, as_json: AsJson = False) -> None:
    """List the notebooks: what each reads and writes, and its parameters."""
    from lakelib.runner import find_notebooks, select
    from lakelib.settings import load_settings

    rows = [_facts(notebook) for notebook in select(find_notebooks(load_settings().project), [])]
    if as_json:
        show_json(rows)
    else:
        show_rows([row | {"parameters": [_signature(p) for p in row["parameters"]]} for row in rows])


def graph(
    *,
    as_mermaid: Annotated[bool, typer.Option("--mermaid", help="as a Mermaid flowchart")] = False,
    as_json: AsJson = False,
) -> None:
    """Show which table waits for which."""
    from lakelib.runner import find_notebooks, mermaid, select, upstream_graph
    from lakelib.settings import load_settings

    notebooks = find_notebooks(load_settings().project)
    upstream = upstream_graph(notebooks)
    if as_json:
        show_json({table: sorted(reads) for table, reads in upstream.items()})
    elif as_mermaid:
        typer.echo(mermaid(notebooks, upstream))
    else:
        for notebook in select(notebooks, []):
            reads = [*notebook.sources, *sorted(upstream[str(notebook.table)])]
            typer.echo(f"{notebook.table} ← {', '.join(reads)}" if reads else str(notebook.table))


def _settings(engine: str | None) -> "Settings":
    from lakelib.settings import load_settings

    if engine is None:
        return load_settings()
    if re.fullmatch(r"embedded|spark|sc://\S+", engine) is None:
        raise SettingsError(f"Engine {engine!r} was asked for.", hint="Engines are embedded, spark and sc://host:port.")
    return load_settings(engine=engine)


def _interval(first: str | None, last: str | None) -> "Interval | None":
    from lakelib.intervals import Interval

    if first is None and last is None:
        return None
    if first is None:
        raise ParameterError(f"--to {last} was given without --from.", hint="Give both, or only --from for one day.")
    return Interval.parse(first, last or first)


def _parameters(texts: Sequence[str]) -> dict[str, str]:
    pairs = [text.partition("=") for text in texts]
    for name, equals, _ in pairs:
        if not equals:
            raise ParameterError(f"-p {name} was given without a value.", hint=f"Write -p {name}=value.")
    return {name: value for name, _, value in pairs}


def _facts(notebook: "Notebook") -> dict[str, Any]:
    return {
        "table": str(notebook.table),
        "title": notebook.title,
        "sources": list(notebook.sources),
        "reads": list(notebook.reads),
        "parameters": [
            {
                "name": p.name,
                "type": p.annotation,
                "default": p.default,
                "is_required": p.is_required,
                "help": p.help,
            }
            for p in notebook.parameters
        ],
    }


def _signature(parameter: Mapping[str, Any]) -> str:
    typed = f"{parameter['name']}: {parameter['type']}" if parameter["type"] else parameter["name"]
    return typed if parameter["is_required"] else f"{typed} = {parameter['default']}"


def _as_json(result: "RunResult") -> dict[str, Any]:
    receipt = result.receipt
    return {
        "table": result.table,
        "interval": result.interval,
        "status": result.status,
        "reason": result.reason,
        "run_id": receipt.run_id if receipt else None,
        "rows": receipt.rows.model_dump() if receipt else None,
        "seconds": receipt.seconds if receipt else None,
        "error": receipt.error.model_dump() if receipt and receipt.error else None,
        "page": str(result.archived.page) if result.archived else None,
    }


def _conclude(results: Sequence["RunResult"], archive: str) -> None:
    for result in results:
        if result.receipt and result.receipt.error:
            error = result.receipt.error
            place = f" in cell {error.cell}" if error.cell else ""
            console.print(f"\n{result.table}{place}: {error.kind}: {error.message}", markup=False)
            console.print(f"Page: {result.archived.page}" if result.archived else "", markup=False, soft_wrap=True)
    succeeded = sum(result.status == "succeeded" for result in results)
    console.print(
        f"\n{succeeded} of {len(results)} notebooks succeeded. Archive: {archive}", markup=False, soft_wrap=True
    )
