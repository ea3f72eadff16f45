"""Deliveries: what arrived and what became of it, letting in what is held, proving what was loaded."""

from collections.abc import Iterable, Sequence
from dataclasses import asdict
from typing import TYPE_CHECKING, Annotated, Any

import typer

from lakelib.cli.display import AsJson, console, errors, show_json, show_rows, tell_limit
from lakelib.errors import UsageError, closest
from lakelib.names import TableName

if TYPE_CHECKING:
    from lakelib.tables.evidence import Proof
    from lakelib.tables.manifest import Entry

__all__ = ["deliveries", "release", "verify"]


def deliveries(
    table: Annotated[str | None, typer.Argument(metavar="[TABLE]", help="a bronze table; none means all")] = None,
    limit: Annotated[int, typer.Option(help="so many, newest first", min=1)] = 50,
    *,
    held: Annotated[bool, typer.Option("--held", help="those that wait for a person")] = False,
    as_json: AsJson = False,
) -> None:
    """List what was delivered, newest first: each file with its verdict, and why."""
    from lakelib.tables.manifest import entries

    found = entries(_bronze(table) if table else None)
    if table and not found:
        raise _no_deliveries([table])
    asked = [each for each in found if each.verdict == "held" or not held]
    shown = asked[:limit]
    if as_json:
        show_json([asdict(each) for each in shown])
    elif shown:
        show_rows([_line(each) for each in shown], spare=("seen (UTC)", "rows"))
    else:
        typer.echo("No delivery is held." if held else "Nothing was delivered yet.")
    if len(asked) > limit:
        tell_limit(limit)


def release(
    delivery: Annotated[str, typer.Argument(metavar="DELIVERY", help="its path, as `lake deliveries` lists it")],
    reason: Annotated[str, typer.Option(help="why it is right as it is; kept in bronze._manifest")],
    *,
    as_json: AsJson = False,
) -> None:
    """Let a held delivery in: the next run over its date loads it."""
    from lakelib.tables import manifest

    released = manifest.release(delivery, reason=reason)
    if as_json:
        show_json([asdict(each) for each in released])
        return
    for each in released:
        typer.echo(f"{each.path} was released by {each.released_by}: {each.release_reason}. {_next(each)}")


def verify(
    tables: Annotated[list[str] | None, typer.Argument(metavar="[TABLE…]", help="bronze, or tables of it")] = None,
    *,
    as_json: AsJson = False,
) -> None:
    """Read landing and bronze again and prove that nothing was lost or changed; exit code 1 where something was."""
    from lakelib.tables.evidence import verify as proofs

    chosen, proven = _delivered(tables or ["bronze"]), []
    if not chosen and not as_json:
        typer.echo("Nothing was delivered yet.")
    for table in chosen:
        of_table = list(_shown(proofs(table), is_quiet=as_json))
        proven += of_table
        if not as_json:
            typer.echo(_summary(table, of_table))
    if as_json:
        show_json([asdict(each) for each in proven])
    if any(each.problems for each in proven):
        raise typer.Exit(1)


def _line(entry: "Entry") -> dict[str, Any]:
    return {
        "table": entry.table,
        "delivered": entry.delivered_on,
        "path": entry.path,
        "verdict": entry.verdict,
        "rows": entry.rows,
        "seen (UTC)": f"{entry.ingested_at:%Y-%m-%d %H:%M:%S}",
        "why": entry.release_reason or _why(entry),
    }


def _why(entry: "Entry") -> str:
    drift = f"not in the contract: {', '.join(entry.drift)}" if entry.drift else ""
    return entry.message.removeprefix(f"{entry.path} is {entry.verdict} ") or entry.reason or drift


def _next(entry: "Entry") -> str:
    if entry.verdict == "loaded":
        return "It is loaded."
    interval = f" --from {entry.delivered_on}" if entry.delivered_on else ""
    return f"Load it: lake run {entry.table}{interval}"


def _bronze(name: str) -> TableName:
    table = TableName.parse(name)
    if table.layer != "bronze":
        raise UsageError(
            f"Deliveries of {name} were asked for; they arrive in bronze alone.",
            hint="lake ls shows which bronze tables a table is made from.",
        )
    return table


def _delivered(selection: Sequence[str]) -> list[TableName]:
    """The selected tables that the manifest knows; `bronze` is all of them that still have a contract."""
    from lakelib.tables.manifest import entries

    known = sorted({each.table for each in entries()})
    chosen = [str(_bronze(name)) for name in selection if name != "bronze"]
    if "bronze" in selection:
        chosen += [name for name in known if name not in chosen and _has_contract(name)]
    if unknown := [name for name in chosen if name not in known]:
        raise _no_deliveries(unknown)
    return [TableName.parse(name) for name in chosen]


def _has_contract(name: str) -> bool:
    from lakelib.settings import load_settings

    table = TableName.parse(name)
    if table.contract_file(load_settings().project / "contracts").is_file():
        return True
    errors.print(f"{name} has no contract any more and is not looked at; `lake verify {name}` does.", markup=False)
    return False


def _no_deliveries(names: Sequence[str]) -> UsageError:
    from lakelib.tables.manifest import entries

    known = sorted({each.table for each in entries()})
    return UsageError(
        f"Deliveries of {', '.join(names)} were asked for; none was seen yet.",
        hint=f"Of those that have some: {closest(names[0], known)}",
    )


def _shown(proofs: "Iterable[Proof]", *, is_quiet: bool) -> "Iterable[Proof]":
    """Tells what is wrong as soon as it is found, and on a terminal how far it is."""
    with errors.status("verifying") as live:
        for number, proof in enumerate(proofs, start=1):
            live.update(f"verifying {proof.table}: {number} deliveries")
            if not is_quiet:
                for problem in proof.problems:
                    console.print(f"{proof.table} {_named(proof)}: {problem}", markup=False, soft_wrap=True)
            yield proof


def _named(proof: "Proof") -> str:
    return proof.path or f"{proof.delivered_on or 'undated'} {proof.sha256[:12]}"


def _summary(table: TableName, proofs: "Sequence[Proof]") -> str:
    proven = [each for each in proofs if not each.problems]
    rows, replaced = sum(each.rows for each in proven), sum(each.landing == "replaced" for each in proven)
    beside = f"; {replaced} of them were replaced in landing by others" if replaced else ""
    return f"{table}: {len(proven)} of {len(proofs)} deliveries are proven, {rows:,} rows{beside}."
