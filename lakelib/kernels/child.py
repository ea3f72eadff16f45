"""A forked process becomes a kernel: what two processes must not share is made its own, then IPython runs."""

import atexit
import ctypes
import multiprocessing
import os
import resource
import select
import signal
import socket
import sys
import tempfile
import threading
import time
import traceback
import uuid
from dataclasses import dataclass
from functools import partial
from typing import Final, Never

from lakelib.kernels.packets import Event, Launch, send_event

__all__ = ["Birth", "live"]

_PR_SET_NAME: Final = 15
_LIBC: Final = ctypes.CDLL(None)


@dataclass(frozen=True)
class Birth:
    """What a kernel is born with: the connection to its client, and the client's three streams."""

    connection: socket.socket
    launch: Launch
    streams: list[int]


def live(birth: Birth) -> Never:
    """Runs the kernel to its end and ends this process, without the slow and memory-copying end of an interpreter."""
    status = 1
    try:
        _separate(birth)
        _run(birth)
        status = 0
    except SystemExit as end:
        status = end.code if isinstance(end.code, int) else int(end.code is not None)
    except BaseException:  # noqa: BLE001 -- the outermost edge of this process
        traceback.print_exc(file=sys.__stderr__)
    finally:
        _LIBC.fflush(None)
        os._exit(status)


def _separate(birth: Birth) -> None:
    launch = birth.launch
    os.setsid()
    for number, stream in enumerate(birth.streams):
        os.dup2(stream, number)
        os.close(stream)
    os.umask(launch.umask)
    os.chdir(launch.cwd)
    os.environ.clear()
    os.environ.update(launch.env)
    _forget_shared_state()
    _LIBC.prctl(_PR_SET_NAME, b"lake-kernel")
    for limit, soft in launch.limits:
        resource.setrlimit(limit, (soft, resource.getrlimit(limit)[1]))
    if launch.is_leased:
        threading.Thread(target=_end_with, args=[birth.connection.fileno()], daemon=True, name="Lease").start()


def _forget_shared_state() -> None:
    """What was drawn or looked up once for all; `random`, `ssl` and `secrets` see to it themselves."""
    import numpy as np

    np.random.seed()
    tempfile.tempdir = None
    time.tzset()
    multiprocessing.current_process().authkey = os.urandom(32)
    vars(uuid)["_last_timestamp"] = None


def _end_with(connection: int) -> None:
    """Ends this process and its children when its client is gone, even if its zygote is, too."""
    lease = select.poll()
    lease.register(connection, select.POLLRDHUP)
    lease.poll()
    os.killpg(0, signal.SIGKILL)


def _run(birth: Birth) -> None:
    from lakelib.kernels.application import KernelApp

    sys.argv = ["ipykernel_launcher", *birth.launch.arguments]
    app = KernelApp.instance()
    app.say_bound = partial(send_event, birth.connection, Event("ready", os.getpid()))
    app.initialize(birth.launch.arguments)  # type: ignore[no-untyped-call]
    app.start()  # type: ignore[no-untyped-call]
    # ipykernel 7.4 may wait ten seconds for its own streams when these still run while it closes them.
    for thread in (app.control_thread, app.shell_channel_thread):
        thread.stop()
        thread.join()
    threading._shutdown()  # type: ignore[attr-defined]  # waits for people's threads, as an interpreter does
    atexit._run_exitfuncs()
