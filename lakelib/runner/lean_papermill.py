"""papermill without pyarrow, which it loads for Hadoop's files alone: as long as all else that it imports.

Not where other threads might import pyarrow meanwhile: they would be told that there is none.
"""

import sys
import threading
from typing import Any

_modules: dict[str, Any] = sys.modules
if is_apart := "pyarrow" not in _modules and threading.active_count() == 1:
    _modules["pyarrow.fs"] = None  # whoever imports it is told that there is none, as papermill expects
try:
    import papermill
    from papermill.clientwrap import PapermillNotebookClient
    from papermill.engines import Engine, NotebookExecutionManager, papermill_engines
finally:
    if is_apart:
        del _modules["pyarrow.fs"]

__all__ = ["Engine", "NotebookExecutionManager", "PapermillNotebookClient", "papermill", "papermill_engines"]
