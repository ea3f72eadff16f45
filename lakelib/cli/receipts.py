"""Receipts at work: two runs compared, one done again, some taken back."""

from collections.abc import Mapping
from dataclasses import asdict
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Annotated, Any

import typer

from lakelib.cli.display import AsJson, console, show_json, show_rows
from lakelib.cli.runs import find_run
from lakelib.errors import UsageError

if TYPE_CHECKING:
    from lakelib.runner.outputs import RowChanges
    from lakelib.runner.replaying import Replay
    from lakelib.runner.rollback import Rollback

__all__ = ["diff", "replay", "rollback"]

RunId = Annotated[str, typer.Argument(metavar="RUN", help="a run id, or how it begins")]


def diff(
    left: Annotated[str, typer.Argument(metavar="RUN", help="a run id, or how it begins")],
    right: Annotated[str, typer.Argument(metavar="RUN", help="the other one")],
    *,
    as_json: AsJson = False,
) -> None:
    """Compare two runs: parameters, inputs, rules, versions, the code cell by cell, and of gold what became of rows."""
    from lakelib.runner.comparing import code_differences, fact_differences
    from lakelib.runner.outputs import row_changes
    from lakelib.settings import load_settings

    ours, theirs = find_run(left), find_run(right)
    receipts = ours.existing_receipt(), theirs.existing_receipt()
    facts = fact_differences(*receipts)
    code = code_differences(ours, theirs)
    rows = row_changes(*receipts, settings=load_settings())
    if as_json:
        show_json({"facts": [asdict(each) for each in facts], "code": code, "rows": asdict(rows) if rows else None})
        return
    if facts:
        show_rows([{"": each.what, ours.run_id: each.left, theirs.run_id: each.right} for each in facts], null="none")
    for change in code:
        console.print(f"\n{change}", markup=False, soft_wrap=True)
    if rows:
        _show_changes(rows)
    if not facts and not code:
        typer.echo("The runs are the same in everything but their times.")


def replay(run_id: RunId, *, as_json: AsJson = False) -> None:
    """Run it again on the versions it read, in a lake of its own, and compare; exit code 1 where rows differ."""
    from lakelib.runner.replaying import replay as replayed
    from lakelib.settings import load_settings

    done = replayed(find_run(run_id), load_settings())
    if as_json:
        show_json(
            {
                "run_id": run_id,
                "status": done.result.status,
                "is_equal": done.is_equal,
                "rows": done.rows,
                "missing": done.missing,
                "unexpected": done.unexpected,
                "commit": done.commit,
                "remarks": done.remarks,
                "folder": str(done.folder),
            }
        )
    else:
        console.print(_told(done), markup=False, soft_wrap=True)
    if not done.is_equal:
        raise typer.Exit(1)


def rollback(
    run_id: Annotated[str | None, typer.Argument(metavar="[RUN]", help="a run id, or how it begins")] = None,
    *,
    to: Annotated[str | None, typer.Option("--to", metavar="TIME", help="all tables, such as 2024-05-01T06:00")] = None,
    with_dependants: Annotated[
        bool, typer.Option("--with-dependants", help="also what was written after it, or made from it")
    ] = False,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="only show what it would restore")] = False,
    as_json: AsJson = False,
) -> None:
    """Take a run back: each table that it wrote is restored to what it was before; nothing of the history is lost."""
    from lakelib.runner.abandonment import open_store
    from lakelib.runner.rollback import carry_out, plan_rollback, plan_rollback_to
    from lakelib.settings import load_settings

    settings = load_settings()
    if run_id and not to:
        plan = plan_rollback(find_run(run_id).run_id, settings, with_dependants=with_dependants)
    elif to and not run_id:
        plan = plan_rollback_to(_moment(to), settings)
    else:
        raise UsageError("Name one run, or a time by --to.", hint="`lake runs` lists the runs with their times.")
    if not dry_run:
        with open_store(settings) as store:
            carry_out(plan, settings=settings, store=store)
    if as_json:
        show_json(asdict(plan) | {"is_done": not dry_run})
    else:
        _show_plan(plan, verb="would be restored" if dry_run else "restored")


def _told(done: "Replay") -> str:
    remarks = f"\nCode: that of commit {done.commit}" if done.commit else ""
    remarks += "".join(f"\nRemark: {each}" for each in done.remarks)
    if done.is_equal:
        return f"Equal: the same {done.rows:,} rows.{remarks}"
    if done.result.error:
        return f"The replay {done.result.status}: {done.result.error.message}\nProject: {done.folder}{remarks}"
    return (
        f"Different: of {done.rows:,} rows {done.missing:,} are missing in the replay, and it has {done.unexpected:,} "
        f"others.\nProject: {done.folder}{remarks}"
    )


def _show_changes(rows: "RowChanges") -> None:
    """The counts, then a few rows: a changed value as what it was, an arrow, and what it is."""
    typer.echo(
        f"\n{rows.table}, version {rows.left} to {rows.right}: {rows.added:,} rows added, {rows.removed:,} removed, "
        f"{rows.changed:,} changed"
    )
    if rows.examples:
        show_rows([{**each, "values": _told_values(each["values"])} for each in rows.examples], null="none")


def _told_values(values: Mapping[str, Any]) -> str:
    arrows = {
        name: f"{value[0]} → {value[1]}" if isinstance(value, tuple) else str(value) for name, value in values.items()
    }
    return ", ".join(f"{name}: {text}" for name, text in arrows.items())


def _show_plan(plan: "Rollback", *, verb: str) -> None:
    show_rows([{"table": table, f"{verb} to version": version} for table, version in plan.tables.items()])
    typer.echo(f"Runs taken back: {', '.join(plan.runs)}")


def _moment(text: str) -> datetime:
    try:
        moment = datetime.fromisoformat(text)
    except ValueError as error:
        raise UsageError(
            f"A time was asked for and {text!r} was given.", hint="Write 2024-05-01T06:00; it is in UTC."
        ) from error
    return moment if moment.tzinfo else moment.replace(tzinfo=UTC)
