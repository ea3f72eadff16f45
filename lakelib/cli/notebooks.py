"""Notebooks: run them, list them, show their order."""

import re
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Annotated, Any

import typer

from lakelib.cli.display import AsJson, show_json, show_rows
from lakelib.cli.running import run_shown, show_results
from lakelib.errors import ParameterError, SettingsError

if TYPE_CHECKING:
    from lakelib.intervals import Interval
    from lakelib.runner import Notebook

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
    retries: Annotated[int | None, typer.Option(min=0, help="how often a transient failure is tried again")] = None,
    as_json: AsJson = False,
) -> None:
    """Execute notebooks, each after those whose tables it reads."""
    from lakelib import kernels
    from lakelib.project import find_project

    overrides, interval, given = _overrides(engine), _interval(first, last), _parameters(parameter or [])
    # It imports what notebooks need while this process imports what runs them.
    kernels.warm(cwd=find_project())
    from lakelib.settings import load_settings

    settings = load_settings(**overrides)
    results = run_shown(
        settings,
        tables or [],
        is_quiet=as_json,
        interval=interval,
        parameters=given,
        with_upstream=with_upstream,
        retries=settings.retries if retries is None else retries,
    )
    if settings.catalog.after_runs:
        from lakelib.catalog.following import follow

        follow(settings)
    show_results(results, archive=str(settings.archive), as_json=as_json)


def ls(*, as_json: AsJson = False) -> None:
    """List the notebooks: what each reads and writes, and its parameters."""
    from lakelib.runner import find_notebooks, select, upstream_graph
    from lakelib.settings import load_settings

    notebooks = find_notebooks(load_settings().project)
    rows = [_facts(notebook) for notebook in select(notebooks, [], graph=upstream_graph(notebooks))]
    if as_json:
        show_json(rows)
    else:
        shown = [row | {"parameters": [_signature(p) for p in row["parameters"]]} for row in rows]
        show_rows(shown, spare=("parameters", "title"))


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
        for notebook in select(notebooks, [], graph=upstream):
            reads = [*notebook.sources, *sorted(upstream[str(notebook.table)])]
            typer.echo(f"{notebook.table} ← {', '.join(reads)}" if reads else str(notebook.table))


def _overrides(engine: str | None) -> dict[str, Any]:
    if engine is None:
        return {}
    if re.fullmatch(r"embedded|spark|sc://\S+", engine) is None:
        raise SettingsError(f"Engine {engine!r} was asked for.", hint="Engines are embedded, spark and sc://host:port.")
    return {"engine": engine}


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
