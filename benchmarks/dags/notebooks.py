"""A project of many notebooks, each as long as those of the demonstration: copies of three of them, renamed."""

import shutil
from pathlib import Path
from typing import Final

from benchmarks.measuring import PROJECT

__all__ = ["make_project"]

_COPIED: Final = {"bronze": "airports", "silver": "airports", "gold": "dim_airport"}


def make_project(folder: Path, *, notebooks: int) -> None:
    """A third of them a layer; each silver table reads its bronze one, each gold table its silver one."""
    shutil.copytree(PROJECT / "conf", folder / "conf")
    shutil.copytree(PROJECT / "dags", folder / "dags")
    for number in range(notebooks):
        layer = list(_COPIED)[number % len(_COPIED)]
        for kind, ending in (("notebooks", "ipynb"), ("contracts", "yml")):
            copy = folder / kind / layer / f"t{number // len(_COPIED)}.{ending}"
            copy.parent.mkdir(parents=True, exist_ok=True)
            source = PROJECT / kind / layer / f"{_COPIED[layer]}.{ending}"
            copy.write_text(_renamed(source.read_text(encoding="utf-8"), number // len(_COPIED)), encoding="utf-8")


def _renamed(text: str, number: int) -> str:
    """All names of tables, also those that are read: what is copied reads nothing else."""
    for name in ("bronze.airports", "silver.airports", "gold.dim_airport", "silver.time_zones"):
        text = text.replace(name, f"{name.partition('.')[0]}.t{number}")
    return text
