"""Where a plan begins: tables, files, databases, views, and rows made in Python."""

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any, Final

from lakelib.lineage.functions import GENERATORS
from lakelib.lineage.plan import Facts, Plan, literal_of
from lakelib.lineage.scopes import Column, Scope, identifier_parts
from lakelib.lineage.values import CONSTANT, Origin, Value, combined

if TYPE_CHECKING:
    from pyspark.sql.connect.proto import Relation

__all__ = ["LEAVES", "LOCAL", "local", "source_of", "view_named"]

LOCAL: Final = ("local_relation", "cached_local_relation", "chunked_cached_local_relation")
_PYTHON: Final = "rows made in Python"


def _read(relation: "Relation", plan: Plan, outer: Scope | None) -> Scope:
    if relation.read.HasField("named_table"):
        return _named_table(relation, plan, outer)
    return _source(relation, plan, *source_of(relation.read, plan.facts))


def _named_table(relation: "Relation", plan: Plan, outer: Scope | None) -> Scope:
    name = view_named(relation.read)
    view = plan.view(name) if name else None
    parts = identifier_parts(relation.read.named_table.unparsed_identifier)
    if view is not None:
        return view.qualified(parts)
    return _source(relation, plan, *source_of(relation.read, plan.facts)).qualified(parts)


def view_named(read: Any) -> str:
    """The view that a read may mean; nothing where it means a table, or files."""
    parts = identifier_parts(read.named_table.unparsed_identifier)
    return parts[-1] if len(parts) == 1 or parts[:1] == ("global_temp",) else ""


def source_of(read: Any, facts: Facts) -> tuple[str, int]:
    """The name of a source, and its version where one is pinned, or -1."""
    is_named = read.HasField("named_table")
    source = read.named_table if is_named else read.data_source
    version = source.options.get("versionAsOf", "")
    name = _table(source.unparsed_identifier) if is_named else _location(source, facts)
    return name, int(version) if version.isdecimal() else -1


def _table(identifier: str) -> str:
    return ".".join(part for part in identifier_parts(identifier) if part != "spark_catalog")


def _changes(relation: "Relation", plan: Plan, _: Scope | None) -> Scope:
    """The changes of a table, with columns that say what changed."""
    return _source(relation, plan, _table(relation.relation_changes.unparsed_identifier))


def _location(source: Any, facts: Facts) -> str:
    """What a `spark.read.format(…)` reads: paths, or a table or query of a database."""
    if source.paths:
        return ", ".join(facts.name(path) for path in source.paths)
    options = {name.lower(): value for name, value in source.options.items()}
    if "path" in options:
        return facts.name(options["path"])
    address = options.get("url", source.format).partition("?")[0].rpartition("@")[2]
    return "/".join(filter(None, (address, options.get("dbtable", options.get("query")))))


def _source(relation: "Relation", plan: Plan, name: str, version: int = -1) -> Scope:
    return Scope(
        tuple(
            Column(field.name, Value({Origin(name, field.name, version): "identity"}, kind=field.dataType))
            for field in plan.facts.schema(relation)
        )
    )


def local(named: "Relation", plan: Plan, *, rows: "Relation") -> Scope:
    """Rows that came along with the plan, their columns called as in `named`; where there are none, nothing flows."""
    if rows.HasField("local_relation") and not _has_rows(rows.local_relation.data):
        return Scope(tuple(Column(field.name, CONSTANT) for field in plan.facts.schema(named)))
    return _source(named, plan, _PYTHON)


def _local(relation: "Relation", plan: Plan, _: Scope | None) -> Scope:
    return local(relation, plan, rows=relation)


def _has_rows(data: bytes) -> bool:
    import pyarrow as pa

    return bool(data) and any(batch.num_rows for batch in pa.ipc.open_stream(data))


def _kept(relation: "Relation", plan: Plan, _: Scope | None) -> Scope:
    """A checkpoint, which goes by its id."""
    kept = plan.view(relation.cached_remote_relation.relation_id)
    if kept is None:
        plan.unresolved.append("a checkpoint")
    return kept or _source(relation, plan, "a checkpoint")


def _range(_: "Relation", __: Plan, ___: Scope | None) -> Scope:
    return Scope((Column("id", CONSTANT),))


def _table_function(relation: "Relation", plan: Plan, outer: Scope | None) -> Scope:
    from lakelib.lineage.expressions import value_of

    function = getattr(relation, relation.WhichOneof("rel_type") or "")
    values = [value_of(each, outer or Scope(), plan=plan) for each in function.arguments]
    generate = GENERATORS.get(function.function_name.lower())
    made = generate(values, [literal_of(each) for each in function.arguments]) if generate else []
    if not made or not all(name for name, _ in made):
        value = combined(values, "transformation")
        made = [(name, value) for name in plan.facts.schema(relation).names]
    return Scope(tuple(Column(name, value) for name, value in made))


LEAVES: Final[Mapping[str, Callable[["Relation", Plan, Scope | None], Scope]]] = {
    "read": _read,
    **dict.fromkeys(LOCAL, _local),
    "cached_remote_relation": _kept,
    "range": _range,
    "relation_changes": _changes,
    "unresolved_table_valued_function": _table_function,
    "common_inline_user_defined_table_function": _table_function,
}
