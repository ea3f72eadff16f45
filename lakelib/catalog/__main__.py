"""`python -m lakelib.catalog`: tells the catalog what is new, when its turn comes."""

import os
import sys
from datetime import UTC, datetime
from typing import Final

from lakelib.catalog.following import tell_next
from lakelib.errors import LakeError
from lakelib.settings import load_settings

__all__ = ["main"]

_NICE: Final = 10  # the next run comes first


def main() -> int:
    """Exit codes as those of `lake`: 0 all was taken, 1 something waits, 2 wrong use."""
    os.nice(_NICE)
    try:
        sent = tell_next(load_settings())
    except LakeError as error:
        _say(str(error))
        return error.exit_code
    for each in sent:
        _say(f"{each.sink}: {each.taken} taken, {each.waiting} waiting. {each.error}")
    return 1 if any(each.error for each in sent) else 0


def _say(line: str) -> None:
    sys.stdout.write(f"{datetime.now(UTC):%Y-%m-%d %H:%M:%S} {line}\n")


if __name__ == "__main__":
    sys.exit(main())
