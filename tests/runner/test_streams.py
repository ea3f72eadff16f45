import pytest
from nbformat.v4 import new_output

from lakelib.runner.streams import coalesced


def stream(text, name="stdout"):
    return new_output("stream", name=name, text=text)


def told(*outputs):
    return [(output.get("name", output.output_type), output.get("text", "")) for output in coalesced(outputs)]


def test_a_stream_is_one_output_and_stdout_comes_first():
    shown = new_output("display_data", data={"text/plain": "x"})
    printed = [stream("w", "stderr"), stream("a"), shown, stream("b"), stream("v", "stderr")]
    assert told(*printed) == [("stdout", "ab"), ("stderr", "wv"), ("display_data", "")]


@pytest.mark.parametrize(
    ("printed", "left"),
    [("10%\r20%\rdone\n", "done\n"), ("a\r\nb\r\n", "a\r\nb\r\n"), ("a\n1\r2", "a\n2"), ("50%\r", "50%\r")],
)
def test_what_a_carriage_return_overwrites_is_gone(printed, left):
    assert told(*map(stream, printed)) == [("stdout", left)]


def test_a_line_of_megabytes_takes_no_time():
    assert told(stream("\rx" + "y" * 20_000_000)) == [("stdout", "x" + "y" * 20_000_000)]
