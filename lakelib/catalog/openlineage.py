"""Runs as OpenLineage events (https://openlineage.io/spec/2-0-2/OpenLineage.json), to a file or to an address."""

import json
import uuid
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any, Final
from urllib.request import Request, urlopen

from lakelib.catalog.graph import DIRECT
from lakelib.catalog.runs import Run
from lakelib.errors import CatalogError
from lakelib.files import write_whole

__all__ = ["event_of", "post_events", "write_events"]

_PRODUCER: Final = "lakelib"
_SPEC: Final = "https://openlineage.io/spec"
_TIMEOUT_SECONDS: Final = 10
_ENDS: Final = {
    "succeeded": "COMPLETE",
    **dict.fromkeys(("failed", "killed"), "FAIL"),
    **dict.fromkeys(("cancelled", "skipped", "rolled back"), "ABORT"),
}
_WAYS: Final = {"condition": "CONDITIONAL", "group": "GROUP_BY"}


def event_of(run: Run, *, namespace: str) -> dict[str, Any]:
    """The end of a run with its inputs and outputs; of its own table, with the column lineage facet."""
    return {
        "eventTime": run.receipt["finished_at"],
        "eventType": _ENDS.get(run.status, "OTHER"),
        "producer": _PRODUCER,
        "schemaURL": f"{_SPEC}/2-0-2/OpenLineage.json#/$defs/RunEvent",
        # The run's id, as the UUID that the standard wants; the same every time.
        "run": {"runId": str(uuid.uuid5(uuid.NAMESPACE_URL, f"{namespace}/{run.run_id}")), "facets": _run_facets(run)},
        "job": {"namespace": namespace, "name": run.table},
        "inputs": [
            {"namespace": namespace, "name": name, "inputFacets": {}, "facets": _version(version)}
            for name, version in {**dict.fromkeys(run.sources), **run.receipt["reads"]}.items()
        ],
        "outputs": [_output(run, write, namespace) for write in run.writes],
    }


def write_events(runs: Iterable[Run], path: Path, *, namespace: str) -> int:
    """A line an event; how many. The file is written whole, so that a crash leaves the one before."""
    lines = [json.dumps(event_of(run, namespace=namespace)) for run in runs]
    write_whole(path, "".join(f"{line}\n" for line in lines))
    return len(lines)


def post_events(runs: Iterable[Run], url: str, *, namespace: str) -> int:
    """Each event to an OpenLineage endpoint, in order; how many. A run's event is the same each time it is sent.

    Raises:
        CatalogError: one was not taken; those before it were.
    """
    given = list(runs)
    for run in given:
        body = json.dumps(event_of(run, namespace=namespace)).encode()
        request = Request(url, data=body, headers={"Content-Type": "application/json"}, method="POST")
        try:
            urlopen(request, timeout=_TIMEOUT_SECONDS).close()
        except OSError as error:
            raise CatalogError(
                f"The event of run {run.run_id} was sent and not taken: {error}.",
                hint="Send them again; what is sent twice says the same.",
            ) from error
    return len(given)


def _run_facets(run: Run) -> dict[str, Any]:
    error = run.receipt["error"]
    if not error:
        return {}
    told = {"message": error["message"], "programmingLanguage": "python"}
    return {"errorMessage": _facet("1-0-1", "ErrorMessageRunFacet", told)}


def _output(run: Run, write: Mapping[str, Any], namespace: str) -> dict[str, Any]:
    rows = write.get("inserted", write.get("rows", 0)) + write.get("updated", 0)
    facets = _version(write["version"])
    if write["table"] == run.table and run.column_lineage:
        facets["columnLineage"] = _column_lineage(run, namespace)
    statistics = _facet("1-0-2", "OutputStatisticsOutputDatasetFacet", {"rowCount": rows})
    return {
        "namespace": namespace,
        "name": write["table"],
        "facets": facets,
        "outputFacets": {"outputStatistics": statistics},
    }


def _version(version: int | None) -> dict[str, Any]:
    if version is None:
        return {}
    return {"version": _facet("1-0-1", "DatasetVersionDatasetFacet", {"datasetVersion": str(version)})}


def _column_lineage(run: Run, namespace: str) -> dict[str, Any]:
    """`fields` has what flows into each column and decides about its values, `dataset` what decides about all rows."""
    fields: dict[str, dict[str, Any]] = {}
    rows: list[dict[str, Any]] = []
    for edge in run.column_lineage:
        told = {
            "namespace": namespace,
            "name": edge["source"],
            "field": edge["source_column"],
            "transformations": [_transformation(edge["how"])],
        }
        if edge["column"] == "*":
            rows.append(told)
        else:
            fields.setdefault(edge["column"], {"inputFields": []})["inputFields"].append(told)
    return _facet("1-2-0", "ColumnLineageDatasetFacet", {"fields": fields, "dataset": rows})


def _transformation(how: str) -> dict[str, Any]:
    kind = "DIRECT" if how in DIRECT else "INDIRECT"
    return {"type": kind, "subtype": _WAYS.get(how, how.upper()), "description": "", "masking": False}


def _facet(version: str, name: str, content: Mapping[str, Any]) -> dict[str, Any]:
    return {
        "_producer": _PRODUCER,
        "_schemaURL": f"{_SPEC}/facets/{version}/{name}.json#/$defs/{name}",
        **content,
    }
