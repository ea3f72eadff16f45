"""The picture of a benchmark's JSON: a bar a case, from the fastest run to the slowest a line. Runs among the peers."""

import json
import sys
from pathlib import Path
from typing import Any, Final

from matplotlib.figure import Figure  # type: ignore[import-not-found]

OURS: Final = "#1f77b4"
PEERS: Final = "#b0b0b0"
WIDE: Final = 20  # with more than this between the shortest and the longest bar, a linear axis hides the short ones


def draw(path: Path) -> None:
    """Writes the PNG beside the JSON."""
    content = json.loads(path.read_text(encoding="utf-8"))
    cases: list[dict[str, Any]] = sorted(content["cases"], key=lambda case: case["median_s"], reverse=True)
    medians = [case["median_s"] for case in cases]
    below = [case["median_s"] - case["min_s"] for case in cases]
    above = [case["max_s"] - case["median_s"] for case in cases]
    figure = Figure(figsize=(9, 1.4 + 0.42 * len(cases)), layout="constrained")
    axes = figure.subplots()
    colours = [OURS if case["case"].startswith(("ours", "lake")) else PEERS for case in cases]
    axes.barh([case["case"] for case in cases], medians, xerr=[below, above], color=colours, capsize=3)
    is_wide = max(medians) > WIDE * min(medians)
    axes.set_xscale("log" if is_wide else "linear")
    axes.bar_label(axes.containers[1], labels=[f"{value:.3g} s" for value in medians], padding=4)
    axes.margins(x=0.15)
    axes.set_xlabel(f"seconds{', logarithmic' if is_wide else ''}: median, line from fastest to slowest run")
    axes.set_title(content["title"], loc="left", fontsize=11)
    on = content["machine"]
    figure.supxlabel(f"{on['cpu']}, {on['cores']} cores, {content['measured_at'][:10]}", fontsize=8)
    figure.savefig(path.with_suffix(".png"), dpi=130)


if __name__ == "__main__":
    draw(Path(sys.argv[1]))
