"""Column lineage: what each column of a DataFrame is made of, read from the plan that its client holds."""

from lakelib.lineage.resolving import trace
from lakelib.lineage.values import Flow, Influence, Lineage, Origin
from lakelib.lineage.views import watch

__all__ = ["Flow", "Influence", "Lineage", "Origin", "trace", "watch"]
