"""Notebooks from scripts: `# %%` begins a code cell, `# %% [markdown]` text, `# %% parameters` the tagged cell."""

import json
import re
from typing import Any, Final

__all__ = ["notebook_text"]

_CELL: Final = re.compile(r"^# %%(.*)\n((?:(?!# %%).*\n?)*)", re.MULTILINE)
_METADATA: Final = {"kernelspec": {"name": "lake", "display_name": "lake", "language": "python"}}


def notebook_text(script: str) -> str:
    """The script as a notebook of format 4.5 that was not run yet."""
    cells = [_cell(number, kind.strip(), text) for number, (kind, text) in enumerate(_CELL.findall(script), start=1)]
    notebook = {"cells": cells, "metadata": _METADATA, "nbformat": 4, "nbformat_minor": 5}
    return json.dumps(notebook, indent=1, ensure_ascii=False) + "\n"


def _cell(number: int, kind: str, text: str) -> dict[str, Any]:
    identity: dict[str, Any] = {"id": f"cell-{number}"}
    if kind == "[markdown]":
        source = re.sub("^# ?", "", text.strip(), flags=re.MULTILINE)
        return identity | {"cell_type": "markdown", "metadata": {}, "source": source}
    metadata = {"tags": [kind]} if kind else {}
    code: dict[str, Any] = {"cell_type": "code", "execution_count": None, "outputs": [], "source": text.strip()}
    return identity | code | {"metadata": metadata}
