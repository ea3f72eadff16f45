import ast
import base64
import html
import json
import re
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import count
from pathlib import Path
from threading import current_thread, main_thread
from typing import Any, Final

import nbformat
import pytest
import scrapbook
from nbformat.v4 import new_code_cell

from lakelib import events
from lakelib.engine.limits import missing_on_embedded
from lakelib.errors import CellError, KernelDiedError, ParameterError, RunTimeoutError, SettingsError
from lakelib.intervals import Interval
from lakelib.runner.archive import Archived
from lakelib.runner.kernel import check_kernel
from lakelib.runner.progress import Progress
from lakelib.runner.receipt import Lineage, Receipt, Rows
from lakelib.runner.results import RunResult
from tests.runner.projects import DATES, Project, emitting


@dataclass(frozen=True)
class Run:
    project: Project
    result: RunResult
    told: list[Progress]


WEEK = Interval.parse("2013-01-01", "2013-01-07")

_PIXEL: Final = base64.b64decode(
    "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNkYPhfDwAChwGA60e6kgAAAABJRU5ErkJggg=="
)


def _page(result: RunResult) -> str:
    assert result.archived is not None
    return result.archived.page.read_text()


def _receipt(result: RunResult) -> Receipt:
    """As it lies in the archive, which is what the result holds."""
    assert result.archived is not None
    receipt = result.archived.read_receipt()
    assert receipt == result.receipt
    return receipt


@pytest.fixture(scope="module")
def week(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Run]:
    """One run of one notebook over a week, for tests that only look at what it left."""
    project = Project.create(tmp_path_factory.mktemp("week") / "project")
    (project.folder / "requirements.lock").write_text("")
    source = project.notebook("bronze.a", "1 + 1", parameters=DATES)
    before, told = source.read_bytes(), list[Progress]()
    result = project.run(interval=WEEK, on_progress=told.append)["bronze.a"]
    yield Run(project, result, told)
    assert source.read_bytes() == before


def test_a_run_leaves_notebook_page_and_receipt_named_by_its_id(week: Run) -> None:
    receipt = _receipt(week.result)
    folder = week.project.folder / ".lake" / "archive" / "bronze" / "a" / "2013-01-01..2013-01-07"
    assert {path.name for path in folder.iterdir()} == {
        f"{receipt.run_id}.{kind}" for kind in ("ipynb", "html", "json")
    }
    assert re.fullmatch(r"\d{8}T\d{6}-[0-9a-f]{6}", receipt.run_id)
    assert (receipt.status, receipt.parameters) == ("succeeded", {"start_date": "2013-01-01", "end_date": "2013-01-07"})


def test_the_receipt_tells_what_the_run_depended_on(week: Run) -> None:
    receipt = _receipt(week.result)
    assert receipt.lock_sha256 == "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"
    assert (receipt.engine, set(receipt.versions)) == (
        "embedded",
        {"python", "lakelib", "pysail", "deltalake", "pyspark"},
    )
    assert [cell.status for cell in receipt.cells] == ["completed"] * 5


def test_progress_tells_what_runs_and_what_ended(week: Run) -> None:
    started, *cells, ended = week.told
    # The cell of parameters runs twice: as it stands, and with what was given.
    assert [(told.cell.number, told.cell.last) for told in cells] == [(2, 5), (3, 5), (3, 5), (4, 5), (5, 5)]
    assert (started.running, started.done, started.total, started.finished) == (["bronze.a"], 0, 1, None)
    assert (ended.running, ended.done, ended.finished) == ([], 1, week.result)


def test_the_page_is_headed_by_the_runs_state(week: Run) -> None:
    receipt = _receipt(week.result)
    head = re.sub(r"<[^>]+>\s*", " ", _page(week.result).partition("<header>")[2].partition("</header>")[0]).split()
    assert head == [
        *("bronze.a", "2013-01-01..2013-01-07", "succeeded"),
        *("run", receipt.run_id, "finished", receipt.finished_at),
    ]


def test_the_kernel_knows_its_run_its_folder_and_its_engine(project: Project) -> None:
    project.notebook(
        "silver.a",
        "import os, json; from pathlib import Path\n"
        "[os.environ['LAKE_ENGINE'], os.environ['LAKE_ENV'], os.environ['LAKE_PROJECT'], Path.cwd().name,"
        " json.loads(os.environ['LAKE_RUN'])]",
        reads=["silver.a"],
    )
    result = project.run()["silver.a"]
    assert result.archived is not None
    shown = result.archived.read_notebook().cells[-1].outputs[0].data["text/plain"]
    for part in ("'embedded'", "'local'", f"'{project.folder}'", "'silver'", _receipt(result).run_id, "['silver.a']"):
        assert part in shown


def test_the_receipt_tells_what_was_read_checked_and_written(project: Project) -> None:
    rule = events.RuleOutcome("carrier is known", "error", 1)
    project.notebook("bronze.a")
    project.notebook(
        "silver.a",
        emitting(1, events.TableRead("bronze.a", 4)),
        emitting(2, events.DeliverySeen("silver.a", "f.csv", "2013-01-01", 10, "ab", 5, "loaded")),
        emitting(3, events.Staged("silver.a", 5, 0.1)),
        emitting(4, events.Audited("silver.a", 2, 1, 1, 1, [rule])),
        emitting(5, events.Published("silver.a", "merge", 7, 1, 1, 0, True, 0.1)),
        'ingest.csv("f_{date}.csv")',
        reads=["bronze.a"],
    )
    receipt = _receipt(project.run("silver")["silver.a"])
    assert receipt.rows == Rows(staged=5, published=2, quarantined=1, superseded=1, duplicates=1)
    assert (receipt.reads, receipt.writes[-1]["version"], receipt.deliveries[0]["path"]) == (
        {"bronze.a": 4},
        7,
        "f.csv",
    )
    assert receipt.rules == [{"rule": "carrier is known", "level": "error", "rows": 1}]
    assert receipt.lineage == [
        Lineage(kind="table", source="bronze.a", target="silver.a"),
        Lineage(kind="source", source="f_{date}.csv", target="silver.a"),
    ]


def test_a_notebook_that_writes_nothing_to_its_table_is_remarked(project: Project) -> None:
    elsewhere = emitting(1, events.Published("silver.b", "merge", 7, 1, 1, 0, True, 0.1))
    project.file("silver.a", [new_code_cell(f"start = str\nstart('silver.a')\n{elsewhere}")])
    project.notebook("silver.b")
    results = project.run()
    assert _receipt(results["silver.a"]).remark == "wrote nothing to silver.a"
    assert (_receipt(results["silver.b"]).remark, results["silver.a"].status) == ("", "succeeded")


@pytest.mark.parametrize(
    ("kind", "message", "missing"),
    [
        ("UnsupportedOperationException", "collect metrics", "observe"),
        ("UnsupportedOperationException", "approx quantile", "approxQuantile"),
        ("UnsupportedOperationException", "function: input_file_name", "input_file_name"),
        ("UnsupportedOperationException", "PlanNode::CacheTable", "PlanNode::CacheTable"),
        ("IllegalArgumentException", "invalid argument: found QUALIFY at 34:41 expected 'AS'", "QUALIFY"),
        ("AnalysisException", "No data source found for: xml", "xml"),
        ("AnalysisException", "checkpoint object-store path is not configured", "localCheckpoint"),
        ("ValueError", "collected metrics", ""),
    ],
)
def test_an_error_of_the_embedded_engine_names_what_it_lacks(kind: str, message: str, missing: str) -> None:
    assert missing_on_embedded(kind, message) == missing


def test_what_the_embedded_engine_lacks_is_told_with_the_engine_that_has_it(project: Project) -> None:
    project.notebook(
        "bronze.a",
        "class UnsupportedOperationException(Exception): pass",
        "raise UnsupportedOperationException('collect metrics')",
    )
    error = _receipt(project.run()["bronze.a"]).error
    assert error is not None
    assert "The embedded engine has no observe. Set engine: spark" in error.message


def test_a_failed_notebooks_dependants_are_skipped_and_the_rest_goes_on(project: Project) -> None:
    project.notebook("bronze.a", "1 / 0", emitting(1, events.TableRead("never", 1)))
    project.notebook("silver.a", reads=["bronze.a"])
    project.notebook("gold.a", reads=["silver.a"])
    project.notebook("bronze.b")
    results = project.run()
    assert {table: result.status for table, result in results.items()} == {
        "bronze.a": "failed",
        "bronze.b": "succeeded",
        "silver.a": "skipped",
        "gold.a": "skipped",
    }
    assert results["gold.a"].reason == "bronze.a did not succeed"
    with pytest.raises(CellError, match="ZeroDivisionError: division by zero"):
        results["bronze.a"].raise_for_status()


def test_a_failed_run_keeps_its_events_its_error_and_where_it_was(project: Project) -> None:
    project.notebook("bronze.a", emitting(1, events.TableRead("bronze.a", 3)), "1 / 0", "2", parameters=DATES)
    result = project.run(parameters={"end_date": "2013-01-02"})["bronze.a"]
    receipt = _receipt(result)
    assert receipt.error is not None
    # The source notebook's sixth cell: papermill's own cell of parameters is not counted.
    assert (receipt.error.kind, receipt.error.message, receipt.error.cell) == (
        "ZeroDivisionError",
        "division by zero",
        6,
    )
    assert receipt.reads == {"bronze.a": 3}
    assert [cell.status for cell in receipt.cells][-2:] == ["failed", "pending"]
    assert "ZeroDivisionError in cell 6" in _page(result)


def test_a_cell_that_takes_too_long_is_stopped_where_it_is(project: Project) -> None:
    (project.folder / "conf" / "local.yml").write_text("cell_timeout_seconds: 0.5")
    project.notebook("bronze.a", "import time\ntime.sleep(60)", "2")
    result = project.run()["bronze.a"]
    with pytest.raises(RunTimeoutError, match=r"Cell 4 took longer than 0.5 s"):
        result.raise_for_status()
    assert "KeyboardInterrupt" in _page(result)


def test_a_notebook_that_takes_too_long_is_killed_when_it_does_not_listen(project: Project) -> None:
    (project.folder / "conf" / "local.yml").write_text("notebook_timeout_seconds: 2")
    deaf = "import signal, time\nsignal.signal(signal.SIGINT, signal.SIG_IGN)\nwhile True: time.sleep(1)"
    project.notebook("bronze.a", deaf)
    with pytest.raises(RunTimeoutError, match="The notebook took longer than 2 s"):
        project.run()["bronze.a"].raise_for_status()


def test_a_killed_kernel_is_named_with_its_signal(project: Project) -> None:
    project.notebook(
        "bronze.a",
        emitting(1, events.TableRead("bronze.a", 3)),
        "import os, signal, sys\nos.write(2, b'last words')\nos.kill(os.getpid(), signal.SIGKILL)",
    )
    result = project.run()["bronze.a"]
    with pytest.raises(KernelDiedError, match="in cell 5, killed by SIGKILL, most likely because memory ran out"):
        result.raise_for_status()
    assert _receipt(result).reads == {"bronze.a": 3}
    assert _receipt(result).cells[-1].status == "failed"


def test_notebooks_run_side_by_side_where_the_order_allows(project: Project) -> None:
    meet = (
        "from pathlib import Path; import time\n"
        "Path('../{own}').touch()\n"
        "while not Path('../{other}').exists(): time.sleep(0.02)"
    )
    project.notebook("bronze.a", meet.format(own="a", other="b"))
    project.notebook("silver.b", meet.format(own="b", other="a"))
    assert {result.status for result in project.run().values()} == {"succeeded"}


def test_threads_side_by_side_parse_no_code(project: Project, monkeypatch: pytest.MonkeyPatch) -> None:
    """In Python 3.11, two threads that build syntax trees raise SystemError at each other."""
    parse, parsed = ast.parse, list[str]()

    def named(*args: Any, **options: Any) -> ast.AST:
        parsed.append(current_thread().name)
        return parse(*args, **options)

    monkeypatch.setattr(ast, "parse", named)
    project.notebook("bronze.a", parameters=DATES)
    project.notebook("bronze.b")
    results = project.run(interval=WEEK)
    assert [result.status for result in results.values()] == ["succeeded", "succeeded"]
    assert set(parsed) == {main_thread().name}


def test_wrong_use_starts_no_kernel(project: Project) -> None:
    project.notebook("bronze.a", "open('../ran', 'w')")
    with pytest.raises(ParameterError):
        project.run(parameters={"unknown": "1"})
    assert not (project.folder / ".lake").exists()
    assert not (project.folder / "notebooks" / "ran").exists()


def test_a_missing_kernel_is_said_with_its_fix() -> None:
    with pytest.raises(SettingsError, match="'lake-of-nobody' was asked for") as refused:
        check_kernel("lake-of-nobody")
    assert "Install lakelib again" in refused.value.hint


def test_scrapbook_reads_the_same_events(project: Project) -> None:
    project.notebook("bronze.a", *(emitting(n, events.TableRead("bronze.a", n)) for n in (1, 2)))
    result = project.run()["bronze.a"]
    assert result.archived is not None
    scraps = scrapbook.read_notebook(str(result.archived.notebook)).scraps
    assert [scrap.data for scrap in scraps.values()] == list(_receipt(result).events)


@pytest.mark.parametrize(
    "scrap", ["'lake/9999', 'text'", "'lake/9999', {'kind': 'mine'}", "'lake/9999', {'event': 'TableRead'}"]
)
def test_what_a_notebook_glues_itself_is_no_event_of_the_run(project: Project, scrap: str) -> None:
    read = events.TableRead("bronze.a", 1)
    project.notebook("bronze.a", emitting(1, read), f"import scrapbook\nscrapbook.glue({scrap})")
    result = project.run()["bronze.a"]
    assert (result.status, _receipt(result).reads) == ("succeeded", {"bronze.a": 1})


@pytest.mark.parametrize(
    "around",
    [
        "{}\nclear_output()",
        "clear_output(wait=True)\n{}\nprint(1)",
        "{}\nclear_output(wait=True)\nprint(1)",
        "with Output():\n    {}",
    ],
)
def test_no_output_that_is_cleared_or_caught_takes_the_events_along(project: Project, around: str) -> None:
    """And displays that are updated are still found."""
    read = events.TableRead("bronze.a", 1)
    imports = "from IPython.display import clear_output, display\nfrom ipywidgets import Output\n"
    shown = "\nshown = display('before', display_id=True)\nshown.update('after')"
    project.notebook("bronze.a", imports + around.format(emitting(1, read).replace("\n", "; ")) + shown)
    result = project.run()["bronze.a"]
    assert _receipt(result).reads == {"bronze.a": 1}
    assert result.archived is not None
    outputs = result.archived.read_notebook().cells[-1].outputs
    assert "'after'" in [output.data.get("text/plain") for output in outputs if "data" in output]


def test_cells_written_without_outputs_are_executed_and_shown(project: Project) -> None:
    """By a person's hand, and one of them is not reached."""
    source = project.notebook("bronze.a", "1 / 0", "2")
    source.write_text(source.read_text().replace('"outputs": [],', ""))
    result = project.run()["bronze.a"]
    assert result.status == "failed"
    assert "ZeroDivisionError" in _page(result)


def test_events_leave_a_notebook_that_catches_its_own_outputs(project: Project) -> None:
    imports = "from IPython.utils.capture import capture_output\nfrom lakelib import events\n"
    begun = "from lakelib.run.scraps import emitter\nemit = emitter()\n"
    told = "with capture_output():\n    emit(events.TableRead('bronze.a', 1))"
    project.notebook("bronze.a", imports + begun + told)
    assert _receipt(project.run()["bronze.a"]).reads == {"bronze.a": 1}


def test_a_kernel_that_ends_after_the_last_cell_fails_nothing(project: Project) -> None:
    """As after quit(): papermill still asks it for its language."""
    ends = "import os; get_ipython().kernel.shell_handlers['kernel_info_request'] = lambda *_: os._exit(0)"
    project.notebook("bronze.a", ends)
    result = project.run()["bronze.a"]
    assert (result.status, result.error) == ("succeeded", None)


def test_the_page_loads_nothing_and_folds_the_code(project: Project) -> None:
    shown = "from IPython.display import HTML, Javascript, Math, display"
    project.notebook(
        "bronze.a",
        f"{shown}\ndisplay(HTML('<b>a table</b>'), Javascript('alert(1)'), Math('x^2'))",
        "import ipywidgets\nipywidgets.IntSlider(value=3)",
    )
    page = _page(project.run()["bronze.a"])
    assert "<b>a table</b>" in page
    assert "<script" not in page
    assert not re.search(r"""(src|href)=["'](?!data:|#)""", page)
    assert "default-src 'none'" in page
    assert "ipywidgets" in page
    assert "ipywidgets" not in re.sub(r"<details>.*?</details>", "", page, flags=re.DOTALL)


def test_metadata_that_the_format_forbids_takes_no_page_away(project: Project) -> None:
    path = project.notebook("bronze.a", "print('shown')")
    notebook = json.loads(path.read_text())
    notebook["metadata"] |= {"kernelspec": {"name": "lake"}, "title": 5, "authors": "x"}
    notebook["cells"][0]["metadata"] |= {"name": 5, "collapsed": "x"}
    path.write_text(json.dumps(notebook))
    result = project.run()["bronze.a"]
    assert (result.status, result.error) == ("succeeded", None)
    assert "shown" in _page(result)


def test_a_message_has_no_character_that_a_database_lacks(project: Project) -> None:
    project.notebook("bronze.a", "raise ValueError('a' + chr(0) + 'b')")
    result = project.run()["bronze.a"]
    assert result.error is not None
    assert result.error.message == r"a\0b"


def test_an_endless_message_is_told_by_its_beginning(project: Project) -> None:
    project.notebook("bronze.a", "raise ValueError('x' * 1_000_000)")
    result = project.run()["bronze.a"]
    assert result.error is not None
    assert result.error.message.startswith("xxx")
    assert "(1,000,000 characters; the notebook has them all)" in result.error.message
    assert len(result.error.message) < 11_000
    assert "x" * 1_000_000 in result.archived.notebook.read_text()


def test_no_output_leads_the_page_elsewhere(project: Project) -> None:
    led = '<meta http-equiv="refresh" content="0;url=http://x.example"><base href="http://x.example"><p>stays</p>'
    project.notebook("bronze.a", f"from IPython.display import HTML, display\ndisplay(HTML({led!r}))")
    page = _page(project.run()["bronze.a"])
    assert "<p>stays</p>" in page
    assert not re.search("<base|<meta[^>]*refresh", page)


def test_what_an_output_leaves_open_swallows_nothing(project: Project) -> None:
    shown = "from IPython.display import HTML, display"
    project.notebook(
        "bronze.a", f"{shown}\ndisplay(HTML('<table><tr><td>first'))\ndisplay(HTML('<!-- open'))", "print('last')"
    )
    page = _page(project.run()["bronze.a"])
    _, _, after = page.partition("<td>first")
    assert after.index("</table>") < after.index("&lt;!-- open") < after.index("<pre>last")


def test_pictures_on_the_page_say_what_they_show(project: Project) -> None:
    project.notebook(
        "bronze.a",
        "from IPython.display import Image, display\nfrom lakelib.run import Chart\n"
        "display(Chart('Delays & \"such\"', '<svg xmlns=\"http://www.w3.org/2000/svg\"/>'))\n"
        f"display(Image({_PIXEL!r}, width=40))",
    )
    page = _page(project.run()["bronze.a"])
    told = [html.unescape(alt) for alt in re.findall(r'<img src="data:image/[^"]*"\s+alt="([^"]*)"', page)]
    assert told == ['chart: Delays & "such"', "<IPython.core.display.Image object>"]
    assert re.search(r'<img src="data:image/png;[^>]* width="40">', page)


def test_what_a_person_has_ipython_do_at_its_start_is_no_part_of_a_run(
    project: Project, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    startup = tmp_path / "ipython" / "profile_default" / "startup"
    startup.mkdir(parents=True)
    (startup / "first.py").write_text("started = True")
    monkeypatch.setenv("IPYTHONDIR", str(tmp_path / "ipython"))
    project.notebook("bronze.a", "assert 'started' not in globals()")
    result = project.run()["bronze.a"]
    assert result.status == "succeeded", result.error


def test_the_notebook_is_saved_while_it_runs(project: Project) -> None:
    project.notebook(
        "bronze.a",
        "print('before')",
        "import json, time\nfrom pathlib import Path\nsaved = next(Path('../../.lake/archive').rglob('*.ipynb'))",
        "latest = time.monotonic() + 20\n"
        "while json.loads(saved.read_text())['cells'][-1]['metadata']['papermill']['status'] != 'running':\n"
        "    assert time.monotonic() < latest\n    time.sleep(0.02)\n"
        "Path('../seen').write_text(saved.read_text())",
    )
    project.run()
    seen = nbformat.reads((project.folder / "notebooks" / "seen").read_text(), as_version=4)
    assert seen.metadata.lake.status == "running"
    assert seen.cells[3].outputs[0].text == "before\n"
    assert [cell.metadata.papermill.status for cell in seen.cells][-2:] == ["completed", "running"]


def test_no_cell_starts_once_the_archive_can_not_be_written(project: Project) -> None:
    project.notebook(
        "bronze.a",
        "import time\nfrom pathlib import Path\nplace = next(Path('../../.lake/archive').rglob('*.ipynb')).parent",
        "place.rename('../moved')\nplace.write_text('')\ntime.sleep(1)",
        "Path('../ran').touch()",
    )
    with pytest.raises(OSError, match=r"Not a directory|exists"):
        project.run()
    assert not (project.folder / "notebooks" / "ran").exists()


def test_an_archive_that_can_be_written_again_stops_nothing(project: Project, monkeypatch: pytest.MonkeyPatch) -> None:
    project.notebook("bronze.a", "import time\ntime.sleep(1)", "print('after')")
    save, calls = Archived.save_notebook, count(1)

    def full_once(*args: Any, **options: Any) -> None:
        if next(calls) == 2:
            raise OSError(28, "No space left on device")
        save(*args, **options)

    monkeypatch.setattr(Archived, "save_notebook", full_once)
    assert project.run()["bronze.a"].status == "succeeded"
    assert next(calls) > 3


def test_secrets_reach_no_archive(project: Project, monkeypatch: pytest.MonkeyPatch) -> None:
    planted = {"TEST_CODE": "in-code-41", "TEST_GIVEN": "given-é-42", "TEST_READ": "read-43"}
    for name, value in planted.items():
        monkeypatch.setenv(name, value)
    project.notebook(
        "bronze.a",
        "import base64, os, sys, time\nreference = 'env:TEST_CODE'",
        "given = os.environ['TEST_GIVEN']; read = os.environ['TEST_READ']",
        "for letter in given: sys.stdout.write(letter); sys.stdout.flush()",
        emitting(1, events.SecretRead("env:TEST_READ")),
        "{'password': read, given: base64.b64encode(read.encode())}",
        "raise ValueError(os.environ['TEST_CODE'], given)",
        parameters='token: str = ""',
    )
    result = project.run(parameters={"token": "env:TEST_GIVEN"})["bronze.a"]
    assert _receipt(result).error is not None
    files = [path for path in (project.folder / ".lake").rglob("*") if path.is_file()]
    leaked = {value for value in (*planted.values(), "cmVhZC00Mw==") for p in files if value.encode() in p.read_bytes()}
    assert len(files) >= 4
    assert leaked == set()
    assert "env:TEST_CODE" in _page(result)
