"""One case of `benchmarks.merge`, in a process of its own: WRITER SHAPE FOLDER TIMES."""

import sys
from pathlib import Path

from benchmarks.merge import work

if __name__ == "__main__":
    work(sys.argv[1], sys.argv[2], Path(sys.argv[3]), times=int(sys.argv[4]))
