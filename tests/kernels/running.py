"""Real kernels of the kernelspec `lake`, asked by code and answered by what it prints."""

import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import psutil
from jupyter_client.blocking.client import BlockingKernelClient
from jupyter_client.manager import KernelManager
from jupyter_client.provisioning.local_provisioner import LocalProvisioner
from traitlets.config import Config

from lakelib.kernels.process import ForkedProcess

# Starts a process of the kernel's own, and prints its id.
CHILD = "import subprocess; print(subprocess.Popen(['sleep', '60']).pid)"


@dataclass(frozen=True)
class Kernel:
    manager: KernelManager
    client: BlockingKernelClient

    def run(self, code: str, *, seconds: float = 30) -> str:
        """What the code prints, or the name and the text of its error."""
        shown: list[str] = []

        def keep(message: dict[str, Any]) -> None:
            content = message["content"]
            if message["msg_type"] == "stream":
                shown.append(content["text"])
            elif message["msg_type"] == "error":
                shown.append(f"{content['ename']}: {content['evalue']}")

        self.client.execute_interactive(code, output_hook=keep, timeout=seconds)
        return "".join(shown).strip()

    @property
    def process(self) -> Any:
        assert isinstance(self.manager.provisioner, LocalProvisioner)
        return self.manager.provisioner.process

    @property
    def pid(self) -> int:
        return int(self.process.pid)

    @property
    def zygote(self) -> psutil.Process:
        assert isinstance(self.process, ForkedProcess)
        return psutil.Process(psutil.Process(self.pid).ppid())


@contextmanager
def kernel(*, transport: str = "ipc", config: Config | None = None, **options: Any) -> Iterator[Kernel]:
    """Ended at once with the block, unless it has ended before."""
    with tempfile.TemporaryDirectory() as folder:
        connection_file = f"{folder}/kernel.json"
        manager = KernelManager(
            kernel_name="lake", transport=transport, connection_file=connection_file, config=config or Config()
        )
        manager.start_kernel(**options)
        client = manager.client()
        client.start_channels()
        try:
            client.wait_for_ready(timeout=60)
            yield Kernel(manager, client)
        finally:
            client.stop_channels()
            manager.shutdown_kernel(now=True)


def becomes(is_so: Callable[[], bool], *, seconds: float = 10) -> bool:
    deadline = time.monotonic() + seconds
    while not is_so() and time.monotonic() < deadline:
        time.sleep(0.02)
    return is_so()


def is_gone(pid: int) -> bool:
    try:
        return psutil.Process(pid).status() == psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return True


def all_gone(*pids: int) -> bool:
    return becomes(lambda: all(is_gone(pid) for pid in pids))
