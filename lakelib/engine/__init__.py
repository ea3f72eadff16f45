"""What runs DataFrames and makes commits: `embedded` (Sail and delta-rs, in process) or `spark` (Spark and Delta)."""

from lakelib.engine.protocol import Commit, Engine, Merge, Version, Written
from lakelib.errors import SettingsError
from lakelib.settings import Settings, check_place

__all__ = ["Commit", "Engine", "Merge", "Version", "Written", "open_engine"]


def open_engine(settings: Settings) -> Engine:
    """The engine that the settings name; nothing starts before its session is asked for.

    Raises:
        SettingsError: `engine` is none of embedded, spark, sc://host:port, or can't read tables where the lake is.
    """
    check_place(settings)
    if settings.engine == "embedded":
        from lakelib.engine.embedded import EmbeddedEngine

        return EmbeddedEngine(settings.embedded)
    if settings.engine == "spark" or settings.engine.startswith("sc://"):
        from lakelib.engine.spark import SparkEngine

        return SparkEngine(settings)
    raise SettingsError(
        f"Engine {settings.engine!r} was asked for.", hint="Engines are embedded, spark and sc://host:port."
    )
