"""Values of notebook parameters, checked before a kernel starts."""

import ast
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from typing import Any, Final

from pydantic import TypeAdapter, ValidationError

from lakelib.errors import ParameterError, closest
from lakelib.intervals import Interval
from lakelib.runner.facts import Notebook, Parameter

__all__ = ["Request", "resolve"]

_SCALARS: Final[Mapping[str, type]] = {"date": date, "int": int, "float": float, "bool": bool, "str": str}
_CONTAINERS: Final[Mapping[str, type]] = {"list": list, "dict": dict}


@dataclass(frozen=True)
class Request:
    """A notebook with the values its run gets, all of plain JSON types, dates as ISO text.

    `given` are the values that go over the defaults; `interval` is None for a notebook without
    `start_date` and `end_date`.
    """

    notebook: Notebook
    given: Mapping[str, Any]
    interval: Interval | None

    @property
    def values(self) -> dict[str, Any]:
        return {p.name: p.default for p in self.notebook.parameters} | dict(self.given)


def resolve(notebooks: Sequence[Notebook], *, interval: Interval | None, given: Mapping[str, str]) -> list[Request]:
    """One request a notebook: `given` texts typed by the annotations, over the interval, over the defaults.

    Raises:
        ParameterError: a name that none of the notebooks has, a value that is not of its type, or a parameter
            without a default that nobody gave.
    """
    known = {parameter.name for notebook in notebooks for parameter in notebook.parameters}
    for name in given:
        if name not in known:
            raise ParameterError(
                f"Parameter {name} was given; no selected notebook has it.", hint=closest(name, sorted(known))
            )
    return [_request(notebook, interval, given) for notebook in notebooks]


def _request(notebook: Notebook, interval: Interval | None, given: Mapping[str, str]) -> Request:
    dates = {"start_date": str(interval.start), "end_date": str(interval.end)} if interval else {}
    texts = dates | dict(given)
    values = {p.name: _value(texts[p.name], p, notebook) for p in notebook.parameters if p.name in texts}
    missing = [p.name for p in notebook.parameters if p.is_required and p.name not in values]
    if missing:
        raise ParameterError(
            f"{notebook.table} wants {', '.join(missing)}; nothing was given and there is no default.",
            hint=f"Give it: -p {missing[0]}=… (--from and --to give start_date and end_date).",
        )
    return Request(notebook, values, _interval({p.name: p.default for p in notebook.parameters} | values))


def _interval(values: Mapping[str, Any]) -> Interval | None:
    if values.keys() >= {"start_date", "end_date"}:
        return Interval.parse(values["start_date"], values["end_date"])
    return None


def _value(text: str, parameter: Parameter, notebook: Notebook) -> Any:
    try:
        return _typed(text, parameter.annotation or type(parameter.default).__name__)
    except (ValidationError, ValueError, TypeError, KeyError, SyntaxError, RecursionError, MemoryError) as error:
        raise ParameterError(
            f"Parameter {parameter.name} of {notebook.table} is {parameter.annotation}; {text!r} was given.",
            hint=f"Its default is {parameter.default!r}. {parameter.help}".strip(),
        ) from error


def _typed(text: str, annotation: str) -> Any:
    """Any other annotation than a scalar, a list, a dict or a Literal takes any Python literal."""
    base = annotation.removesuffix("| None").strip()
    if base != annotation and text == "None":
        return None
    if base in _SCALARS:
        scalar: Any = TypeAdapter(_SCALARS[base]).validate_strings(text)
        return scalar.isoformat() if isinstance(scalar, date) else scalar
    if base.startswith("Literal["):
        return {str(choice): choice for choice in _choices(base)}[text]
    value = ast.literal_eval(text)
    head = base.partition("[")[0]
    if head in _CONTAINERS and not isinstance(value, _CONTAINERS[head]):
        raise ValueError(text)
    return value


def _choices(literal: str) -> Sequence[Any]:
    choices = ast.literal_eval(literal.removeprefix("Literal[").removesuffix("]"))
    return choices if isinstance(choices, tuple) else (choices,)
