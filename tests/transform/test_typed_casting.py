from lakelib.contracts import Column, Contract
from lakelib.names import TableName
from lakelib.transform import cast_to_contract

RETYPED = [
    ("CAST(7 AS bigint)", "int", "7"),
    ("3000000000", "int", None),
    ("7.0D", "int", "7"),
    ("1.5D", "int", None),
    ("300", "tinyint", None),
    ("99999BD", "decimal(4,1)", None),
    ("1.25BD", "decimal(4,1)", "1.3"),
    ("DATE '2013-01-01'", "timestamp", "2013-01-01 00:00:00"),
]


def test_a_typed_value_is_cast_or_unreadable_where_the_type_cannot_hold_it(engine):
    names = [f"value_{number}" for number in range(len(RETYPED))]
    columns = tuple(Column(name, kind) for name, (_, kind, _) in zip(names, RETYPED, strict=True))
    contract = Contract(TableName("silver", "things"), "1.0.0", "Things", "One row a thing.", columns)
    values = ", ".join(f"{sql} AS {name}" for name, (sql, _, _) in zip(names, RETYPED, strict=True))
    row = engine.session.sql(f"SELECT {values}").transform(cast_to_contract, contract)
    shown = row.selectExpr(*(f"CAST({name} AS string) AS {name}" for name in names), "_errors.message AS said").first()
    assert [shown[name] for name in names] == [cast for _, _, cast in RETYPED]
    assert shown["said"] == [
        "value_1 = '3000000000' is no int",
        "value_3 = '1.5' is no int",
        "value_4 = '300' is no tinyint",
        "value_5 = '99999' is no decimal(4,1)",
    ]
