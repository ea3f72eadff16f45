"""PIVOT and UNPIVOT of SQL as parts of a plan."""

from pyspark.sql.connect.proto import Aggregate, Expression, Relation
from sqlglot import exp

from lakelib.lineage.plan import UNPIVOT
from lakelib.lineage.protos import expression, relation
from lakelib.lineage.sql_expressions import Subqueries, all_columns_but, translate

__all__ = ["pivot", "unpivot"]


def pivot(tree: exp.Pivot, rows: Relation, *, subqueries: Subqueries) -> Relation:
    """An aggregate by all columns that are not named; each cell is one of the aggregates, of the rows that fit."""
    [field] = tree.args["fields"]
    cells = [exp.Filter(this=each.unalias(), expression=field.this) for each in tree.expressions]
    named = (
        exp.alias_(cells[number % len(cells)].copy(), column.name, quoted=True)
        for number, column in enumerate(tree.args["columns"])
    )
    used = {column.name for part in (*tree.expressions, field.this) for column in part.find_all(exp.Column)}
    return relation(
        aggregate={
            "input": rows,
            "group_type": Aggregate.GROUP_TYPE_GROUPBY,
            "grouping_expressions": [all_columns_but(used)],
            "aggregate_expressions": [translate(each, subqueries) for each in named],
        }
    )


def unpivot(tree: exp.Pivot, rows: Relation, *, subqueries: Subqueries) -> Relation:
    """A row for each of the columns that are named, or of the lists of columns, and all other columns beside it."""
    [field] = tree.args["fields"]
    taken = [_listed(each.this if isinstance(each, exp.PivotAlias) else each) for each in field.expressions]
    names = [field.this.name, *(each.name for each in _listed(tree.expressions[0]))]
    values = [_number(len(taken))]
    for columns in taken:
        values += [_number(0), *(translate(each, subqueries) for each in columns)]
    made = expression(unresolved_function={"function_name": UNPIVOT, "arguments": values})
    left = all_columns_but({each.name for columns in taken for each in columns})
    return relation(project={"input": rows, "expressions": [left, expression(alias={"expr": made, "name": names})]})


def _listed(tree: exp.Expr) -> list[exp.Expr]:
    return list(tree.expressions) if isinstance(tree, exp.Tuple) else [tree.unnest()]


def _number(value: int) -> Expression:
    return expression(literal={"long": value})
