"""Puts the newest results into docs/performance.md, between the comments that mark their places."""

import json
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

from benchmarks.measuring import PROJECT
from benchmarks.reporting import RESULTS

__all__ = ["filled"]

_PAGE: Final = PROJECT / "docs" / "performance.md"
_PLACE: Final = re.compile(r"(<!-- results: (\S+) -->\n).*?(<!-- end -->)", re.DOTALL)
_BESIDE: Final = ("times_faster", "extrapolated", "goals")


def filled(page: str, *, results: Path) -> str:
    """The page with each marked place filled from `<results>/<name>.json`; places without a result stay as they are."""

    def fill(place: re.Match[str]) -> str:
        found = results / f"{place[2]}.json"
        return f"{place[1]}{_section(json.loads(found.read_text()))}{place[3]}" if found.exists() else place[0]

    return _PLACE.sub(fill, page)


def _section(content: Mapping[str, Any]) -> str:
    on, noise = content["machine"], content["noise"]
    lines = [
        f"{content['title']}. {content['measured_at'][:10]}, {on['cpu']}, {on['cores']} cores, {on['memory_gib']} GiB;",
        f"load {noise['load_at_rounds_median']}, calibration loop {noise['calibration_min_s']} to "
        f"{noise['calibration_max_s']} s.",
        "",
        "| case | median, s | fastest to slowest, s | CPU, s | memory, MiB | runs |",
        "|---|---|---|---|---|---|",
        *map(_row, content["cases"]),
    ]
    said = [f"- {what}: {value}" for name in _BESIDE for what, value in content.get(name, {}).items()]
    return "\n".join([*lines, *([""] if said else []), *said, ""])


def _row(case: Mapping[str, Any]) -> str:
    spread = f"{case['min_s']:.3g} to {case['max_s']:.3g}"
    seconds = f"{case['median_s']:.3g} | {spread} | {case['cpu_s']:.3g}"
    return f"| `{case['case']}` | {seconds} | {case['peak_mib']} | {case['runs']} |"


if __name__ == "__main__":
    _PAGE.write_text(filled(_PAGE.read_text(encoding="utf-8"), results=RESULTS), encoding="utf-8")
