import json
import subprocess
import sys
from dataclasses import replace
from http.server import BaseHTTPRequestHandler, HTTPServer
from threading import Thread
from typing import Any

import pytest
from datahub.emitter.rest_emitter import RestSinkEndpoint
from datahub.metadata.urns import Urn

from lakelib.catalog import Lake
from lakelib.catalog.emitting import emit, open_spool, status, validate
from lakelib.catalog.openlineage import event_of
from lakelib.catalog.urns import Urns
from lakelib.catalog.validating import faults
from lakelib.errors import CatalogError, SettingsError
from lakelib.settings import CatalogSettings, load_settings
from tests.catalog.conftest import to_server
from tests.catalog.datahub_double import DataHubDouble, datahub_double
from tests.runner.projects import Project

ORDERS = "urn:li:dataset:(urn:li:dataPlatform:delta-lake,silver.orders,PROD)"


def aspects(double: DataHubDouble, urn: str) -> dict[str, Any]:
    return {each["aspectName"]: each["aspect"]["json"] for each in double.taken if each["entityUrn"] == urn}


def test_a_table_arrives_with_all_that_its_contract_says(emitted: DataHubDouble) -> None:
    told = aspects(emitted, ORDERS)
    fields = {field["fieldPath"]: field for field in told["schemaMetadata"]["fields"]}
    assert told["schemaMetadata"]["primaryKeys"] == ["order_id"]
    assert fields["customer"]["description"] == "who ordered"
    assert fields["customer"]["glossaryTerms"]["terms"] == [{"urn": "urn:li:glossaryTerm:classification.personal"}]
    assert told["ownership"]["owners"][0]["owner"] == "urn:li:corpGroup:sales-data"
    assert told["domains"]["domains"] == ["urn:li:domain:sales"]
    promised = [each["values"][0]["string"] for each in told["structuredProperties"]["properties"]]
    assert promised == ["1 d", "high", "1.0.0"]


def test_a_table_is_in_its_layer_and_that_in_the_lake(emitted: DataHubDouble) -> None:
    layer = aspects(emitted, aspects(emitted, ORDERS)["container"]["container"])
    lake = aspects(emitted, layer["container"]["container"])
    assert (layer["containerProperties"]["name"], lake["containerProperties"]["name"]) == ("silver", "lake")


def test_the_profile_of_a_table_is_what_its_log_says(emitted: DataHubDouble) -> None:
    told = aspects(emitted, ORDERS)["datasetProfile"]
    assert (told["rowCount"], told["columnCount"], told["sizeInBytes"] > 0) == (2, 5, True)
    assert [each["nullCount"] for each in told["fieldProfiles"] if each["fieldPath"] == "customer"] == [0]
    assert not any({"min", "max"} & set(each) for each in told["fieldProfiles"])


def test_an_operation_has_the_counts_of_its_commit(emitted: DataHubDouble) -> None:
    told = aspects(emitted, ORDERS)["operation"]
    assert (told["operationType"], told["numAffectedRows"], told["customProperties"]["inserted"]) == ("UPDATE", 2, "2")


def test_nested_fields_have_their_types(emitted: DataHubDouble) -> None:
    told = aspects(emitted, ORDERS.replace("silver.orders", "gold.totals"))["schemaMetadata"]["fields"]
    kinds = {field["fieldPath"]: next(iter(field["type"]["type"])) for field in told}
    assert kinds["address"] == "com.linkedin.schema.RecordType"
    assert kinds["address.city"] == "com.linkedin.schema.StringType"


def test_what_is_made_of_a_classified_column_has_its_term(emitted: DataHubDouble) -> None:
    told = aspects(emitted, ORDERS.replace("silver.orders", "gold.totals"))["schemaMetadata"]["fields"]
    assert [field["fieldPath"] for field in told if field.get("glossaryTerms")] == ["customer", "address"]


def test_lineage_arrives_exact_to_the_column(emitted: DataHubDouble) -> None:
    told = aspects(emitted, ORDERS)["upstreamLineage"]
    flows = {
        (each["upstreams"][0].rpartition(",")[2], each["downstreams"][0].rpartition(",")[2], each["transformOperation"])
        for each in told["fineGrainedLineages"]
    }
    assert flows == {
        ("order_id)", "order_id)", "TRANSFORMATION"),
        ("customer)", "customer)", "IDENTITY"),
        ("amount)", "amount)", "TRANSFORMATION"),
    }
    assert told["upstreams"][0]["properties"]["filter"] == "_delivered_on"


def test_a_run_is_an_instance_of_its_notebook_with_its_result(emitted: DataHubDouble) -> None:
    [urn] = [
        each["entityUrn"]
        for each in emitted.taken
        if each["aspectName"] == "dataProcessInstanceRelationships"
        and "silver.orders" in each["aspect"]["json"]["parentTemplate"]
    ]
    told = aspects(emitted, urn)
    assert told["dataProcessInstanceRunEvent"]["result"]["type"] == "SUCCESS"
    assert told["dataProcessInstanceOutput"]["outputs"] == [ORDERS.replace("silver.", "quarantine.silver__"), ORDERS]


def test_a_rule_is_an_assertion_that_fails_for_the_rows_that_broke_it(emitted: DataHubDouble) -> None:
    results = [each["aspect"]["json"] for each in emitted.taken if each["aspectName"] == "assertionRunEvent"]
    of_orders = [each for each in results if each["asserteeUrn"] == ORDERS]
    assert sorted(each["result"]["type"] for each in of_orders) == ["FAILURE", "SUCCESS"]
    assert [each["result"]["unexpectedCount"] for each in of_orders if each["result"]["type"] == "FAILURE"] == [1]


def test_runs_that_were_taken_back_are_told_as_such(shop: Project, double: DataHubDouble) -> None:
    run = Lake(load_settings(shop.folder)).newest["silver.orders"]
    assert shop.lake("rollback", run.run_id, "--with-dependants").returncode == 0
    [sent] = emit(to_server(shop, double))
    assert (sent.error, sent.waiting) == ("", 0)
    lake = Lake(load_settings(shop.folder))
    ends = {run.table: event_of(run, namespace="lake")["eventType"] for run in lake.runs}
    assert ends == {"bronze.orders": "COMPLETE", "silver.orders": "ABORT", "gold.totals": "ABORT"}
    assert set(lake.newest) == {"bronze.orders"}


def test_nothing_is_sent_twice(shop: Project, double: DataHubDouble) -> None:
    settings = to_server(shop, double)
    emit(settings)
    before = len(double.taken)
    assert emit(settings)[0].taken == 0
    assert len(double.taken) == before


@pytest.mark.parametrize("failure", [500, 401, 422, 0.6], ids=["error", "not allowed", "refused", "silent"])
def test_what_is_not_taken_waits_and_goes_in_order(shop: Project, double: DataHubDouble, failure: float) -> None:
    double.failures = [failure] * 9
    [first] = emit(to_server(shop, double, timeout_seconds=0.3))
    assert (first.taken, first.waiting > 0, bool(first.error)) == (0, True, True)
    settings = to_server(shop, double)
    double.failures.clear()
    double.taken.clear()
    emit(settings)
    with open_spool(settings) as spool:
        meant = [each["entityUrn"] for item in spool.items() for each in json.loads(item.content)]
    assert [each["entityUrn"] for each in double.taken] == meant


def test_a_server_that_goes_away_in_the_middle_gets_the_rest_and_nothing_twice(
    shop: Project, double: DataHubDouble
) -> None:
    settings = to_server(shop, double)
    double.healthy = 2
    [first] = emit(settings)
    assert (first.taken, first.waiting > 0) == (2, True)
    double.healthy = None
    [second] = emit(settings)
    assert (second.taken, second.waiting) == (first.waiting, 0)
    with open_spool(settings) as spool:
        assert len(double.taken) == sum(len(json.loads(item.content)) for item in spool.items())


def test_a_server_that_is_not_there_gets_all_when_it_is(shop: Project, double: DataHubDouble) -> None:
    nowhere = replace(double, url="http://127.0.0.1:9")
    [away] = emit(to_server(shop, nowhere, timeout_seconds=0.3))
    assert (away.taken, away.waiting > 0, "gave none" in away.error) == (0, True, True)
    [back] = emit(to_server(shop, double))
    assert (back.taken, back.waiting) == (away.waiting, 0)


def test_a_server_that_speaks_openapi_holds_the_same(
    shop: Project, double: DataHubDouble, emitted: DataHubDouble, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("datahub.emitter.rest_emitter.DEFAULT_REST_EMITTER_ENDPOINT", RestSinkEndpoint.OPENAPI)
    emit(to_server(shop, double))
    assert double.stored.keys() == emitted.stored.keys()


@pytest.mark.parametrize("answer", [b"<html>log in</html>", b"{}", b"[]", b"\xff"])
def test_what_answers_as_a_server_and_is_no_datahub_gets_nothing(shop: Project, answer: bytes) -> None:
    class Page(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.send_response(200)
            self.send_header("Content-Length", str(len(answer)))
            self.end_headers()
            self.wfile.write(answer)

        do_POST = do_GET

        def log_message(self, format: str, *args: object) -> None: ...

    with HTTPServer(("127.0.0.1", 0), Page) as page:
        Thread(target=page.serve_forever, daemon=True).start()
        [sent] = emit(to_server(shop, DataHubDouble(url=f"http://127.0.0.1:{page.server_port}")))
        page.shutdown()
    assert (sent.had, sent.waiting > 0) == (0, True)
    assert "gave none" in sent.error


@pytest.mark.parametrize("status", [401, 200])
def test_a_token_that_a_server_repeats_is_not_shown(
    shop: Project, monkeypatch: pytest.MonkeyPatch, status: int
) -> None:
    class Repeating(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.answer(status)

        def do_POST(self) -> None:
            self.answer(401)

        def answer(self, status: int) -> None:
            said = json.dumps({"noCode": "true", "message": f"not {self.headers['Authorization']}"}).encode()
            self.send_response(status)
            self.send_header("Content-Length", str(len(said)))
            self.end_headers()
            self.wfile.write(said)

        def log_message(self, format: str, *args: object) -> None: ...

    monkeypatch.setenv("TOKEN_OF_THIS", "hushhushhush")
    with HTTPServer(("127.0.0.1", 0), Repeating) as server:
        Thread(target=server.serve_forever, daemon=True).start()
        place = DataHubDouble(url=f"http://127.0.0.1:{server.server_port}")
        [sent] = emit(to_server(shop, place, token="env:TOKEN_OF_THIS"))
        server.shutdown()
    assert "not Bearer ***" in sent.error


def test_a_wrong_token_is_told_and_never_shown(shop: Project, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CATALOG_TOKEN", "not-the-right-one")
    with datahub_double(token="the-right-one") as double:
        [sent] = emit(to_server(shop, double, token="env:CATALOG_TOKEN"))
    assert "Unauthorized" in sent.error
    assert "not-the-right-one" not in sent.error


def test_a_table_is_deprecated_while_it_has_no_contract(shop: Project, double: DataHubDouble) -> None:
    settings, path = to_server(shop, double), shop.folder / "contracts/gold/totals.yml"
    text, urn, seen = path.read_text(), ORDERS.replace("silver.orders", "gold.totals"), []
    emit(settings)
    path.unlink()
    for told in ("", text):
        if told:
            path.write_text(told)
        emit(settings)
        seen.append(aspects(double, urn)["deprecation"]["deprecated"])
    assert seen == [True, False]


def test_lite_holds_what_was_sent_and_asks_no_name(shop: Project) -> None:
    code = f"""
import socket, sys
def refuse(*asked, **more): raise SystemExit(f"looked up {{asked}}")
socket.getaddrinfo = socket.gethostbyname = socket.create_connection = refuse
from pathlib import Path
from lakelib.catalog.emitting import emit
from lakelib.settings import load_settings
settings = load_settings(Path({str(shop.folder)!r}))
assert emit(settings)[0].waiting == 0
from datahub.lite.sqlite_lite import SqliteLite
lite = SqliteLite.create({{"file": str(settings.catalog_state / "datahub.db"), "read_only": True}})
print(list(lite.get({ORDERS!r}, aspects=["upstreamLineage"])["upstreamLineage"]["upstreams"])[0]["dataset"])
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.stdout.strip() == ORDERS.replace("silver", "bronze"), done.stderr


@pytest.mark.parametrize("kind", ["dataset", "domain", "job", "owner", "tag", "term"])
def test_any_name_makes_an_urn(kind: str) -> None:
    made = getattr(Urns(CatalogSettings()), kind)("flights, late (or not)")
    assert str(Urn.from_string(made)) == made


def test_what_was_put_into_the_spool_is_valid(shop: Project) -> None:
    settings = load_settings(shop.folder, catalog=CatalogSettings(sinks=("files",)))
    emit(settings)
    count, found = validate(settings)
    assert (count > 50, found) == (True, [])
    assert (status(settings)[0].had, status(settings)[0].waiting) == (6, 0)


@pytest.mark.parametrize(
    ("wrong", "told"),
    [
        ({"aspect": {"json": {"removed": False, "gone": True}}}, "has the unknown field gone"),
        ({"aspect": {"json": {"removed": "no"}}}, "is no valid StatusClass"),
        ({"aspectName": "ownership", "aspect": {"json": {"owners": [{"owner": 1}]}}}, "OwnershipClass"),
        ({"aspectName": "state"}, "there is no such aspect"),
        ({"entityUrn": "urn:li:dataset:x"}, "names urn:li:dataset:x, which is no URN"),
        ({"entityType": "chart"}, "is of a chart, by its URN of a dataset"),
    ],
)
def test_what_datahub_would_let_pass_is_a_fault(wrong: dict[str, Any], told: str) -> None:
    right = {
        "entityType": "dataset",
        "entityUrn": ORDERS,
        "aspectName": "status",
        "aspect": {"json": {"removed": False}},
    }
    assert faults(right) == []
    assert any(told in fault for fault in faults(right | wrong))


def test_a_damaged_item_of_the_spool_is_told(shop: Project) -> None:
    with open_spool(shop.settings) as spool:
        spool.put("gold.kpi", "state", content="[{")
    with pytest.raises(CatalogError, match=r"tells of gold\.kpi was to be read; it is damaged"):
        validate(shop.settings)


def test_a_damaged_spool_is_told(shop: Project) -> None:
    spool = shop.settings.catalog_state / "spool.db"
    spool.parent.mkdir(parents=True, exist_ok=True)
    spool.write_bytes(b"no database" * 1000)
    with pytest.raises(CatalogError, match=f"spool {spool} was to be used: file is not a database"):
        emit(shop.settings)


def test_kafka_names_what_it_needs(shop: Project) -> None:
    [sent] = emit(load_settings(shop.folder, catalog=CatalogSettings(sinks=("files",))))
    assert sent.error == ""
    with pytest.raises(SettingsError, match="acryl-datahub\\[datahub-kafka\\]"):
        emit(load_settings(shop.folder, catalog=CatalogSettings(sinks=("kafka",))))
