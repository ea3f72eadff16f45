"""A page of the docs, done by a shell as a reader does it: files written and commands run in the page's order."""

import os
import re
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

from tests.architecture.project_files import PROJECT

_BLOCK: Final = re.compile(r"(?:^`([^`\n]+)`:\n\n)?^```(\w+)\n(.*?)^```$", re.MULTILINE | re.DOTALL)
_MARK: Final = "=== block ended ==="
_END: Final = "END_OF_FILE_ON_THE_PAGE"


@dataclass
class Step:
    """Commands of the page with the output that the page shows below them, or a file."""

    commands: str
    shown: list[str] = field(default_factory=list)


def steps(page: Path) -> Iterator[Step]:
    """A block below a line of nothing but `file name`: is that file, a `sh` block commands, a `text` block output."""
    step: Step | None = None
    for name, language, text in _BLOCK.findall(page.read_text(encoding="utf-8")):
        if language == "text" and step is not None:
            step.shown = [line.rstrip() for line in text.splitlines()]
            continue
        if step is not None:
            yield step
        step = Step(f"cat > '{name}' <<'{_END}'\n{text}{_END}\n" if name else text)
    if step is not None:
        yield step


def follow(page: Path, *, home: Path) -> list[tuple[Step, list[str]]]:
    """Each step with its output. The shell begins in this project's folder, and stops at the first failure."""
    todo = list(steps(page))
    script = "set -e\n" + "".join(f"{step.commands}echo '{_MARK}'\n" for step in todo)
    free = {name: value for name, value in os.environ.items() if not name.startswith("LAKE_")}
    done = subprocess.run(
        ["bash", "-c", script], cwd=PROJECT, env=free | {"HOME": str(home)}, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stdout + done.stderr
    outputs = done.stdout.split(f"{_MARK}\n")
    return [(step, [line.rstrip() for line in said.splitlines()]) for step, said in zip(todo, outputs, strict=False)]
