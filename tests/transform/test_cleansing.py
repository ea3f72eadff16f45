import pytest

from lakelib.transform import (
    with_lower_case,
    with_match_key,
    with_nulls,
    with_spellings,
    with_trimmed,
    with_upper_case,
)
from tests.engines import embedded


@pytest.fixture
def texts(engine):
    def one_column(*values):
        return engine.session.createDataFrame([(value,) for value in values], "text string")

    return one_column


def values(df):
    return [row[-1] for row in df.collect()]


@embedded
def test_a_null_among_the_sentinels_changes_nothing(texts):
    assert values(texts("a", "N/A", None).transform(with_nulls, text=["N/A", None])) == ["a", None, None]


@embedded
def test_without_spellings_all_values_stay(texts):
    assert values(texts("a", None).transform(with_spellings, "text", spellings={})) == ["a", None]


def test_white_space_is_trimmed_and_nothing_else_becomes_null(texts):
    trimmed = texts("  New \t York ", " ", None, "a").transform(with_trimmed, "text")
    assert values(trimmed) == ["New York", None, None, "a"]


@embedded
def test_codes_get_one_case(texts):
    assert values(texts("n14228").transform(with_upper_case, "text")) == ["N14228"]
    assert values(texts("N14228").transform(with_lower_case, "text")) == ["n14228"]


@embedded
def test_sentinels_become_null(texts):
    assert values(texts("N/A", "-", "a", None).transform(with_nulls, text=["N/A", "-"])) == [None, None, "a", None]


@embedded
def test_spellings_are_mapped_and_others_stay(texts):
    spelled = texts("AIRBUS INDUSTRIE", "BOEING", None)
    assert values(spelled.transform(with_spellings, "text", spellings={"AIRBUS INDUSTRIE": "AIRBUS"})) == [
        "AIRBUS",
        "BOEING",
        None,
    ]


def test_a_match_key_leaves_out_what_people_write_differently(texts):
    keys = texts("Köln-Bonn", "KOLN  BONN.", "-", None).transform(with_match_key, "key", of=["text"])
    assert values(keys) == ["KOLNBONN", "KOLNBONN", None, None]
