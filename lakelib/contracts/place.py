"""Where something stands in a contract file, so that every error names file, line and field."""

from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Final

import yaml

from lakelib.errors import ContractError, closest

__all__ = ["Place"]

_NAMING: Final = ("name", "property", "metric", "rule", "type")


@dataclass(frozen=True)
class Place:
    """A field of the contract file at `path`, such as schema.0.properties.weight_kg.unique."""

    path: Path
    field: str = ""

    def at(self, field: str) -> "Place":
        return replace(self, field=f"{self.field}.{field}" if self.field else field)

    def error(self, found: str, *, hint: str = "docs/contracts.md lists what a contract can say.") -> ContractError:
        place = f"{self.path}, line {_line(self.path, self.field)}"
        return ContractError(f"Contract {place}: {self.field or 'the file'} {found}.", hint=hint)

    def known(self, given: Mapping[str, Any], names: Collection[str]) -> Iterator[tuple[str, Any]]:
        """The items of `given`.

        Raises:
            ContractError: a name that is none of `names`; the hint has the closest of them.
        """
        for name, value in given.items():
            if name not in names:
                raise self.at(str(name)).error("is nothing lakelib holds", hint=closest(str(name), list(names)))
            yield name, value


def _line(path: Path, field: str) -> int:
    """The line of the field's innermost part that is in the file; where the file is no YAML, of what is wrong."""
    text = path.read_text(encoding="utf-8", errors="replace")
    try:
        node = yaml.compose(text)
    except yaml.MarkedYAMLError as error:
        return 1 + (error.problem_mark.line if error.problem_mark else 0)
    except yaml.reader.ReaderError as error:  # a character that YAML has not
        return 1 + text.count("\n", 0, error.position)
    line = 0
    for part in field.split("."):
        key, node = _inside(node, part)
        if key is None:
            break
        line = key.start_mark.line
    return 1 + line


def _inside(node: yaml.Node | None, part: str) -> tuple[yaml.Node | None, yaml.Node | None]:
    """Of the part of a mapping or a list: the node where it begins, and its value."""
    match node:
        case yaml.MappingNode():
            return next(((key, value) for key, value in node.value if key.value == part), (None, None))
        case yaml.SequenceNode():
            found = (each for number, each in enumerate(node.value) if part in (str(number), *_names(each)))
            item = next(found, None)
            return item, item
    return None, None


def _names(item: yaml.Node) -> list[str]:
    """What a `Place` may call this item of a list, instead of its number."""
    pairs = item.value if isinstance(item, yaml.MappingNode) else []
    return [str(value.value) for key, value in pairs if key.value in _NAMING]
