"""Trivial commands, measured and reported. A process of its own: measuring makes it the parent of every orphan."""

import sys
from pathlib import Path

from benchmarks.measuring import Case, measure
from benchmarks.reporting import report

SPIN = "end = time.process_time() + 0.2\nwhile time.process_time() < end: pass"
NAMED = "import sys; open(sys.argv[1], 'a').write(sys.argv[2])"
ORPHAN = f"import os, time\nif os.fork(): os._exit(0)\nos.setsid()\n{SPIN}"
INSIDE = f"""
import time
from benchmarks.sampling import sample
def work():
    exec({SPIN!r}, {{"time": time}})
    return {{"cells_s": 0.125}}
sample(work, times=3)
"""
BAD = {
    "failing": "import sys; sys.exit('it broke')",
    "leaving": "import subprocess; subprocess.Popen(['sleep', '61'], start_new_session=True)",
}


def python(name: str, code: str, *arguments: str) -> Case:
    return Case(name, [sys.executable, "-c", code, *arguments])


def good(folder: Path) -> None:
    """Two rounds of commands that write down their order, of an orphan that works on, of samples from inside."""
    named = [python(name, NAMED, str(folder / "order"), name) for name in "ab"]
    cases = [*named, python("orphan", ORPHAN), python("inside", INSIDE)]
    report("trial", measure(cases, rounds=2), title="Trial", goals={"a": 60, "b": 0}, results=folder)


if __name__ == "__main__":
    if sys.argv[1] in BAD:
        measure([python(sys.argv[1], BAD[sys.argv[1]])], rounds=1, patience_seconds=0.3)
    else:
        good(Path(sys.argv[1]))
