"""The command `lake` in a process of its own, as a shell starts it, without the seconds that its imports take."""

import atexit
import multiprocessing
import os
import subprocess
import sys
import tempfile
from collections.abc import Mapping, Sequence
from multiprocessing.process import BaseProcess
from pathlib import Path
from typing import Final

__all__ = ["LAKE", "lake"]

LAKE: Final = str(Path(sys.executable).with_name("lake"))
"""The command itself, for tests that need its very process: its signals, its start."""

# The server imports once, and is forked for each command; it ends with the process that started it.
_PREPARED: Final = multiprocessing.get_context("forkserver")
_PREPARED.set_forkserver_preload(
    [
        *("lakelib.cli.app", "lakelib.cli.progress", "lakelib.runner.batch", "lakelib.runner.page"),
        *("lakelib.engine.embedded", "lakelib.scaffold", "lakelib.tables.evidence"),
    ]
)


def lake(*arguments: str, cwd: Path, env: Mapping[str, str]) -> "subprocess.CompletedProcess[str]":
    """What `lake` with these arguments does in the folder `cwd`, with the environment `env` and no other variable."""
    with tempfile.TemporaryDirectory(prefix="lake-said-") as said:
        files = [Path(said, name) for name in ("stdout", "stderr")]
        process: BaseProcess = _PREPARED.Process(target=_run, args=(arguments, cwd, dict(env), files))
        process.start()
        process.join()
        assert process.exitcode is not None
        stdout, stderr = (file.read_text(encoding="utf-8") if file.exists() else "" for file in files)
        return subprocess.CompletedProcess(["lake", *arguments], process.exitcode, stdout, stderr)


def _run(arguments: Sequence[str], cwd: Path, env: Mapping[str, str], files: Sequence[Path]) -> None:
    from lakelib.cli import main

    for number, file in enumerate(files, start=1):
        os.dup2(os.open(file, os.O_WRONLY | os.O_CREAT | os.O_APPEND), number)
    sys.argv = [LAKE, *arguments]
    os.environ.clear()
    os.environ.update(env)
    os.chdir(cwd)
    try:
        main()
    finally:
        atexit._run_exitfuncs()
