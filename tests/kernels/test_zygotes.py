"""The resident process: which kernels share it, when it starts and ends, and what happens where there can be none."""

import logging
import os
import resource
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path
from threading import Timer

import psutil
import pytest
from traitlets.config import Config

from lakelib import kernels
from lakelib.errors import SettingsError
from lakelib.kernels.folder import Place, runtime_folder
from lakelib.kernels.key import import_environment, zygote_key
from tests.kernels.running import all_gone, becomes, is_gone, kernel

HERE = Path("/here")
KEY_OF_COPY = "from lakelib.kernels.key import zygote_key; print(zygote_key({}))"


def _key(**env: str) -> str:
    return zygote_key(import_environment(env, cwd=HERE))


@pytest.mark.parametrize("name", ["PYTHONHASHSEED", "PYTHONPATH", "OMP_NUM_THREADS", "LC_ALL", "LD_PRELOAD", "HOME"])
def test_what_counts_while_modules_are_loaded_makes_another_zygote(name: str) -> None:
    assert _key(**{name: "1"}) != _key(**{name: "2"}) != _key()


@pytest.mark.parametrize(
    "name",
    [
        "LAKE_RUN",
        "PYDEVD_DISABLE_FILE_VALIDATION",
        "TZ",
        "TMPDIR",
        "PATH",
        "PYSPARK_PYTHON",
        "SPARK_CONNECT_AUTHENTICATE_TOKEN",
    ],
)
def test_what_a_kernel_reads_later_does_not(name: str) -> None:
    assert _key(**{name: "1"}) == _key()


def test_a_relative_python_path_means_another_zygote_in_each_folder() -> None:
    given = {"PYTHONPATH": "src"}
    assert import_environment(given, cwd=HERE)["PYTHONPATH"] == "/here/src"


@pytest.mark.parametrize("home", ["/dev/null", "/nonexistent"])
def test_a_home_that_is_no_folder_has_a_zygote_too(home: str) -> None:
    subprocess.run([sys.executable, "-c", KEY_OF_COPY], env={**os.environ, "HOME": home}, check=True)


def test_a_changed_file_of_lakelib_makes_another_zygote(tmp_path: Path) -> None:
    shutil.copytree(Path(kernels.__file__).parents[1], tmp_path / "lakelib")

    def key() -> str:
        done = subprocess.run([sys.executable, "-c", KEY_OF_COPY], cwd=tmp_path, capture_output=True, check=True)
        return done.stdout.decode()

    before = key()
    assert key() == before
    (tmp_path / "lakelib" / "tables" / "reading.py").touch()
    assert key() != before


def test_other_rights_mean_another_zygote() -> None:
    other = f"import os; os.setgroups([65534]); {KEY_OF_COPY}"
    command = [sys.executable, "-c"]
    keys = {subprocess.run([*command, code], capture_output=True, check=True).stdout for code in (KEY_OF_COPY, other)}
    assert len(keys) == 2


def test_kernels_that_start_at_once_share_one_zygote() -> None:
    with kernel(env=dict(os.environ, PATH="/a")) as first, kernel(env=dict(os.environ, PATH="/b")) as second:
        assert first.zygote == second.zygote
        [found] = [zygote for zygote in kernels.status() if zygote.pid == first.zygote.pid]
        assert found.kernels == 2
        assert found.memory_bytes > 50e6
        assert 0 < found.age_seconds < 600


def test_stop_ends_zygotes_and_their_kernels_and_leaves_no_files() -> None:
    with kernel() as started:
        pid, zygote = started.pid, started.zygote.pid
        assert zygote in {ended.pid for ended in kernels.stop()}
        assert all_gone(pid, zygote)
        assert [path.name for path in runtime_folder().iterdir()] == ["lock"]
        assert kernels.status() == []


def test_stopping_what_is_idle_leaves_kernels_alone() -> None:
    with kernel() as started:
        pid, zygote = started.pid, started.zygote.pid
        assert zygote not in {ended.pid for ended in kernels.stop_idle()}
        assert not is_gone(pid)
    assert becomes(lambda: not any(each.kernels for each in kernels.status()))
    assert zygote in {ended.pid for ended in kernels.stop_idle()}
    assert is_gone(zygote)


def test_warm_has_a_zygote_import_before_it_is_asked_for(runtime: Path) -> None:
    kernels.stop()
    kernels.warm()
    assert becomes(lambda: len(kernels.status()) == 1)
    [warmed] = kernels.status()
    with kernel() as started:
        assert started.zygote.pid == warmed.pid


def test_what_a_killed_zygote_has_left_is_replaced() -> None:
    kernels.warm()
    assert becomes(lambda: len(kernels.status()) == 1)
    [killed] = kernels.status()
    os.kill(killed.pid, signal.SIGKILL)
    assert all_gone(killed.pid)
    assert list(killed.folder.glob("*.sock")) != []
    with kernel() as started:
        assert started.zygote.pid != killed.pid


def test_a_machine_that_slept_finds_its_zygote_and_kernels_working() -> None:
    with kernel() as started:
        asleep = [started.zygote, psutil.Process(started.pid)]
        for each in asleep:
            each.suspend()
        wake = Timer(1, lambda: [each.resume() for each in asleep])
        wake.start()
        with kernel() as later:
            assert later.zygote == started.zygote
        wake.join()
        assert started.run("print('awake')") == "awake"


def test_a_zygote_that_stays_stopped_is_replaced() -> None:
    kernels.warm()
    assert becomes(lambda: len(kernels.status()) == 1)
    [stopped] = kernels.status()
    os.kill(stopped.pid, signal.SIGSTOP)
    try:
        with kernel() as started:
            assert started.zygote.pid != stopped.pid
    finally:
        os.kill(stopped.pid, signal.SIGCONT)
    assert becomes(lambda: is_gone(stopped.pid))


def test_a_soft_limit_of_memory_is_kept() -> None:
    """In which no zygote can import: a fork of one that was not limited could not even start a thread."""
    limits = resource.getrlimit(resource.RLIMIT_AS)
    resource.setrlimit(resource.RLIMIT_AS, (psutil.Process().memory_info().vms + (1 << 30), limits[1]))
    try:
        begun = time.monotonic()
        with kernel() as started:
            assert time.monotonic() - begun < 30
            limit = started.run("import resource; print(resource.getrlimit(resource.RLIMIT_AS)[0])")
            assert int(limit) == resource.getrlimit(resource.RLIMIT_AS)[0]
    finally:
        resource.setrlimit(resource.RLIMIT_AS, limits)
        kernels.stop()


def test_a_zygote_without_kernels_ends_when_it_is_idle_and_leaves_no_files() -> None:
    soon = Config({"PreforkProvisioner": {"idle_minutes": 0.005}})
    with kernel(config=soon) as started:
        zygote = started.zygote.pid
        assert not becomes(lambda: is_gone(zygote), seconds=0.5)
    assert all_gone(zygote)
    assert [path.name for path in runtime_folder().iterdir()] == ["lock"]


def test_a_zygote_that_nobody_can_find_any_more_ends() -> None:
    soon = Config({"PreforkProvisioner": {"idle_minutes": 0.1}})
    with kernel(config=soon) as started:
        zygote = started.zygote.pid
        shutil.rmtree(runtime_folder())
        assert started.run("print('alive')") == "alive"
    assert all_gone(zygote)


def test_a_zygote_that_can_not_import_is_replaced_by_a_plain_kernel_that_says_why(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    (tmp_path / "deltalake.py").write_text("raise ImportError('no such engine')")
    log = tmp_path / "kernel.log"
    with log.open("wb") as stderr, caplog.at_level(logging.WARNING):
        env = dict(os.environ, PYTHONPATH=str(tmp_path))
        with kernel(env=env, stderr=stderr) as started:
            assert started.run("print('alive')") == "alive"
    assert "A plain kernel is started" in caplog.text
    assert "no such engine" in caplog.text
    assert "no such engine" in log.read_text()


def test_where_no_private_folder_can_be_made_the_kernel_is_a_plain_one(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    (tmp_path / "lake").touch()
    monkeypatch.setenv("JUPYTER_RUNTIME_DIR", str(tmp_path))
    (tmp_path / f"lake-zygotes-{os.getuid()}").touch()
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    with kernel() as started:
        assert isinstance(started.process, subprocess.Popen)
    assert "can't be one: File exists" in caplog.text


def test_what_can_not_be_given_to_a_fork_is_given_to_a_plain_kernel(caplog: pytest.LogCaptureFixture) -> None:
    with kernel(stdout=subprocess.PIPE) as started:
        assert isinstance(started.process, subprocess.Popen)
    assert "its streams are asked for as pipes" in caplog.text


def test_a_folder_that_others_may_enter_is_refused(runtime: Path, caplog: pytest.LogCaptureFixture) -> None:
    runtime_folder().chmod(0o755)
    try:
        with pytest.raises(SettingsError, match="is not a folder that only this user may enter"):
            runtime_folder()
        with kernel() as started:
            assert isinstance(started.process, subprocess.Popen)
        assert "chmod 700" in caplog.text
    finally:
        (runtime / "lake").chmod(0o700)


def test_long_paths_are_avoided(tmp_path: Path) -> None:
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("JUPYTER_RUNTIME_DIR", str(tmp_path / ("long" * 30)))
        folder = runtime_folder()
    assert folder.name == f"lake-zygotes-{os.getuid()}"
    assert folder.stat().st_mode & 0o777 == 0o700
    assert len(str(Place(folder, "0" * 16).socket)) <= 107


def test_a_home_that_can_not_be_written_is_avoided() -> None:
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("JUPYTER_RUNTIME_DIR", "/proc/nobody")
        assert runtime_folder().name == f"lake-zygotes-{os.getuid()}"


def test_a_user_without_a_home_is_told_to_set_one() -> None:
    with pytest.MonkeyPatch.context() as patch:
        patch.delenv("JUPYTER_RUNTIME_DIR")
        patch.delenv("HOME")
        patch.setattr("pwd.getpwuid", {}.__getitem__)
        with pytest.raises(SettingsError, match="Could not determine home") as refused:
            runtime_folder()
    assert refused.value.hint == "Set HOME."
