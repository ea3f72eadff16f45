"""Column lineage: what each column of a DataFrame is made of, read from the plan that its client holds."""

from lakelib.lineage.resolving import Lineage, trace
from lakelib.lineage.values import Flow, Influence, Origin
from lakelib.lineage.views import watch

__all__ = ["Flow", "Influence", "Lineage", "Origin", "trace", "watch"]
