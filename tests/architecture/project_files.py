"""The files that belong to the project: everything but what .gitignore leaves out."""

import os
from collections.abc import Iterator
from fnmatch import fnmatch
from pathlib import Path
from typing import Final

PROJECT: Final = Path(__file__).parents[2]


def project_files(project: Path = PROJECT) -> Iterator[Path]:
    """Read from the folder and not from git, so that a file is checked before it is committed."""
    ignored = [".git", *(line.rstrip("/") for line in (project / ".gitignore").read_text().splitlines() if line)]

    def is_kept(name: str) -> bool:
        return not any(fnmatch(name, pattern) for pattern in ignored)

    for folder, folders, files in os.walk(project):
        folders[:] = sorted(filter(is_kept, folders))
        yield from (Path(folder) / name for name in sorted(filter(is_kept, files)))
