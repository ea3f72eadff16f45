"""Jupyter's door to forked kernels: the kernel provisioner that the kernelspec `lake` names."""

import asyncio
import os
import signal
import subprocess
import sys
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, cast

from jupyter_client.connect import KernelConnectionInfo
from jupyter_client.provisioning.local_provisioner import LocalProvisioner
from traitlets import Float

from lakelib.errors import KernelDiedError, LakeError, PortTakenError

if TYPE_CHECKING:
    from lakelib.kernels.process import ForkedProcess

__all__ = ["PreforkProvisioner"]

_LAUNCHER: Final = [sys.executable, "-m", "ipykernel_launcher"]
_UNDERSTOOD: Final = {"cwd", "env", "extra_arguments", "independent", "kernel_id", "stderr", "stdin", "stdout"}
_END_SECONDS: Final = 0.1


class PreforkProvisioner(LocalProvisioner):
    """Forks a kernel from a zygote, or starts a plain one and says why. It then behaves as jupyter_client's own."""

    idle_minutes = Float(15, config=True, help="a zygote ends after this long without a kernel")
    _is_ending = False

    async def launch_kernel(self, cmd: list[str], **kwargs: Any) -> KernelConnectionInfo:
        self._is_ending = False
        obstacle = _obstacle(cmd, kwargs)
        if obstacle is None:
            try:
                await self._fork(cmd, kwargs)
                return self.connection_info
            except KernelDiedError:
                raise
            except LakeError as error:
                obstacle = str(error)
        self._tell(f"A plain kernel is started, which takes longer: {obstacle}", stderr=kwargs.get("stderr"))
        return await super().launch_kernel(cmd, **kwargs)

    async def poll(self) -> int | None:
        """Waits a moment for a kernel that was told to end: jupyter_client would look again in 100 ms only."""
        deadline = time.monotonic() + _END_SECONDS
        while self._is_ending and self.process and self.process.poll() is None and time.monotonic() < deadline:
            await asyncio.sleep(_END_SECONDS / 25)
        status = await super().poll()
        if status is not None and not self._is_ending:
            self._is_ending = True
            self.log.warning(f"The kernel's process {self.pid} ended by itself, {_cause(status)}.")
        return status

    async def shutdown_requested(self, restart: bool = False) -> None:  # noqa: FBT001, FBT002 -- jupyter_client's
        self._is_ending = True

    async def kill(self, restart: bool = False) -> None:  # noqa: FBT001, FBT002 -- jupyter_client's
        self._is_ending = True
        await super().kill(restart=restart)

    async def terminate(self, restart: bool = False) -> None:  # noqa: FBT001, FBT002 -- jupyter_client's
        self._is_ending = True
        await super().terminate(restart=restart)

    async def _fork(self, cmd: list[str], kwargs: Mapping[str, Any]) -> None:
        try:
            kernel = await self._forked(cmd, kwargs)
        except PortTakenError:
            await self._choose_other_ports(kwargs)
            kernel = await self._forked(cmd, kwargs)
        self.process = cast("subprocess.Popen[bytes]", kernel)
        # Without a group, jupyter_client leaves signals to the process, which knows whether its id is still its own.
        self.pid, self.pgid = kernel.pid, None
        self.cwd = kwargs.get("cwd") or Path.cwd()

    async def _forked(self, cmd: list[str], kwargs: Mapping[str, Any]) -> "ForkedProcess":
        from lakelib.kernels.launching import launch

        arguments, idle_seconds = cmd[len(_LAUNCHER) :], self.idle_minutes * 60
        return await asyncio.to_thread(launch, arguments, kwargs, idle_seconds=idle_seconds)

    async def _choose_other_ports(self, kwargs: Mapping[str, Any]) -> None:
        """jupyter_client looks for free ports before the kernel has them: another process may be faster."""
        assert self.parent is not None  # ports are a kernel manager's
        self.ports_cached = False
        self.parent.cleanup_connection_file()
        await self.pre_launch(**kwargs)

    def _tell(self, line: str, *, stderr: Any) -> None:
        """In the log, and where the kernel's own output goes: what runs this may show only one of them."""
        self.log.warning(line)
        descriptor = stderr.fileno() if hasattr(stderr, "fileno") else 2 if stderr is None else stderr
        if isinstance(descriptor, int) and descriptor >= 0:
            os.write(descriptor, f"{line}\n".encode())


def _cause(status: int) -> str:
    if status >= 0:
        return f"with status {status}"
    name = signal.Signals(-status).name
    return f"killed by {name}" + (", most likely because memory ran out" if -status == signal.SIGKILL else "")


def _obstacle(cmd: Sequence[str], kwargs: Mapping[str, Any]) -> str | None:
    """Why this kernel can't be a fork, if that is known before it is tried."""
    from lakelib.kernels.process import CAN_FORK

    if not CAN_FORK:
        return "kernels are forked on Linux 5.3 and later only."
    if list(cmd[: len(_LAUNCHER)]) != _LAUNCHER:
        return f"{' '.join(cmd[:3])} is asked for; {' '.join(_LAUNCHER)} is what can be forked."
    if unknown := sorted(kwargs.keys() - _UNDERSTOOD):
        return f"{', '.join(unknown)} can't be given to a fork."
    if subprocess.PIPE in (kwargs.get("stdin"), kwargs.get("stdout"), kwargs.get("stderr")):
        return "its streams are asked for as pipes."
    if not Path(kwargs.get("cwd") or ".").is_dir():
        return f"{kwargs['cwd']} is not a folder."
    return None
