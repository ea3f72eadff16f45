"""How long a source is given."""

from dataclasses import dataclass

__all__ = ["Patience"]


@dataclass(frozen=True)
class Patience:
    """`backoff_seconds` are waited after the first failure, and twice as long after each further one.

    A server that names the time itself (`Retry-After`) is obeyed, up to `longest_wait_seconds`.
    """

    attempts: int = 6
    backoff_seconds: float = 1
    longest_wait_seconds: float = 300
    timeout_seconds: float = 60
    least_seconds_between: float = 0
