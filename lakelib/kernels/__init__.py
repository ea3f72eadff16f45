"""Notebook kernels that start in a blink: forked from a resident process, the zygote, which has imported everything."""

from lakelib.kernels.residents import Zygote, status, stop, stop_idle, warm

__all__ = ["Zygote", "status", "stop", "stop_idle", "warm"]
