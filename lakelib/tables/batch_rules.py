"""The rules of a whole batch, checked when its rows are staged and judged."""

from collections.abc import Iterator, Sequence
from numbers import Number
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from lakelib import context, events
from lakelib.contracts import Contract, Query, table_schema
from lakelib.errors import ContractError

if TYPE_CHECKING:
    from pyspark.sql import DataFrame

__all__ = ["broken_batch_rules"]

_OBJECT: Final = "_lakelib_accepted"


def broken_batch_rules(
    contract: Contract, *, accepted: str, total: int, rejected: int, outcomes: Sequence[events.RuleOutcome]
) -> list[str]:
    """What the batch breaks, each as `code: what was found and promised`.

    `accepted` is the folder of the accepted rows, `total` and `rejected` are numbers of staged ones, `outcomes` tell
    how many rows broke which rule.

    Raises:
        ContractError: a rule `type: sql` that the engine can't answer with a number.
    """
    return [
        *_row_count(contract, total),
        *_most_rejected(contract, total, rejected, outcomes),
        *_limits(contract, total, outcomes),
        *_queries(contract, accepted),
    ]


def _row_count(contract: Contract, total: int) -> Iterator[str]:
    fewest, most = contract.row_count
    if (fewest is not None and total < fewest) or (most is not None and total > most):
        yield f"row_count: {total} rows, promised {fewest or 0} to {'any number' if most is None else most}"


def _most_rejected(
    contract: Contract, total: int, rejected: int, outcomes: Sequence[events.RuleOutcome]
) -> Iterator[str]:
    if rejected * 100 > contract.most_rejected_percent * total:
        reasons = ", ".join(f"{outcome.rule} {outcome.rows}" for outcome in outcomes if outcome.level == "error")
        yield f"most_rejected: {rejected} of {total} rows rejected ({reasons})"


def _limits(contract: Contract, total: int, outcomes: Sequence[events.RuleOutcome]) -> Iterator[str]:
    broken = {outcome.rule: outcome.rows for outcome in outcomes if outcome.level == "warning"}
    for rule in contract.rules:
        rows = broken.get(rule.title, 0)
        if rule.limit is not None and not rule.limit.holds_for(rows, of=total):
            where = f" of {rule.column}" if rule.column else ""
            yield f"{rule.code}: {rows} of {total} rows{where}, promised {rule.limit}"


def _queries(contract: Contract, accepted: str) -> Iterator[str]:
    if not contract.queries:
        return
    _rows(contract, accepted).createOrReplaceTempView(_OBJECT)
    for query in contract.queries:
        number = _answer(query, contract)
        if number is not None and not query.comparison.holds(number):
            yield f"{query.code}: {query.sql} answers {number}, promised {query.comparison}"


def _rows(contract: Contract, accepted: str) -> "DataFrame":
    session = context.current().engine.session
    if Path(accepted).is_dir():
        return session.read.parquet(accepted)
    return session.createDataFrame([], table_schema(contract))


def _answer(query: Query, contract: Contract) -> Any:
    """One number, or null."""
    from pyspark.errors import PySparkException

    try:
        rows = context.current().engine.session.sql(query.sql.replace("{object}", _OBJECT)).collect()
    except PySparkException as error:
        raise ContractError(
            f"Rule {query.code} of {contract.path} was asked and can't be answered: {error.getMessage()}",
            hint="It is SQL over the accepted rows, which it calls {object}.",
        ) from error
    if len(rows) != 1 or len(rows[0]) != 1 or not isinstance(rows[0][0], Number | None):
        raise ContractError(
            f"Rule {query.code} of {contract.path} was asked for one number; it answers {rows!s:.80}.",
            hint="Write SELECT count(*) FROM {object} WHERE …, or another aggregate.",
        )
    return rows[0][0]
