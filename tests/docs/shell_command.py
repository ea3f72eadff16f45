"""The command `lake` in a shell, answered by this process: what its imports take is spent once for all calls."""

import contextlib
import json
import os
import socket
import socketserver
import sys
import tempfile
import threading
from collections.abc import Iterator
from pathlib import Path


@contextlib.contextmanager
def lake_function() -> Iterator[str]:
    """A shell's function `lake`: the command with its arguments, folder and variables, as long as the block lasts.

    Its home is this process's, whatever the shell's is: kernels are forked from what other tests have started.
    """
    with (
        tempfile.TemporaryDirectory(prefix="lake-called-") as folder,
        socketserver.UnixStreamServer(f"{folder}/lake", _Call) as server,
    ):
        threading.Thread(target=server.serve_forever, daemon=True).start()
        try:
            call = f"HOME='{Path.home()}' '{sys.executable}' -I -S '{__file__}' '{folder}/lake'"
            yield f'lake() {{ {call} "$@"; }}\n'
        finally:
            server.shutdown()


class _Call(socketserver.StreamRequestHandler):
    def handle(self) -> None:
        from tests.lake_command import lake

        call = json.loads(self.rfile.readline())
        done = lake(*call["arguments"], cwd=Path(call["folder"]), env=call["variables"])
        self.wfile.write(json.dumps([done.returncode, done.stdout, done.stderr]).encode())


def _call(address: str, arguments: list[str]) -> int:
    told = {"arguments": arguments, "folder": str(Path.cwd()), "variables": dict(os.environ)}
    with socket.socket(socket.AF_UNIX) as server:
        server.connect(address)
        server.sendall(json.dumps(told).encode() + b"\n")
        with server.makefile() as answer:
            code, stdout, stderr = json.load(answer)
    sys.stdout.write(stdout)
    sys.stderr.write(stderr)
    return int(code)


if __name__ == "__main__":
    sys.exit(_call(sys.argv[1], sys.argv[2:]))
