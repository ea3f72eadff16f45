"""Every way a kernel, its client or its zygote can end: what is said, and that nothing is left running."""

import asyncio
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from threading import Thread, Timer

import pytest
from jupyter_client.manager import AsyncKernelManager

from lakelib import kernels
from lakelib.errors import KernelDiedError
from lakelib.kernels.process import UNKNOWN_STATUS
from tests.kernels.running import CHILD, all_gone, becomes, is_gone, kernel

# A client of its own: says its kernel's process, that of the zygote, and that of a process which the kernel started.
CLIENT = f"""
import os, sys, time
from tests.kernels.running import kernel
with kernel(independent="independent" in sys.argv) as started:
    forked = os.fork() if "forked" in sys.argv else 0
    if forked or "forked" not in sys.argv:
        print(started.pid, started.zygote.pid, started.run({CHILD!r}), forked or "", flush=True)
    time.sleep(60)
"""


@contextmanager
def _client(*arguments: str) -> Iterator[tuple["subprocess.Popen[str]", list[int]]]:
    with subprocess.Popen([sys.executable, "-c", CLIENT, *arguments], stdout=subprocess.PIPE, text=True) as client:
        assert client.stdout is not None
        yield client, [int(pid) for pid in client.stdout.readline().split()]
        client.kill()


@pytest.mark.parametrize("transport", ["ipc", "tcp"])
def test_a_kernel_is_forked_answers_and_ends(transport: str) -> None:
    with kernel(transport=transport) as started:
        pid, zygote = started.pid, started.zygote
        assert started.run("print(6 * 7)") == "42"
    assert is_gone(pid)
    assert zygote.num_threads() == 1


@pytest.mark.parametrize("transport", ["ipc", "tcp"])
def test_an_asynchronous_manager_starts_and_restarts_kernels(transport: str, *, tmp_path: Path) -> None:
    manager = AsyncKernelManager(kernel_name="lake", transport=transport, connection_file=str(tmp_path / "k.json"))

    async def pid_after(begin: Callable[[], Awaitable[None]]) -> int:
        await begin()
        client = manager.client()
        client.start_channels()
        await client.wait_for_ready(timeout=30)
        client.stop_channels()
        return int(manager.provisioner.pid)

    async def restarted() -> set[int]:
        pids = {await pid_after(manager.start_kernel), await pid_after(manager.restart_kernel)}
        await manager.shutdown_kernel()
        return pids

    pids = asyncio.run(restarted())
    assert len(pids) == 2
    assert all_gone(*pids)


@pytest.mark.parametrize(
    "work", ["import time; time.sleep(60)", "while True: pass", "import subprocess; subprocess.run(['sleep', '60'])"]
)
def test_an_interrupt_ends_the_cell_and_not_the_kernel(work: str, *, tmp_path: Path) -> None:
    begun = tmp_path / "begun"

    def interrupt() -> None:
        becomes(begun.exists)
        started.process.send_signal(signal.SIGINT)

    with kernel() as started:
        thread = Thread(target=interrupt)
        thread.start()
        assert started.run(f"open({str(begun)!r}, 'w').close()\n{work}").startswith("KeyboardInterrupt")
        assert started.run("print('alive')") == "alive"
        thread.join()


def test_a_restarted_kernel_is_another_process_without_the_old_ones_state() -> None:
    with kernel() as started:
        old, child = started.pid, int(started.run(f"x = 1; {CHILD}"))
        started.manager.restart_kernel(now=True)
        started.client.wait_for_ready(timeout=30)
        assert started.run("print('x' in globals())") == "False"
        assert started.pid != old
        assert all_gone(old, child)


def test_a_shut_down_kernel_runs_what_it_has_registered_for_its_end(tmp_path: Path) -> None:
    with kernel() as started:
        pid = started.pid
        started.run(f"import atexit, pathlib; atexit.register(pathlib.Path({str(tmp_path)!r}, 'ended').touch)")
        started.manager.shutdown_kernel()
    assert (tmp_path / "ended").exists()
    assert is_gone(pid)


@pytest.mark.parametrize(
    ("end", "status", "said"),
    [
        ("import os; os._exit(3)", 3, "ended by itself, with status 3"),
        (
            "import os; os.kill(os.getpid(), 9)",
            -signal.SIGKILL,
            "killed by SIGKILL, most likely because memory ran out",
        ),
        ("import ctypes; ctypes.string_at(0)", -signal.SIGSEGV, "killed by SIGSEGV"),
    ],
)
def test_a_kernel_that_ends_by_itself_is_told_and_leaves_nothing(
    end: str, *, status: int, said: str, caplog: pytest.LogCaptureFixture
) -> None:
    with kernel() as started:
        pid, child, process = started.pid, int(started.run(CHILD)), started.process
        started.client.execute(end)
        assert becomes(lambda: process.poll() is not None)
        assert process.poll() == status
        assert not started.manager.is_alive()
        assert said in caplog.text
        assert all_gone(pid, child)


def test_a_kernel_is_forked_while_a_dead_one_is_still_held_by_its_client() -> None:
    with kernel() as dead:
        os.kill(dead.pid, signal.SIGKILL)
        assert all_gone(dead.pid)
        with kernel() as started:
            assert started.run("print('alive')") == "alive"


def test_a_kernel_that_can_not_start_says_with_what_status_it_ended_and_why(tmp_path: Path) -> None:
    log = tmp_path / "kernel.log"
    nonsense = ["--IPKernelApp.transport=pigeon"]
    with (
        log.open("wb") as stderr,
        pytest.raises(KernelDiedError, match="ended before it was ready, with status 1"),
        kernel(extra_arguments=nonsense, stderr=stderr),
    ):
        pass
    assert "pigeon" in log.read_text()


def test_a_kernel_whose_port_another_process_has_taken_gets_others() -> None:
    with kernel(transport="tcp") as started:
        started.manager.shutdown_kernel(now=True, restart=True)
        taken = started.manager.stdin_port
        with socket.create_server(("127.0.0.1", taken)):
            started.manager.restart_kernel(now=True)
        assert started.manager.stdin_port != taken
        client = started.manager.client()
        client.start_channels()
        client.wait_for_ready(timeout=30)
        client.stop_channels()


def test_a_kernel_out_of_memory_says_so_and_lives() -> None:
    limit = "import resource; resource.setrlimit(resource.RLIMIT_AS, (4 << 30, 4 << 30))"
    with kernel() as started:
        assert started.run(f"{limit}; much = bytearray(8 << 30)").startswith("MemoryError")
        assert started.run("print('alive')") == "alive"


def test_a_killed_client_takes_its_kernel_along() -> None:
    with _client() as (client, [pid, _, child]):
        client.kill()
        assert all_gone(pid, child)


def test_a_killed_client_takes_its_kernel_along_also_when_it_has_forked() -> None:
    with _client("forked") as (client, [pid, _, child, forked]):
        client.kill()
        assert all_gone(pid, child)
        os.kill(forked, signal.SIGKILL)


def test_a_killed_client_takes_its_kernel_along_even_without_a_zygote() -> None:
    with _client() as (client, [pid, zygote, child]):
        os.kill(zygote, signal.SIGKILL)
        client.kill()
        assert all_gone(pid, child)


def test_an_independent_kernel_outlives_its_client() -> None:
    with _client("independent") as (client, [pid, _, child]):
        client.kill()
        client.wait()
        time.sleep(0.2)
        assert not is_gone(pid)
        os.killpg(pid, signal.SIGKILL)
        assert all_gone(pid, child)


def test_a_kernel_goes_on_without_its_zygote_and_the_next_one_has_another() -> None:
    with kernel() as started:
        lost, child = started.zygote.pid, int(started.run(CHILD))
        os.kill(lost, signal.SIGKILL)
        assert all_gone(lost)
        assert started.run("print('alive')") == "alive"
        with kernel() as later:
            assert later.zygote.pid != lost
        pid, process = started.pid, started.process
        started.manager.shutdown_kernel()
    assert process.poll() == UNKNOWN_STATUS
    assert all_gone(pid, child)


def test_a_zygote_that_is_killed_while_it_imports_is_replaced() -> None:
    kernels.stop()
    kernels.warm()
    assert becomes(lambda: kernels.status() != [])
    [importing] = kernels.status()
    kill = Timer(0.2, os.kill, [importing.pid, signal.SIGKILL])
    kill.start()
    with kernel() as started:
        assert started.zygote.pid != importing.pid
        assert started.run("print('alive')") == "alive"
    kill.join()
