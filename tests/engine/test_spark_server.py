import re
import stat
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import psutil
import pytest
from pyspark.errors import PySparkException

from lakelib.engine.spark import SparkEngine
from lakelib.engine.spark_command import server_command
from lakelib.engine.spark_server import Server, ensure_server, server_status, stop_server
from lakelib.engine.spark_session import connect
from lakelib.engine.spark_state import ServerFolder
from lakelib.errors import EngineError
from lakelib.settings import Settings, SparkSettings

START = """
import sys
from pathlib import Path
from lakelib.engine.spark_server import ensure_server
from lakelib.settings import Settings
print(ensure_server(Settings(project=Path(sys.argv[1]), engine="spark")).jvm_pid)
"""


@pytest.fixture
def lone(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Settings]:
    """Of a project whose server the test ends, in a folder and an environment of which Java alone makes nothing."""
    monkeypatch.setenv("LC_ALL", "C")
    settings = Settings(project=tmp_path / "one é", engine="spark")
    settings.project.mkdir()
    yield settings
    stop_server(settings)


def test_starting_twice_is_starting_once(spark_settings: Settings, spark_server: Server) -> None:
    assert ensure_server(spark_settings) == spark_server


def test_a_killed_server_is_an_error_in_seconds_and_the_next_use_starts_another(lone: Settings) -> None:
    starting = [
        subprocess.Popen([sys.executable, "-c", START, str(lone.project)], stdout=subprocess.PIPE, text=True)
        for _ in range(2)
    ]
    pids = {process.communicate()[0] for process in starting}
    assert len(pids) == 1, "two processes that start at once get one server"
    engine = SparkEngine(lone)
    rows = engine.session.range(3)
    psutil.Process(int(pids.pop())).kill()
    killed_at = time.monotonic()
    with pytest.raises(PySparkException):
        rows.count()
    with pytest.raises(EngineError, match="does not answer") as lost:
        _ = engine.session
    assert (time.monotonic() - killed_at < 10, "Run the notebook again" in lost.value.hint) == (True, True)
    assert engine.session.range(3).count() == 3
    engine.close()
    server = ensure_server(lone)
    assert [stop_server(lone), stop_server(lone)] == [True, False]
    assert not psutil.pid_exists(server.jvm_pid)
    assert not psutil.pid_exists(server.pid)


def test_a_server_whose_start_was_left_alone_is_stopped_too(lone: Settings) -> None:
    starting = subprocess.Popen([sys.executable, "-c", START, str(lone.project)], stdout=subprocess.DEVNULL)
    assert _becomes(_state(lone).exists)
    starting.kill()
    starting.wait()
    server = ServerFolder(lone.engine_state).recorded()
    assert server is not None
    assert (server_status(lone), stop_server(lone)) == (None, True)
    assert not psutil.pid_exists(server.pid)
    assert not psutil.pid_exists(server.jvm_pid)


def test_a_server_stops_itself_when_no_client_was_there_for_long_enough(lone: Settings) -> None:
    settings = lone.model_copy(update={"spark": SparkSettings(idle_minutes=0.05)})
    engine = SparkEngine(settings)
    rows = engine.session.range(1)
    rows.count()
    _sleep([ensure_server(settings).pid, ensure_server(settings).jvm_pid], seconds=5)
    assert rows.count() == 1, "a machine that slept finds the session as it was"
    status = server_status(settings)
    assert status is not None
    assert status.clients > 0
    engine.close()
    assert _becomes(lambda: not psutil.pid_exists(status.pid))
    assert not (settings.engine_state / "server.json").exists()


def test_other_settings_are_another_server_when_nobody_is_connected(lone: Settings) -> None:
    other = lone.model_copy(update={"spark": SparkSettings(memory="1g")})
    engine = SparkEngine(lone)
    assert engine.session.range(3).count() == 3
    server = ensure_server(lone)
    assert ensure_server(other) == server
    engine.close()
    assert _becomes(lambda: not server.clients())
    of_clients = lone.model_copy(update={"spark": lone.spark.model_copy(update={"small_write": "0"})})
    assert ensure_server(of_clients) == server
    newer = ensure_server(other)
    assert "-Xmx1g" in psutil.Process(newer.jvm_pid).cmdline()
    assert not psutil.pid_exists(server.jvm_pid)
    assert ensure_server(other) == newer


def test_the_jvm_goes_with_its_supervisor(lone: Settings) -> None:
    server = ensure_server(lone)
    psutil.Process(server.pid).kill()
    assert _becomes(lambda: not psutil.pid_exists(server.jvm_pid))
    assert server_status(lone) is None


@pytest.mark.parametrize("token", ["", "/;token=wrong"])
def test_without_its_token_nobody_gets_in(spark_server: Server, token: str) -> None:
    with pytest.raises(PySparkException, match="token"):
        connect(f"sc://localhost:{spark_server.port}{token}")


def test_only_loopback_listens(spark_server: Server) -> None:
    sockets = psutil.Process(spark_server.jvm_pid).net_connections("inet")
    assert {socket.laddr.ip for socket in sockets if socket.status == psutil.CONN_LISTEN} == {"127.0.0.1"}


def test_the_token_is_in_no_list_of_processes_and_no_file_that_others_can_read(
    spark_settings: Settings, spark_server: Server
) -> None:
    shown = [*psutil.Process(spark_server.pid).cmdline(), *psutil.Process(spark_server.jvm_pid).cmdline()]
    assert not any(spark_server.token in text for text in [*shown, repr(spark_server)])
    modes = [stat.S_IMODE(p.stat().st_mode) for p in (spark_settings.engine_state, _state(spark_settings))]
    assert modes == [0o700, 0o600]


def test_status_tells_memory_age_and_clients(spark_settings: Settings, spark_server: Server) -> None:
    status = server_status(spark_settings)
    assert status is not None
    assert (status.pid, status.port) == (spark_server.jvm_pid, spark_server.port)
    assert status.memory_bytes > 100_000_000
    assert status.age_seconds > 0


def test_a_record_of_a_server_that_is_gone_is_not_believed(spark_server: Server, tmp_path: Path) -> None:
    settings = Settings(project=tmp_path, engine="spark")
    settings.engine_state.mkdir(parents=True)
    foreign = {"pid": 1, "jvm_pid": spark_server.jvm_pid, "port": spark_server.port, "token": "t", "started_at": 0}
    _state(settings).write_text(str(foreign).replace("'", '"'))
    assert server_status(settings) is None


def test_a_start_that_fails_shows_the_end_of_the_log(tmp_path: Path) -> None:
    settings = Settings(project=tmp_path, engine="spark", spark=SparkSettings(memory="1k"))
    with pytest.raises(EngineError, match="(?s)did not start.*Too small maximum heap.*Hint: `lake doctor`"):
        ensure_server(settings)


def test_of_a_stack_the_end_of_the_log_shows_what_it_is_of(tmp_path: Path) -> None:
    folder = ServerFolder(tmp_path)
    folder.log.write_text("Exception: no memory\n\tat a.b(C)\n" + "\tat d.e(F)\n" * 20 + "\t... 9 more\nended\n")
    assert folder.log_tail() == "Exception: no memory\nended"


@pytest.mark.parametrize("options", [(), ("-XX:+UseParallelGC",), ("-XX:TieredStopAtLevel=1",)])
def test_java_takes_the_options_of_the_settings(options: tuple[str, ...], tmp_path: Path) -> None:
    command = server_command(SparkSettings(java_options=options), folder=tmp_path, port=1)
    before_classes = command[: command.index("-cp")]
    asked = [*before_classes, "-XX:+PrintFlagsFinal", "-version"]
    answer = subprocess.run(asked, check=True, capture_output=True, text=True)
    used = re.findall(r"Use(Serial|Parallel|G1)GC += true", answer.stdout)
    assert used == ["Parallel" if "Parallel" in "".join(options) else "Serial"]


def test_a_java_home_without_java_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(EngineError, match="Name a JDK 17 or 21"):
        ensure_server(Settings(project=tmp_path, engine="spark", spark=SparkSettings(java_home=tmp_path)))


def _state(settings: Settings) -> Path:
    return settings.engine_state / "server.json"


def _sleep(pids: list[int], *, seconds: float) -> None:
    """What a machine does to its processes."""
    processes = [psutil.Process(pid) for pid in pids]
    for process in processes:
        process.suspend()
    time.sleep(seconds)
    for process in processes:
        process.resume()


def _becomes(holds: Callable[[], bool]) -> bool:
    deadline = time.monotonic() + 20
    while not holds() and time.monotonic() < deadline:
        time.sleep(0.1)
    return holds()
