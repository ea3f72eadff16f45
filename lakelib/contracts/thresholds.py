"""What a quality rule of a contract file compares a number with."""

from typing import Any

from open_data_contract_standard.model import DataQuality

from lakelib.contracts.model import COMPARISONS, Comparison
from lakelib.contracts.place import Place

__all__ = ["comparison", "comparisons"]


def comparisons(quality: DataQuality) -> dict[str, Any]:
    """Those that are given, by their names."""
    return {name: value for name, value in quality if name.startswith("must") and value is not None}


def comparison(quality: DataQuality, place: Place) -> Comparison:
    """The one comparison of a rule.

    Raises:
        ContractError: none or several are given, with what is no number, or in another unit than rows or percent.
    """
    given = comparisons(quality)
    if len(given) != 1:
        raise place.error(
            f"compares with {', '.join(given) or 'nothing'}", hint=f"Give one of {', '.join(COMPARISONS)}."
        )
    [(name, value)] = given.items()
    numbers = value if isinstance(value, list) else [value]
    if not all(isinstance(number, int | float) and not isinstance(number, bool) for number in numbers):
        raise place.at(name).error(f"is {value!r}, which is no number")
    match quality.unit:
        case None | "rows":
            return Comparison(name, tuple(value) if isinstance(value, list) else value)
        case "percent":
            return Comparison(name, tuple(value) if isinstance(value, list) else value, "percent")
    raise place.at("unit").error(f"is {quality.unit!r}, neither rows nor percent")
