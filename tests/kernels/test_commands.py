"""Commands as forks of a zygote: a shell can't tell them from processes of their own."""

import fcntl
import json
import os
import pty
import resource
import signal
import struct
import subprocess
import sys
import termios
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import psutil
import pytest
from traitlets.config import Config

from lakelib import kernels
from lakelib.kernels.connecting import connect_to_running
from lakelib.kernels.folder import Place
from tests.kernels.running import all_gone, becomes, is_gone, kernel

ASKED = """
import json, os, resource, signal, subprocess, sys, threading, time

def tell():
    told = {
        "argv": sys.argv,
        "cwd": os.getcwd(),
        "environment": dict(os.environ),
        "umask": os.umask(0),
        "files": resource.getrlimit(resource.RLIMIT_NOFILE)[0],
        "name": open("/proc/self/comm").read().strip(),
        "parent": os.getppid(),
        "heard": sys.stdin.read(),
    }
    print(json.dumps(told))

def where(): print(sys.stdout.isatty(), os.get_terminal_size(1).columns)
def leave(): print("said"); sys.exit(int(sys.argv[1]))
def leave_at_once(): pass
def fail(): print("said"); raise ValueError("wrong")
def die(): print("said", flush=True); os.kill(os.getpid(), signal.SIGKILL)
def pour(): [print("x" * 79) for _ in range(100_000)]
def speak(): print("Käse €", flush=False); print("ärger", file=sys.stderr)
def dawdle(): threading.Timer(0.3, lambda: print("late")).start()

def wait():
    child = subprocess.Popen(["sleep", "60"])
    try:
        print(os.getpid(), child.pid, flush=True)
        time.sleep(60)
    except KeyboardInterrupt:
        print("interrupted")
        sys.exit(5)

def sleep_on():
    while True:
        try:
            print("sleeps", flush=True)
            time.sleep(60)
        except KeyboardInterrupt:
            pass

def be_interrupted():
    print("begins", flush=True)
    time.sleep(60)

def stumble():
    try:
        be_interrupted()
    except KeyboardInterrupt:
        raise ValueError("half a message")

def leave_a_thread():
    threading.Thread(target=time.sleep, args=[60]).start()
    be_interrupted()

def mutter(): sys.stderr.write("unfinished")
"""
NOT_FORKED = 99
CLIENT = f"""
import sys
from lakelib.kernels.commands import run_forked
status = run_forked(sys.argv[1], ["lake", *sys.argv[2:]])
sys.exit({NOT_FORKED} if status is None else status)
"""
PYTHON = (sys.executable, "-c", CLIENT)


@pytest.fixture(scope="module")
def env(runtime: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[str, str]]:
    """With which a zygote is resident whose forks know the module `asked`."""
    folder = tmp_path_factory.mktemp("asked")
    (folder / "asked.py").write_text(ASKED)
    env = dict(os.environ, PYTHONPATH=str(folder))
    kernels.warm(env)
    _done_patiently("leave_at_once", env=env)
    yield env
    kernels.stop()


@contextmanager
def _client(function: str, *, env: dict[str, str]) -> "Iterator[subprocess.Popen[str]]":
    command = [*PYTHON, f"asked:{function}"]
    with subprocess.Popen(command, env=env, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as client:
        yield client
        client.kill()


def _done(function: str, *arguments: str, env: dict[str, str], **options: object) -> "subprocess.CompletedProcess[str]":
    command = [*PYTHON, f"asked:{function}", *arguments]
    return subprocess.run(command, env=env, capture_output=True, encoding="utf-8", check=False, **options)  # type: ignore[call-overload,no-any-return]


def test_a_command_has_what_its_client_has(env: dict[str, str], tmp_path: Path) -> None:
    soft = resource.getrlimit(resource.RLIMIT_NOFILE)[0] - 7
    done = subprocess.run(
        ["/bin/sh", "-c", f'umask 027; ulimit -S -n {soft}; exec "$@"', "sh", *PYTHON, "asked:tell", "a", "b c"],
        env=env | {"ONLY_HERE": "1"},
        cwd=tmp_path,
        input="from the shell",
        capture_output=True,
        text=True,
        check=True,
    )
    told = json.loads(done.stdout)
    assert told["argv"] == ["lake", "a", "b c"]
    assert (told["cwd"], told["umask"], told["files"]) == (str(tmp_path), 0o027, soft)
    assert told["environment"].items() >= (env | {"ONLY_HERE": "1", "PWD": str(tmp_path)}).items()
    assert told["heard"] == "from the shell"
    assert told["name"] == "lake"
    assert told["parent"] in {zygote.pid for zygote in kernels.status()}


@pytest.mark.parametrize("status", [0, 1, 2, 250])
def test_its_status_is_the_clients(status: int, env: dict[str, str]) -> None:
    done = _done("leave", str(status), env=env)
    assert (done.returncode, done.stdout) == (status, "said\n")


def test_an_error_is_shown_and_its_status_is_1(env: dict[str, str]) -> None:
    done = _done("fail", env=env)
    assert (done.returncode, done.stdout) == (1, "said\n")
    assert done.stderr.startswith("Traceback")
    assert done.stderr.endswith("ValueError: wrong\n")


def test_one_that_was_killed_has_the_status_that_shells_give(env: dict[str, str]) -> None:
    done = _done("die", env=env)
    assert (done.returncode, done.stdout) == (128 + signal.SIGKILL, "said\n")


def test_all_of_a_long_output_arrives_and_a_reader_may_have_enough(env: dict[str, str]) -> None:
    assert len(_done("pour", env=env).stdout) == 100_000 * 80
    with _client("pour", env=env) as client:
        assert client.stdout is not None
        assert client.stdout.readline() == "x" * 79 + "\n"
        client.stdout.close()
        assert client.wait(timeout=30) == 1


def test_text_is_written_in_the_encoding_of_an_interpreter_that_starts(env: dict[str, str]) -> None:
    done = _done("speak", env=env)
    assert (done.stdout, done.stderr) == ("Käse €\n", "ärger\n")


def test_text_without_a_line_end_arrives(env: dict[str, str]) -> None:
    assert _done("mutter", env=env).stderr == "unfinished"


def test_it_waits_for_its_threads(env: dict[str, str]) -> None:
    assert _done("dawdle", env=env).stdout == "late\n"


def test_a_terminal_is_one_in_the_fork(env: dict[str, str]) -> None:
    ours, its = pty.openpty()
    fcntl.ioctl(its, termios.TIOCSWINSZ, struct.pack("HHHH", 24, 93, 0, 0))
    subprocess.run([*PYTHON, "asked:where"], env=env, stdin=its, stdout=its, check=True)
    assert os.read(ours, 100) == b"True 93\r\n"
    os.close(ours)
    os.close(its)


def test_an_interrupt_of_the_client_is_the_commands(env: dict[str, str]) -> None:
    with _client("wait", env=env) as client:
        assert client.stdout is not None
        pids = [int(pid) for pid in client.stdout.readline().split()]
        client.send_signal(signal.SIGINT)
        assert client.wait(timeout=10) == 5
        assert client.stdout.read() == "interrupted\n"
    assert all_gone(*pids)


def test_a_second_interrupt_ends_what_goes_on_after_the_first(env: dict[str, str]) -> None:
    with _client("sleep_on", env=env) as client:
        assert client.stdout is not None
        for _ in range(2):
            assert client.stdout.readline() == "sleeps\n"
            client.send_signal(signal.SIGINT)
        assert client.wait(timeout=10) == 128 + signal.SIGKILL


@pytest.mark.parametrize("function", ["be_interrupted", "leave_a_thread", "stumble"])
def test_an_interrupt_ends_it_whatever_its_threads_do(function: str, env: dict[str, str]) -> None:
    with _client(function, env=env) as client:
        assert client.stdout is not None
        assert client.stdout.readline() == "begins\n"
        client.send_signal(signal.SIGINT)
        assert client.communicate(timeout=10) == ("", "")
        assert client.returncode == 128 + signal.SIGINT


@pytest.mark.parametrize("signum", [signal.SIGKILL, signal.SIGTERM, signal.SIGHUP])
def test_it_ends_with_its_client(signum: signal.Signals, env: dict[str, str]) -> None:
    with _client("wait", env=env) as client:
        assert client.stdout is not None
        pids = [int(pid) for pid in client.stdout.readline().split()]
        client.send_signal(signum)
        client.wait()
        assert all_gone(*pids)


def test_nothing_is_left_of_it(env: dict[str, str]) -> None:
    zygote = psutil.Process(json.loads(_done("tell", env=env, input="").stdout)["parent"])
    assert becomes(lambda: not zygote.children())
    assert zygote.num_threads() == 1


def test_without_a_zygote_nothing_is_done_and_none_is_started(env: dict[str, str]) -> None:
    other = env | {"PYTHONPATH": env["PYTHONPATH"] + os.pathsep + "/nowhere"}
    assert _done("leave", "0", env=other).returncode == NOT_FORKED
    assert connect_to_running(_place(other)) is None


def _place(env: dict[str, str]) -> Place:
    return Place.for_kernel(env, cwd=Path.cwd())


def test_a_closed_stream_means_a_process_of_its_own(env: dict[str, str]) -> None:
    shell = ["/bin/sh", "-c", 'exec "$@" <&-', "sh", *PYTHON, "asked:leave", "0"]
    assert subprocess.run(shell, env=env, check=False).returncode == NOT_FORKED


def test_a_folder_that_is_gone_means_a_process_of_its_own(env: dict[str, str], tmp_path: Path) -> None:
    shell = ["/bin/sh", "-c", 'mkdir gone; cd gone; rmdir ../gone; exec "$@"', "sh", *PYTHON, "asked:leave", "0"]
    assert subprocess.run(shell, env=env, cwd=tmp_path, check=False).returncode == NOT_FORKED


@pytest.fixture
def stopped(env: dict[str, str], tmp_path: Path) -> Iterator[dict[str, str]]:
    """The environment of a zygote that answers nobody."""
    own = env | {"PYTHONPATH": env["PYTHONPATH"] + os.pathsep + str(tmp_path)}
    kernels.warm(own)
    zygote = psutil.Process(json.loads(_done_patiently("tell", env=own))["parent"])
    zygote.suspend()
    yield own
    zygote.kill()
    _place(own).forget()


def _done_patiently(function: str, *, env: dict[str, str]) -> str:
    """What it says, once the zygote has imported."""
    said = ""

    def is_forked() -> bool:
        nonlocal said
        done = _done(function, env=env, input="")
        said = done.stdout
        return done.returncode == 0

    assert becomes(is_forked, seconds=60)
    return said


def test_a_zygote_that_does_not_answer_means_a_process_of_its_own(stopped: dict[str, str]) -> None:
    begun = time.monotonic()
    assert _done("leave", "0", env=stopped).returncode == NOT_FORKED
    assert time.monotonic() - begun < 10


def test_an_interrupt_ends_the_waiting_for_a_zygote(stopped: dict[str, str]) -> None:
    with _client("leave", env=stopped) as client:
        while not psutil.Process(client.pid).net_connections("unix"):
            time.sleep(0.01)
        client.send_signal(signal.SIGINT)
        assert client.wait(timeout=10) == -signal.SIGINT


def test_a_zygote_that_is_killed_meanwhile_leaves_the_command_to_its_end(env: dict[str, str], tmp_path: Path) -> None:
    own = env | {"PYTHONPATH": env["PYTHONPATH"] + os.pathsep + str(tmp_path)}
    kernels.warm(own)
    _done_patiently("leave_at_once", env=own)
    with _client("wait", env=own) as client:
        assert client.stdout is not None
        pid = int(client.stdout.readline().split()[0])
        psutil.Process(pid).parent().kill()  # type: ignore[union-attr]
        assert not is_gone(pid)
        client.send_signal(signal.SIGINT)
        assert client.stdout.read() == "interrupted\n"
        assert client.wait(timeout=10) == 5
    _place(own).forget()


def test_commands_do_not_keep_a_zygote_awake(env: dict[str, str], tmp_path: Path) -> None:
    own = env | {"PYTHONPATH": env["PYTHONPATH"] + os.pathsep + str(tmp_path)}
    with kernel(env=own, config=Config({"PreforkProvisioner": {"idle_minutes": 0.05}})) as started:
        zygote = started.zygote
    statuses = []
    while NOT_FORKED not in statuses and len(statuses) < 200:
        statuses.append(_done("leave", "0", env=own).returncode)
    assert (statuses[0], statuses[-1]) == (0, NOT_FORKED)
    assert all_gone(zygote.pid)
