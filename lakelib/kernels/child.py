"""A forked process becomes a kernel or a command: what two processes must not share is made its own first."""

import atexit
import ctypes
import errno
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
from contextlib import suppress
from dataclasses import dataclass
from functools import partial
from importlib import import_module
from typing import Any, Final, Never, TextIO

from lakelib.kernels.packets import Event, Launch, send_event

__all__ = ["Birth", "live"]

_PR_SET_NAME: Final = 15
_INTERRUPTED: Final = 128 + signal.SIGINT
_LIBC: Final = ctypes.CDLL(None)


@dataclass(frozen=True)
class Birth:
    """What a fork is born with: the connection to its client, and the client's three streams."""

    connection: socket.socket
    launch: Launch
    streams: list[int]


def live(birth: Birth) -> Never:
    """Runs the kernel or command to its end, and ends without what an interpreter does then, which copies memory."""
    status = 1
    try:
        _separate(birth)
        if birth.launch.entry is None:
            _run_kernel(birth)
        else:
            _run_command(birth, birth.launch.entry)
        status = 0
    except SystemExit as end:
        status = end.code if isinstance(end.code, int) else int(end.code is not None)
    except KeyboardInterrupt:
        status = _INTERRUPTED
    except BaseException:  # noqa: BLE001 -- the outermost edge of this process
        traceback.print_exc(file=sys.__stderr__)
    finally:
        _LIBC.fflush(None)
        if birth.launch.entry is not None:
            with suppress(OSError):  # its zygote, who would say it, may be gone
                send_event(birth.connection, Event("ended", status))
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
    _LIBC.prctl(_PR_SET_NAME, b"lake-kernel" if launch.entry is None else b"lake")
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


def _run_kernel(birth: Birth) -> None:
    from zmq import ZMQError

    from lakelib.kernels.application import KernelApp

    sys.argv = ["ipykernel_launcher", *birth.launch.arguments]
    app = KernelApp.instance()
    app.say_bound = partial(send_event, birth.connection, _ready())
    try:
        app.initialize(birth.launch.arguments)  # type: ignore[no-untyped-call]
    except ZMQError as error:
        if error.errno != errno.EADDRINUSE:
            raise
        send_event(birth.connection, Event("taken", str(error)))
        sys.exit(1)
    app.start()  # type: ignore[no-untyped-call]
    # ipykernel 7.4 may wait ten seconds for its own streams when these still run while it closes them.
    for thread in (app.control_thread, app.shell_channel_thread):
        thread.stop()
        thread.join()
    _end_threads()


def _run_command(birth: Birth, entry: str) -> None:
    sys.stdin, sys.stdout, sys.stderr = (_text_stream(0, "r"), _text_stream(1, "w"), _text_stream(2, "w"))
    sys.argv = [*birth.launch.arguments]
    interrupts: list[int] = []

    def interrupt(signum: int, _: object) -> None:
        interrupts.append(signum)
        raise KeyboardInterrupt

    signal.signal(signal.SIGINT, interrupt)
    try:
        send_event(birth.connection, _ready())
    except OSError:  # its client has waited no longer, and does the work itself
        sys.exit(1)
    module, _, function = entry.partition(":")
    try:
        getattr(import_module(module), function)()
    except Exception:
        if interrupts:  # it came of that
            raise KeyboardInterrupt from None
        raise
    finally:
        # A thread of gRPC may wait for ever for what the interrupted one has not given back.
        if not interrupts:
            _end_threads()
        with suppress(BrokenPipeError):  # who read it has enough
            sys.stdout.flush()
        sys.stderr.flush()


def _text_stream(number: int, mode: str) -> TextIO:
    """As an interpreter that starts makes its own; what it reads for that from its environment is the zygote's, too."""
    like: Any = (sys.__stdin__, sys.__stdout__, sys.__stderr__)[number]
    is_by_line = number == 2 or like.write_through or os.isatty(number)  # noqa: PLR2004 -- standard error
    buffering = 1 if is_by_line else -1
    return open(number, mode, buffering, encoding=like.encoding, errors=like.errors, closefd=False)  # type: ignore[return-value]


def _ready() -> Event:
    return Event("ready", os.getpid())


def _end_threads() -> None:
    threading._shutdown()  # type: ignore[attr-defined]  # waits for people's threads, as an interpreter does
    atexit._run_exitfuncs()
