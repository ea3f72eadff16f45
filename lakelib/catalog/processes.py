"""A run as DataHub's metadata: the notebook as a job, the run as an instance of it, and what it did to its table."""

from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime
from typing import Any, Final

from datahub.emitter.mcp import MetadataChangeProposalWrapper as Proposal
from datahub.metadata import schema_classes as models

from lakelib.catalog.datasets import ACTOR, of_source, proposals, rule_titles
from lakelib.catalog.graph import DIRECT, Edge, Graph
from lakelib.catalog.profiling import Profile, profile_at
from lakelib.catalog.runs import Run
from lakelib.catalog.urns import Urns
from lakelib.contracts import Contract
from lakelib.errors import RuleError

__all__ = ["of_run"]

_RESULTS: Final = {
    "succeeded": models.RunResultTypeClass.SUCCESS,
    "failed": models.RunResultTypeClass.FAILURE,
    "killed": models.RunResultTypeClass.FAILURE,
    "cancelled": models.RunResultTypeClass.SKIPPED,
    "skipped": models.RunResultTypeClass.SKIPPED,
    "rolled back": models.RunResultTypeClass.SKIPPED,
}
_OPERATIONS: Final = {
    "append": models.OperationTypeClass.INSERT,
    "load": models.OperationTypeClass.INSERT,
    "merge": models.OperationTypeClass.UPDATE,
    "overwrite": models.OperationTypeClass.UPDATE,
    "replace": models.OperationTypeClass.UPDATE,
    "snapshot": models.OperationTypeClass.UPDATE,
}


def of_run(
    run: Run, contract: Contract | None, *, urns: Urns, is_newest: bool, profile: Profile | None = None
) -> list[Proposal]:
    """`is_newest`: of the runs of its table, so that its lineage is the table's; `profile`: of what it left there."""
    contracts = {run.table: contract} if contract is not None else {}
    edges = Graph.of([run], contracts).edges
    made = [*_flow(run, urns), *_instance(run, edges, urns), *_operations(run, urns)]
    if is_newest:
        made += [*_job(run, edges, urns), *_lineage(run, edges, urns), *_evidence(run, urns)]
        columns = contract.column_names if contract is not None else []
        made += [each for source in run.sources for each in of_source(source, columns, urns=urns)]
    if profile is not None:
        made += proposals(urns.dataset(run.table), profile_at(profile, run.finished))
    if contract is not None and _was_audited(run):
        made += _assertion_results(run, contract, urns)
    return made


def _flow(run: Run, urns: Urns) -> list[Proposal]:
    name = run.airflow.dag_id if run.airflow else urns.settings.flow
    told = models.DataFlowInfoClass(name=name, description="Notebooks in the order of their tables")
    return proposals(_flow_urn(run, urns), told)


def _flow_urn(run: Run, urns: Urns) -> str:
    return urns.airflow_flow(run.airflow) if run.airflow else urns.flow


def _job_urn(run: Run, urns: Urns) -> str:
    return urns.airflow_job(run.airflow) if run.airflow else urns.job(run.table)


def _job(run: Run, edges: Sequence[Edge], urns: Urns) -> list[Proposal]:
    return proposals(
        _job_urn(run, urns),
        models.DataJobInfoClass(
            name=run.table,
            type="NOTEBOOK",
            description=run.receipt["title"],
            flowUrn=_flow_urn(run, urns),
            customProperties={"notebook": run.receipt["notebook"], "code_sha256": run.receipt["code_sha256"]},
        ),
        models.DataJobInputOutputClass(
            inputDatasets=_inputs(run, edges, urns),
            outputDatasets=[urns.dataset(run.table)],
            fineGrainedLineages=_fine_grained(run, edges, urns),
        ),
    )


def _inputs(run: Run, edges: Sequence[Edge], urns: Urns) -> list[str]:
    found = (edge for edge in edges if edge.how == "read" and edge.target.table == run.table)
    return sorted({urns.dataset(edge.source.table) for edge in found if edge.source.table != run.table})


def _fine_grained(run: Run, edges: Sequence[Edge], urns: Urns) -> list[models.FineGrainedLineageClass]:
    """One a column and way of flowing. What decides about rows is no field's lineage: it is told as a property."""
    flows: dict[tuple[str, str], list[str]] = {}
    for edge in edges:
        if edge.is_direct and edge.target.column not in ("", "*"):
            upstream = urns.field(edge.source.table, edge.source.column)
            flows.setdefault((edge.target.column, edge.how), []).append(upstream)
    return [
        models.FineGrainedLineageClass(
            upstreamType=models.FineGrainedLineageUpstreamTypeClass.FIELD_SET,
            downstreamType=models.FineGrainedLineageDownstreamTypeClass.FIELD,
            upstreams=sorted(set(upstreams)),
            downstreams=[urns.field(run.table, column)],
            transformOperation=how.upper(),
            confidenceScore=0.5 if run.receipt.get("lineage_unresolved") else 1.0,
        )
        for (column, how), upstreams in sorted(flows.items())
    ]


def _lineage(run: Run, edges: Sequence[Edge], urns: Urns) -> list[Proposal]:
    if not run.has_lineage:
        return []
    decided = _decided(edges)
    upstreams = [
        models.UpstreamClass(
            dataset=urns.dataset(table),
            type=models.DatasetLineageTypeClass.TRANSFORMED,
            auditStamp=models.AuditStampClass(_ms(run.finished), ACTOR),
            properties={"run_id": run.run_id, **_version(run, table), **decided.get(table, {})},
        )
        for table in sorted({edge.source.table for edge in edges if edge.how == "read"} - {run.table})
    ]
    fine = [each for each in _fine_grained(run, edges, urns) if _is_from_elsewhere(each, urns.dataset(run.table))]
    told = proposals(
        urns.dataset(run.table), models.UpstreamLineageClass(upstreams=upstreams, fineGrainedLineages=fine)
    )
    return [*told, *_quarantine_lineage(run, urns)]


def _is_from_elsewhere(lineage: models.FineGrainedLineageClass, own: str) -> bool:
    return not all(own in upstream for upstream in lineage.upstreams or ())


def _decided(edges: Sequence[Edge]) -> dict[str, dict[str, str]]:
    """By the table they are of: the columns that decide about rows or values, by the way they do."""
    found: dict[str, dict[str, set[str]]] = {}
    for edge in edges:
        if edge.how not in (*DIRECT, "read"):
            found.setdefault(edge.source.table, {}).setdefault(edge.how, set()).add(edge.source.column)
    return {table: {how: ", ".join(sorted(names)) for how, names in ways.items()} for table, ways in found.items()}


def _version(run: Run, table: str) -> dict[str, str]:
    reads = run.receipt["reads"]
    return {"version": str(reads[table])} if table in reads else {}


def _quarantine_lineage(run: Run, urns: Urns) -> list[Proposal]:
    for write in run.writes:
        if write["table"].startswith("quarantine."):
            upstream = models.UpstreamClass(urns.dataset(run.table), models.DatasetLineageTypeClass.COPY)
            return proposals(
                urns.dataset(write["table"]),
                models.StatusClass(removed=False),
                models.UpstreamLineageClass(upstreams=[upstream]),
            )
    return []


def _instance(run: Run, edges: Sequence[Edge], urns: Urns) -> list[Proposal]:
    started, finished = _ms(run.started), _ms(run.finished)
    urn = urns.airflow_instance(run.airflow) if run.airflow else urns.instance(run.run_id)
    result = models.DataProcessInstanceRunResultClass(
        _RESULTS.get(run.status, models.RunResultTypeClass.SKIPPED), nativeResultType="lakelib"
    )
    outputs = sorted({urns.dataset(write["table"]) for write in run.writes})
    instance = proposals(
        urn,
        models.DataProcessInstancePropertiesClass(
            name=run.run_id,
            created=models.AuditStampClass(started, ACTOR),
            customProperties=_told(run),
            externalUrl=run.page.as_uri(),
            type=models.DataProcessTypeClass.BATCH_SCHEDULED
            if run.airflow
            else models.DataProcessTypeClass.BATCH_AD_HOC,
        ),
        models.DataProcessInstanceRelationshipsClass(upstreamInstances=[], parentTemplate=_job_urn(run, urns)),
        models.DataProcessInstanceInputClass(inputs=_inputs(run, edges, urns)),
    )
    if outputs:
        instance += proposals(urn, models.DataProcessInstanceOutputClass(outputs=outputs))
    return [
        *instance,
        *proposals(
            urn,
            models.DataProcessInstanceRunEventClass(started, models.DataProcessRunStatusClass.STARTED),
            models.DataProcessInstanceRunEventClass(
                finished,
                models.DataProcessRunStatusClass.COMPLETE,
                result=result,
                durationMillis=finished - started,
            ),
        ),
    ]


def _told(run: Run) -> dict[str, str]:
    receipt = run.receipt
    rows = {f"rows_{name}": str(number) for name, number in receipt["rows"].items()}
    error = {"error": receipt["error"]["kind"]} if receipt["error"] else {}
    git = {"revision": receipt["git"]["revision"]} if receipt.get("git") else {}
    interval = {name: receipt[name] for name in ("start_date", "end_date") if receipt[name]}
    reads = {f"read {table}": str(version) for table, version in receipt["reads"].items()}
    return {"status": run.status, "engine": receipt["engine"], **interval, **rows, **reads, **git, **error}


def _operations(run: Run, urns: Urns) -> Iterator[Proposal]:
    for write in run.writes:
        changed = sum(write.get(name, 0) for name in ("inserted", "updated", "deleted")) or write.get("rows", 0)
        yield from proposals(
            urns.dataset(write["table"]),
            models.OperationClass(
                timestampMillis=_ms(run.finished),
                operationType=_OPERATIONS.get(write.get("verb", "append"), models.OperationTypeClass.CUSTOM),
                customOperationType=write.get("verb"),
                lastUpdatedTimestamp=_ms(run.finished),
                actor=ACTOR,
                numAffectedRows=changed,
                sourceType=models.OperationSourceTypeClass.DATA_PROCESS,
                customProperties={"run_id": run.run_id, "version": str(write["version"]), **_counts(write)},
            ),
        )


def _counts(write: Mapping[str, Any]) -> dict[str, str]:
    return {name: str(write[name]) for name in ("inserted", "updated", "deleted", "rows") if name in write}


def _evidence(run: Run, urns: Urns) -> list[Proposal]:
    link = models.InstitutionalMemoryMetadataClass(
        url=run.page.as_uri(),
        description="The executed notebook of the newest run",
        createStamp=models.AuditStampClass(_ms(run.finished), ACTOR),
    )
    return proposals(urns.dataset(run.table), models.InstitutionalMemoryClass(elements=[link]))


def _was_audited(run: Run) -> bool:
    return any(event["event"] == "Audited" for event in run.receipt["events"])


def _assertion_results(run: Run, contract: Contract, urns: Urns) -> Iterator[Proposal]:
    """A rule over rows fails where rows broke it; those rows are in quarantine and not in the table."""
    broken: Mapping[str, Any] = {outcome["rule"]: outcome for outcome in run.receipt["rules"]}
    error = run.receipt["error"] or {}
    refusal = error["message"] if error.get("kind") == RuleError.__name__ else ""  # names rules of the whole batch
    for title in rule_titles(contract):
        rows = broken[title]["rows"] if title in broken else 0
        is_broken = rows > 0 or f" {title}: " in refusal
        kind = models.AssertionResultTypeClass.FAILURE if is_broken else models.AssertionResultTypeClass.SUCCESS
        urn = urns.assertion(run.table, title)
        yield from proposals(
            urn,
            models.AssertionRunEventClass(
                timestampMillis=_ms(run.finished),
                runId=run.run_id,
                asserteeUrn=urns.dataset(run.table),
                status=models.AssertionRunStatusClass.COMPLETE,
                assertionUrn=urn,
                result=models.AssertionResultClass(
                    type=kind, rowCount=run.receipt["rows"]["staged"], unexpectedCount=rows
                ),
            ),
        )


def _ms(at: datetime) -> int:
    return int(at.timestamp() * 1000)
