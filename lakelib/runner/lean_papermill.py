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
    """A module that makes way for the real one: what papermill loads where it is installed may look into it at once."""
    stand_in = ModuleType(name)

    def of_the_real_one(attribute: str) -> Any:
        if _modules.get(name) is stand_in:
            del _modules[name]
        return getattr(import_module(name), attribute)

    vars(stand_in)["__getattr__"] = of_the_real_one
    return stand_in


# Whoever imports None is told that there is none, as papermill expects.
_STAND_INS: Final = {"pyarrow.fs": None, "requests": _loaded_at_first_use("requests")}

if is_apart := not {"pyarrow", "requests"} & _modules.keys() and threading.active_count() == 1:
    _modules.update(_STAND_INS)
try:
    import papermill
    from papermill.clientwrap import PapermillNotebookClient
    from papermill.engines import Engine, NotebookExecutionManager, papermill_engines
finally:
    for name, stand_in in _STAND_INS.items() if is_apart else ():
        if _modules.get(name) is stand_in:
            _modules.pop(name, None)

__all__ = ["Engine", "NotebookExecutionManager", "PapermillNotebookClient", "papermill", "papermill_engines"]
