"""`python -m lakelib.airflow`: Airflow on this machine until Ctrl-C, for the project at hand."""

import argparse
import signal
import sys
import time
from pathlib import Path
from types import FrameType

from lakelib import kernels
from lakelib.airflow.local import USER, running
from lakelib.errors import LakeError
from lakelib.settings import load_settings

__all__ = ["main"]


def main() -> int:
    """Exit codes as those of `lake`: 0 stopped by Ctrl-C or SIGTERM, 1 a service failed, 2 wrong use."""
    arguments = argparse.ArgumentParser(prog="python -m lakelib.airflow", description=__doc__)
    arguments.add_argument("--port", type=int, default=8080, help="the port of the web page and the API (8080)")
    arguments.add_argument("--home", type=Path, help="the folder of what Airflow keeps (<lake>/airflow)")
    given = arguments.parse_args()
    signal.signal(signal.SIGTERM, _interrupt)
    try:
        _serve(given.port, given.home)
    except KeyboardInterrupt:
        _say("Airflow is stopped.")
    except LakeError as error:
        _say(f"Error: {error}")
        return error.exit_code
    finally:
        kernels.stop_idle()
    return 0


def _serve(port: int, home: Path | None) -> None:
    _say("Airflow starts; that takes half a minute.")
    with running(load_settings(), port=port, home=home) as airflow:
        _say(f"Airflow runs at {airflow.url}, user {USER}, password {airflow.password}. Ctrl-C stops it.")
        while True:
            airflow.check()
            time.sleep(1)


def _interrupt(signum: int, frame: FrameType | None) -> None:
    raise KeyboardInterrupt


def _say(line: str) -> None:
    sys.stdout.write(f"{line}\n")
    sys.stdout.flush()


if __name__ == "__main__":
    sys.exit(main())
