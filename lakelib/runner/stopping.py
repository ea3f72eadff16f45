"""Runs that are called running and do nothing: found by their silence, and ended."""

import time
from collections.abc import Mapping
from typing import Any, Final

from lakelib.runner.process import Process
from lakelib.runner.store import HEARTBEAT_SECONDS, RunStore, is_silent

__all__ = ["end_stuck"]

_WATCHED_SECONDS: Final = 2.5 * HEARTBEAT_SECONDS


def end_stuck(store: RunStore, *, watched_seconds: float = _WATCHED_SECONDS) -> list[str]:
    """Kills the runners on this machine that do not say that they live; the ids of their runs.

    They are watched first: a clock that jumped makes all seem silent, but those that live are heard of meanwhile. The
    kernels end with their runner, and whoever opens the run store next calls the runs killed.
    """
    silent = {row["run_id"]: row for row in store.running() if is_silent(row) and _process(row).is_local()}
    if silent:
        time.sleep(watched_seconds)
    seen = {row["run_id"]: row["seen_at"] for row in store.running()}
    stuck = {run_id: row for run_id, row in silent.items() if seen.get(run_id) == row["seen_at"]}
    for row in stuck.values():
        _process(row).kill()
    return list(stuck)


def _process(row: Mapping[str, Any]) -> Process:
    return Process(row["host"], row["pid"], row["pid_started"])
