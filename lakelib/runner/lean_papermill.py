"""papermill without what it loads for Hadoop's files and for the web: longer than all else that it imports.

Not where other threads might import pyarrow or requests meanwhile: they would get what is meant for papermill.
"""

import sys
import threading
from importlib import import_module
from types import ModuleType
from typing import Any, Final

_modules: dict[str, Any] = sys.modules


def _loaded_at_first_use(name: str) -> ModuleType:
    module = ModuleType(name)
    vars(module)["__getattr__"] = lambda attribute: getattr(import_module(name), attribute)
    return module


# Whoever imports None is told that there is none, as papermill expects.
_STAND_INS: Final = {"pyarrow.fs": None, "requests": _loaded_at_first_use("requests")}

if is_apart := not {"pyarrow", "requests"} & _modules.keys() and threading.active_count() == 1:
    _modules.update(_STAND_INS)
try:
    import papermill
    from papermill.clientwrap import PapermillNotebookClient
    from papermill.engines import Engine, NotebookExecutionManager, papermill_engines
finally:
    for name in _STAND_INS if is_apart else ():
        del _modules[name]

__all__ = ["Engine", "NotebookExecutionManager", "PapermillNotebookClient", "papermill", "papermill_engines"]
