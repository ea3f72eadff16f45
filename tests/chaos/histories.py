"""What the lake tells of its runs twice: in receipts, and in the histories of its tables."""

import json
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

from deltalake import DeltaTable

from lakelib.runner.archive import receipts
from lakelib.runner.receipt import Receipt
from lakelib.settings import Settings


def disagreements(settings: Settings) -> list[str]:
    """Commits of runs without a receipt, and writes of receipts that no commit of their run is."""
    known = {receipt.run_id: receipt for receipt in receipts(settings.archive)}
    makers = dict(_makers(Path(str(settings.warehouse))))
    return [
        f"{table} {version}: there is no receipt of run {maker}"
        for (table, version), maker in makers.items()
        if maker not in known
    ] + [
        f"{table} {version}: run {receipt.run_id} says it wrote it; run {makers.get((table, version))} did"
        for receipt in known.values()
        for table, version in _commits(receipt)
        if makers.get((table, version)) != receipt.run_id
    ]


def done_twice(settings: Settings) -> list[str]:
    """Work that several runs succeeded at."""
    ended = (receipt for receipt in receipts(settings.archive) if receipt.status == "succeeded")
    times = Counter((receipt.table, receipt.interval) for receipt in ended)
    return [f"{table} {interval}: done {count} times" for (table, interval), count in times.items() if count > 1]


def _makers(warehouse: Path) -> Iterator[tuple[tuple[str, int], str | None]]:
    """The run that made each version of each table."""
    for log in warehouse.glob("*/*/_delta_log"):
        table = f"{log.parent.parent.name}.{log.parent.name}"
        for commit in DeltaTable(str(log.parent)).history():
            yield (table, commit["version"]), json.loads(commit.get("userMetadata") or "{}").get("run_id")


def _commits(receipt: Receipt) -> list[tuple[str, int]]:
    return [(write["table"], write["version"]) for write in receipt.writes if write.get("is_committed")]
