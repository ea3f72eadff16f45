"""A new project, and a new table in one: files written once, and the user's own from then on."""

from lakelib.scaffold.project import make_project
from lakelib.scaffold.table import make_table

__all__ = ["make_project", "make_table"]
