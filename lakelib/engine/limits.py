"""What the embedded engine's errors mean when it lacks something that Spark has."""

import re
from typing import Final

__all__ = ["missing_on_embedded"]

# Sail names the node of its plan, not what the notebook called.
_CALLED: Final = {
    r"^collect metrics": "observe",
    r"^approx quantile": "approxQuantile",
    r"^freq items": "freqItems",
    r"^checkpoint object-store path": "localCheckpoint",
    r"^No data source found for: (\w+)": "",
    r"found (PIVOT|QUALIFY) at \d": "",
    r"^(?:unknown )?function: (\w+)": "",
}


def missing_on_embedded(kind: str, message: str) -> str:
    """The function, clause or format that Sail does not have; empty for an error that says anything else.

    `kind` is the exception's class, as PySpark names it.
    """
    for pattern, called in _CALLED.items():
        if found := re.search(pattern, message):
            return called or found[1]
    return message.partition("\n")[0] if kind == "UnsupportedOperationException" else ""
