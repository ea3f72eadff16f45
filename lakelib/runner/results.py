"""How a selected notebook ended."""

from dataclasses import dataclass

from lakelib.errors import CellError, DeliveryRefusedError, KernelDiedError, RunCancelledError, RunTimeoutError
from lakelib.runner.archive import Archived
from lakelib.runner.receipt import Failure, Receipt, Status

__all__ = ["RunResult"]


@dataclass(frozen=True)
class RunResult:
    """How one selected notebook ended. A skipped one has a reason instead of a receipt and an archive.

    Work that was done before has a reason, too, and the receipt and archive of the run that did it.
    """

    table: str
    interval: str
    status: Status
    receipt: Receipt | None = None
    archived: Archived | None = None
    reason: str = ""

    @property
    def error(self) -> Failure | None:
        return self.receipt.error if self.receipt else None

    @property
    def is_transient(self) -> bool:
        """Whether it failed for a reason that may be gone when it is run again."""
        return self.error is not None and self.error.is_transient

    @property
    def stops_dependants(self) -> bool:
        """Whether what waits for this notebook must be skipped.

        A load that ended because some deliveries were refused has published all the others: the rest of the line goes
        on with these.
        """
        is_refusal = self.error is not None and self.error.kind == DeliveryRefusedError.__name__
        return self.status in ("failed", "cancelled") and not is_refusal

    def raise_for_status(self) -> None:
        """Raises the RunError that the run ended with; nothing for a run that succeeded."""
        if self.status == "succeeded":
            return
        error = self.error
        if error is None:
            raise RunCancelledError(f"{self.table} was skipped: {self.reason}.")
        for kind in (KernelDiedError, RunTimeoutError, RunCancelledError):
            if error.kind == kind.__name__:
                raise kind(error.message)
        raise CellError(f"{error.kind}: {error.message}", cell=error.cell or 0)
