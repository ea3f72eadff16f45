"""ipykernel's application, as it runs in a fork."""

from collections.abc import Callable
from typing import Any

from ipykernel.kernelapp import IPKernelApp

__all__ = ["KernelApp"]


class KernelApp(IPKernelApp):
    """Says when clients can connect. Its parent is a zygote, which it does not watch as ipykernel would."""

    name = IPKernelApp.name
    say_bound: Callable[[], None]

    def __init__(self, **options: Any) -> None:
        super().__init__(parent_handle=1, **options)  # type: ignore[no-untyped-call]

    def init_io(self) -> None:
        self.say_bound()
        super().init_io()  # type: ignore[no-untyped-call]
