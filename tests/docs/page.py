"""A page of the docs, done by a shell as a reader does it: files written and commands run in the page's order."""

import os
import re
import subprocess
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

from tests.architecture.project_files import PROJECT
from tests.docs.shell_command import lake_function

_BLOCK: Final = re.compile(r"(?:^`([^`\n]+)`:\n\n)?^```(\w+)\n(.*?)^```$", re.MULTILINE | re.DOTALL)
_MARK: Final = "=== block ended ==="
_END: Final = "END_OF_FILE_ON_THE_PAGE"


@dataclass
class Step:
    """Commands of the page with the output that the page shows below them; or a file, if it has a name."""

    text: str
    file: str = ""
    shown: list[str] = field(default_factory=list)

    @property
    def commands(self) -> str:
        return f"cat > '{self.file}' <<'{_END}'\n{self.text}{_END}\n" if self.file else self.text


def steps(page: Path) -> list[Step]:
    """A block below a line of nothing but `file name`: is that file, a `sh` block commands, a `text` block output."""
    found: list[Step] = []
    for name, language, text in _BLOCK.findall(page.read_text(encoding="utf-8")):
        if name or language == "sh":
            found.append(Step(text, name))
        elif language == "text":
            found[-1].shown = _lines(text)
    return found


@dataclass(frozen=True)
class Followed:
    """`steps`: each with the lines it said on standard output."""

    home: Path
    steps: list[tuple[Step, list[str]]]


def follow(page: Path, *, home: Path) -> Followed:
    """Does the page with an empty home folder, in a shell that begins in this project's folder.

    The first command that fails ends it, and fails the test. So does a page after which the shell would not find the
    command `lake` itself.
    """
    todo = list(steps(page))
    free = {name: value for name, value in os.environ.items() if not name.startswith("LAKE_")}
    with lake_function() as lake:
        script = "".join(
            ["set -e\n", lake, *(f"{step.commands}echo '{_MARK}'\n" for step in todo), "type -P lake >&2\n"]
        )
        done = subprocess.run(
            ["bash", "-c", script],
            cwd=PROJECT,
            env=free | {"HOME": str(home)},
            capture_output=True,
            text=True,
            check=False,
        )
    assert done.returncode == 0, done.stdout + done.stderr
    said = map(_lines, done.stdout.split(f"{_MARK}\n")[:-1])
    return Followed(home, list(zip(todo, said, strict=True)))


def _lines(text: str) -> list[str]:
    return [line.rstrip() for line in text.splitlines()]
