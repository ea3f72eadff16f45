"""A benchmark's results: a table for people, JSON for programs, a picture for the docs."""

import json
import statistics
import subprocess
from collections.abc import Collection, Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Final

from rich.console import Console
from rich.table import Table

from benchmarks.machine import machine
from benchmarks.measuring import PROJECT, Measured, Sample

__all__ = ["QUICK", "RESULTS", "report", "row"]

RESULTS: Final = PROJECT / "benchmarks" / "results"
QUICK: Final = PROJECT / ".lake" / "benchmarks"
_PEERS: Final = PROJECT / "benchmarks" / ".venv" / "bin" / "python"
_SHOWN: Final = ("median_s", "min_s", "max_s", "cpu_s", "peak_mib", "runs")
_NOT_SHOWN: Final = ("q1_s", "q3_s", "samples_s")
_SAID: Final = ("times_faster", "extrapolated", "goals")
_WIDTH: Final = 140
_BYTES_OF_MIB: Final = 2**20

_terminal = Console(highlight=False)
_console = _terminal if _terminal.is_terminal else Console(highlight=False, width=_WIDTH)


def report(
    name: str,
    measured: Measured,
    *,
    title: str,
    goals: Mapping[str, float] | None = None,
    facts: Mapping[str, Any] | None = None,
    shown_apart: Collection[str] = (),
    results: Path = RESULTS,
) -> Path:
    """Prints the table, writes `<results>/<name>.json` and, where the peers' environment is, `<name>.png`.

    `goals` are the seconds that a case's median may have. `facts` are what the benchmark has to say beside its cases:
    ratios, what was done. What stands in `times_faster`, `extrapolated` and `goals` is printed. Figures that are
    `shown_apart` have no column in the table.

    Returns:
        the path of the JSON.
    """
    content = {
        "benchmark": name,
        "title": title,
        "measured_at": datetime.now(UTC).isoformat(timespec="seconds"),
        "machine": machine(),
        "noise": _noise(measured),
        **(facts or {}),
        "cases": [row(case, samples, goal=(goals or {}).get(case)) for case, samples in measured.samples.items()],
    }
    results.mkdir(parents=True, exist_ok=True)
    written = results / f"{name}.json"
    written.write_text(json.dumps(content, indent=2) + "\n", encoding="utf-8")
    _show(content, but=shown_apart)
    _draw(written)
    return written


def row(case: str, samples: Sequence[Sample], *, goal: float | None = None) -> dict[str, Any]:
    """Medians, spread and all values of one case; the samples' further figures stand in it by their own names."""
    wall = sorted(sample.wall_seconds for sample in samples)
    quartiles = statistics.quantiles(wall, n=4, method="inclusive") if len(wall) > 1 else wall * 3
    figures = {name: _median([sample.figures[name] for sample in samples]) for name in samples[0].figures}
    return {
        "case": case,
        "median_s": round(quartiles[1], 4),
        "min_s": round(wall[0], 4),
        "q1_s": round(quartiles[0], 4),
        "q3_s": round(quartiles[2], 4),
        "max_s": round(wall[-1], 4),
        "cpu_s": _median([sample.cpu_seconds for sample in samples]),
        "peak_mib": round(max(sample.peak_bytes for sample in samples) / _BYTES_OF_MIB),
        "load": _median([sample.load for sample in samples]),
        "runs": len(samples),
        **figures,
        **({} if goal is None else {"goal_s": goal, "is_goal_met": quartiles[1] <= goal}),
        "samples_s": [round(sample.wall_seconds, 4) for sample in samples],
    }


def _median(values: Sequence[float]) -> float:
    return round(statistics.median(values), 4)


def _noise(measured: Measured) -> Mapping[str, float]:
    calibration = sorted(measured.calibration_seconds)
    return {
        "load_at_rounds_max": round(max(measured.loads), 2),
        "load_at_rounds_median": round(statistics.median(measured.loads), 2),
        "calibration_median_s": round(statistics.median(calibration), 4),
        "calibration_min_s": round(calibration[0], 4),
        "calibration_max_s": round(calibration[-1], 4),
    }


def _show(content: Mapping[str, Any], *, but: Collection[str]) -> None:
    table = Table(title=content["title"], title_justify="left")
    figures = dict.fromkeys(name for case in content["cases"] for name in case if name.endswith("_s"))
    extra = [name for name in figures if name not in (*_SHOWN, *_NOT_SHOWN, *but)]
    table.add_column("case")
    for name in (*_SHOWN, *extra):
        table.add_column(name, justify="right")
    for case in content["cases"]:
        table.add_row(case["case"], *(str(case.get(name, "")) for name in (*_SHOWN, *extra)))
    _console.print(table)
    for what, value in ((what, value) for name in _SAID for what, value in content.get(name, {}).items()):
        _console.print(f"{what}: {value}", markup=False, soft_wrap=True)
    noise, on = content["noise"], content["machine"]
    _console.print(
        f"{on['cpu']}, {on['cores']} cores, {on['memory_gib']} GiB, Python {on['python']}, {content['measured_at']}\n"
        f"noise: load {noise['load_at_rounds_median']} (max {noise['load_at_rounds_max']}), calibration loop "
        f"{noise['calibration_median_s']} s ({noise['calibration_min_s']} to {noise['calibration_max_s']})"
    )


def _draw(written: Path) -> None:
    if not _PEERS.exists():
        _console.print(f"JSON: {written}; no picture: `make bench-env` brings the library that draws it")
        return
    subprocess.run([str(_PEERS), "-m", "benchmarks.chart", str(written)], cwd=PROJECT, check=True)
    _console.print(f"JSON: {written}\nPNG:  {written.with_suffix('.png')}", soft_wrap=True)
