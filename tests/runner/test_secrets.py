import base64
import html
import json
from collections.abc import Callable
from pathlib import Path
from urllib.parse import quote, quote_plus

import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from lakelib.runner.secrets import Scrubber, references

ENCODINGS: dict[str, Callable[[str], str]] = {
    "as it is": str,
    "JSON": lambda text: json.dumps(text)[1:-1],
    "repr": lambda text: repr(text)[1:-1],
    "HTML": html.escape,
    "URL path": quote,
    "URL query": quote_plus,
    "base64": lambda text: base64.b64encode(text.encode()).decode(),
}
LETTERS = st.characters(codec="utf-8", exclude_characters="\r\n", exclude_categories=["Cc", "Cs", "Z"])


def _scrubber(path: Path, secret: str) -> Scrubber:
    path.write_text(secret, encoding="utf-8")
    return Scrubber([f"file:{path}"])


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(secret=st.text(LETTERS, min_size=4, max_size=30), encoding=st.sampled_from(list(ENCODINGS)))
@example(secret="of two words", encoding="URL query")
@example(secret="be/hind@slash", encoding="URL path")
def test_a_secret_is_found_however_it_is_written(tmp_path: Path, secret: str, encoding: str) -> None:
    written = ENCODINGS[encoding](secret)
    assert _scrubber(tmp_path / "secret", secret).text(f"\n{written}\n") == "\n***\n"


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(before=st.binary(max_size=5), secret=st.text(LETTERS, min_size=8, max_size=30), after=st.binary(max_size=5))
@example(before=b"user:", secret="???>>>???>>>", after=b"")
def test_a_secret_is_found_inside_longer_base64(tmp_path: Path, before: bytes, secret: str, after: bytes) -> None:
    scrubber, written = _scrubber(tmp_path / "secret", secret), before + secret.encode() + after
    assert "***" in scrubber.text(base64.b64encode(written).decode())
    assert "***" in scrubber.text(base64.urlsafe_b64encode(written).decode())


def test_each_line_of_a_secret_is_one(tmp_path: Path) -> None:
    scrubber = _scrubber(tmp_path / "key", "-----BEGIN\nabcdefgh\n-----END")
    assert scrubber.text("its second line is abcdefgh.") == "its second line is ***."


def test_colours_do_not_hide_a_secret(tmp_path: Path) -> None:
    assert _scrubber(tmp_path / "secret", "hunter2-long").text("\x1b[31mhunter2\x1b[0m-long") == "***"


def test_colours_do_not_hide_a_secret_beside_a_plain_one(tmp_path: Path) -> None:
    text = "hunter2-long, \x1b[31mhunter2\x1b[0K-long"
    assert _scrubber(tmp_path / "secret", "hunter2-long").text(text) == "***, ***"


def test_short_values_and_lost_references_are_left_alone(tmp_path: Path) -> None:
    (tmp_path / "short").write_text("abc")
    scrubber = Scrubber([f"file:{tmp_path / 'short'}", f"file:{tmp_path / 'none'}", "env:LAKE_TEST_UNSET"])
    assert scrubber.text("abc of it") == "abc of it"


def test_references_learnt_later_count(tmp_path: Path) -> None:
    scrubber = Scrubber([])
    (tmp_path / "late").write_text("found-out-late")
    scrubber.learn(references({"event": "SecretRead", "reference": f"file:{tmp_path / 'late'}"}))
    assert scrubber.nest({"found-out-late": ["found-out-late", 1]}) == {"***": ["***", 1]}


@pytest.mark.parametrize("value", [{"a": ["env:X", 1]}, ("file:/x", None)])
def test_references_are_found_in_nests(value: object) -> None:
    assert len(list(references(value))) == 1
