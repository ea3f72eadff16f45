"""Makes `docs/run.svg`, the README's picture: what a terminal shows of a week of the demonstration in an empty lake."""

import os
import re
import shlex
import subprocess
import sys
import tempfile
from io import StringIO
from pathlib import Path
from typing import Final

from rich.console import Console
from rich.terminal_theme import MONOKAI
from rich.text import Text

PROJECT: Final = Path(__file__).parents[1]
COMMANDS: Final = (
    "lake run --from 2013-01-01 --to 2013-01-07",
    'lake sql "SELECT carrier, month, flights, cancel_rate_pct, a15_pct, mean_dep_delay_min, mean_arr_delay_min'
    ' FROM gold.kpi_carrier_monthly ORDER BY flights DESC LIMIT 8"',
)
WIDTH: Final = 128
# The blanks between two columns belong to the left one: some viewers drop blanks at the begin of a coloured piece.
_COLOURS: Final = {
    r"(?m)^[$>] .*": "bold bright_white",
    r"(?m)^carrier .*": "bold",
    r"(?m)^bronze\.\w+ +": "yellow",
    r"(?m)^silver\.\w+ +": "bright_white",
    r"(?m)^gold\.\w+ +": "bright_yellow",
    r"(?m)\bsucceeded$": "green",
    r"\b(?:in|published|quarantined) +(?=[\d,]+ )": "grey58",
}


def said(command: str, lake: str) -> str:
    """What the real command says of a run in `lake`, told as if the lake were in its usual place."""
    words = shlex.split(command)
    program = str(Path(sys.executable).with_name(words[0]))
    env = os.environ | {"LAKE_LAKE": lake}
    done = subprocess.run([program, *words[1:]], cwd=PROJECT, env=env, capture_output=True, text=True, check=True)
    return done.stdout.rstrip().replace(lake, ".lake")


def shown(command: str) -> str:
    """A command after its prompt, broken before FROM, so that it fits."""
    return "$ " + command.replace(" FROM ", "\n> FROM ")


def picture(text: str) -> str:
    """An SVG of `text` that loads nothing: whoever shows it, shows it in a font of their own."""
    coloured = Text(text)
    for pattern, style in _COLOURS.items():
        coloured.highlight_regex(pattern, style)
    console = Console(record=True, width=WIDTH, file=StringIO(), color_system="truecolor")
    console.print(coloured, soft_wrap=True)
    svg = console.export_svg(title="A week of flights: bronze, silver, gold", theme=MONOKAI, unique_id="run")
    return re.sub(r"\s*@font-face \{.*?\}", "", svg, flags=re.DOTALL)


def main() -> None:
    with tempfile.TemporaryDirectory() as lake:
        parts = [f"{shown(command)}\n{said(command, lake)}" for command in COMMANDS]
    (PROJECT / "docs" / "run.svg").write_text(picture("\n\n".join(parts)), encoding="utf-8")


if __name__ == "__main__":
    main()
