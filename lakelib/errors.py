"""Every error lakelib raises. Those marked * are transient: the same work may succeed when it is done again.

LakeError
├── UsageError                exit code 2: nothing was started; a name that nothing has
│   ├── SettingsError         a setting is missing, unknown or of the wrong type
│   ├── TableNameError        not a name like silver.flights
│   ├── ContractError         a contract can't be read, or asks for what ODCS or lakelib doesn't know
│   │   └── ContractNotFoundError  a table has none
│   ├── ParameterError        a notebook parameter is unknown, missing or of the wrong type
│   ├── NotebookError         a notebook can't be found, read or put in order
│   └── QueryError            not one read-only SQL query
├── DataError                 exit code 1: the data is not what was promised; nothing wrong was published
│   ├── DeliveryRefusedError  deliveries that can't be loaded as they are, or are held for a person
│   ├── SourceAwayError *     a source does not answer, or went away
│   ├── TableNotFoundError    no table at its place in the warehouse; exit code 2
│   ├── SchemaError           a DataFrame's columns are not the contract's
│   ├── UndeclaredReadError   a notebook reads what its code did not say in a literal
│   └── RuleError             a rule that stops the batch is broken
├── EngineError               exit code 1: the engine can't start, was lost, or can't do this
│   ├── EngineLostError *     the engine went away, or does not answer
│   └── CommitConflictError * another writer was faster, again and again
├── CatalogError              exit code 1: the catalog is away, or refuses what it is given; it stays in the spool
└── RunError                  exit code 1: a notebook's execution ended without a result
    ├── CellError             a cell raised
    ├── KernelDiedError *     the kernel's process ended by itself
    │   └── PortTakenError    another process has a port that it was to listen at
    ├── RunnerKilledError *   the runner's process was killed while the notebook ran
    ├── RunTimeoutError       a cell or the notebook took longer than allowed
    └── RunCancelledError     somebody asked to stop
"""

import builtins
import errno
import re
from collections.abc import Iterable, Sequence
from difflib import get_close_matches
from typing import Final

__all__ = [
    "CatalogError",
    "CellError",
    "CommitConflictError",
    "ContractError",
    "ContractNotFoundError",
    "DataError",
    "DeliveryRefusedError",
    "EngineError",
    "EngineLostError",
    "KernelDiedError",
    "LakeError",
    "NotebookError",
    "ParameterError",
    "PortTakenError",
    "QueryError",
    "RuleError",
    "RunCancelledError",
    "RunError",
    "RunTimeoutError",
    "RunnerKilledError",
    "SchemaError",
    "SettingsError",
    "SourceAwayError",
    "TableNameError",
    "TableNotFoundError",
    "UndeclaredReadError",
    "UsageError",
    "closest",
    "closest_name",
    "damaged_receipt",
    "first_line",
    "is_transient",
]

# What waiting does not change, unlike a full disk or a network that is down.
_LASTING: Final = (FileExistsError, FileNotFoundError, IsADirectoryError, NotADirectoryError, PermissionError)
_LASTING_NUMBERS: Final = (errno.EPERM, errno.ENOENT, errno.EACCES, errno.EEXIST, errno.ENOTDIR, errno.EISDIR)
_OS_ERROR: Final = re.compile(r"\(os error (\d+)\)")
# Of the engines' clients: the engine was lost, or another writer was faster.
_TRANSIENT_ELSEWHERE: Final = frozenset({"CommitFailedError", "RetriesExceeded", "SparkConnectGrpcException"})


def closest(name: str, known: Sequence[str]) -> str:
    """A hint: the name that was probably meant, and all that exist."""
    near = closest_name(name, known)
    meant = f"Did you mean {near}? " if near else ""
    return f"{meant}There are: {', '.join(known) or 'none'}."


def closest_name(name: str, known: Iterable[str]) -> str:
    """The one that was probably meant, whatever its case; empty where none is near."""
    by_lower = {each.lower(): each for each in known}
    near = get_close_matches(name.lower(), by_lower, n=1, cutoff=0.5)
    return by_lower[near[0]] if near else ""


def is_transient(kind: str, message: str = "") -> bool:
    """Whether an error of the class named `kind` may be gone when the same work is done again.

    By name, because name and message are all that leaves a kernel; the embedded engine tells of input and output only
    in its message, as in "No space left on device (os error 28)". Engines that were lost, conflicts, input and output
    are transient; wrong use, contracts, data, rules and whatever the code itself raises are not.
    """
    known = globals().get(kind, getattr(builtins, kind, None))
    if isinstance(known, type) and issubclass(known, LakeError):
        return known.is_transient
    if isinstance(known, type) and issubclass(known, OSError):
        return not issubclass(known, _LASTING)
    told = _OS_ERROR.search(message)
    return kind in _TRANSIENT_ELSEWHERE or (told is not None and int(told[1]) not in _LASTING_NUMBERS)


class LakeError(Exception):
    """The message says what was asked and what was found; the hint, what to do about it."""

    exit_code = 1
    is_transient = False

    def __init__(self, message: str, *, hint: str = "") -> None:
        super().__init__(message)
        self.message = message
        self.hint = hint

    def __str__(self) -> str:
        return f"{self.message}\nHint: {self.hint}" if self.hint else self.message


class UsageError(LakeError):
    exit_code = 2


class SettingsError(UsageError):
    pass


class TableNameError(UsageError):
    pass


class ContractError(UsageError):
    pass


class ContractNotFoundError(ContractError):
    pass


class ParameterError(UsageError):
    pass


class NotebookError(UsageError):
    pass


class QueryError(UsageError):
    pass


class DataError(LakeError):
    pass


class DeliveryRefusedError(DataError):
    """`reason` is a code such as CORRUPT_GZIP or NO_ROWS; `verdict` is refused, or held until a person releases it."""

    def __init__(self, message: str, *, hint: str = "", reason: str = "", verdict: str = "refused") -> None:
        super().__init__(message, hint=hint)
        self.reason = reason
        self.verdict = verdict


class SourceAwayError(DataError):
    is_transient = True


class TableNotFoundError(DataError):
    exit_code = 2


class SchemaError(DataError):
    pass


class UndeclaredReadError(DataError):
    pass


class RuleError(DataError):
    """`rules` are the names of the broken rules; the staged rows stay for a look."""

    def __init__(self, message: str, *, hint: str = "", rules: Sequence[str] = ()) -> None:
        super().__init__(message, hint=hint)
        self.rules = list(rules)


class EngineError(LakeError):
    pass


class EngineLostError(EngineError):
    is_transient = True


class CommitConflictError(EngineError):
    is_transient = True


class CatalogError(LakeError):
    pass


class RunError(LakeError):
    pass


class CellError(RunError):
    """`cell` is the number of the failing cell, counted from 1 over all cells."""

    def __init__(self, message: str, *, hint: str = "", cell: int = 0) -> None:
        super().__init__(message, hint=hint)
        self.cell = cell


class KernelDiedError(RunError):
    is_transient = True


class PortTakenError(KernelDiedError):
    """Another process listens where the kernel was to."""


class RunnerKilledError(RunError):
    is_transient = True


class RunTimeoutError(RunError):
    pass


class RunCancelledError(RunError):
    pass


def first_line(error: Exception) -> str:
    """Of what an engine says: where, in its own code, stands below it."""
    return str(error).strip().partition("\n")[0]


def damaged_receipt(path: object, reason: str) -> DataError:
    return DataError(
        f"The receipt {path} was to be read; it is damaged: {reason}.",
        hint="Put it back from a copy; or move it away, and nothing knows of its run any more.",
    )
