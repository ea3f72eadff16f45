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

    def is_kept(path: Path) -> bool:
        names = (path.name, path.relative_to(project).as_posix())
        return not any(fnmatch(name, pattern) for pattern in ignored for name in names)

    for folder, folders, files in os.walk(project):
        folders[:] = sorted(name for name in folders if is_kept(Path(folder, name)))
        yield from filter(is_kept, (Path(folder, name) for name in sorted(files)))
