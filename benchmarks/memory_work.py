"""One case of `benchmarks.memory`, in a process of its own: WHAT BOUND FOLDER."""

import sys
from pathlib import Path

from benchmarks.memory import work

if __name__ == "__main__":
    work(sys.argv[1], sys.argv[2], Path(sys.argv[3]))
