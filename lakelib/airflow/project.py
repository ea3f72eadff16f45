"""The project whose notebooks run."""

from hashlib import sha256
from pathlib import Path

from lakelib.settings import Settings, load_settings

__all__ = ["blueprints_file", "home_of", "settings_of"]


def settings_of(project: Path) -> Settings:
    """The settings of this very project, whatever LAKE_PROJECT says: one Airflow may run several.

    Raises:
        SettingsError: its configuration is wrong.
    """
    return load_settings(project.resolve())


def home_of(settings: Settings) -> Path:
    """What Airflow keeps of the project: `<lake>/airflow`."""
    return Path(str(settings.location(settings.lake))) / "airflow"


def blueprints_file(settings: Settings) -> Path:
    """Where it is kept what the DAGs are made of; of each clone on its own, for several may have one lake."""
    return home_of(settings) / f"blueprints-{sha256(bytes(settings.project)).hexdigest()[:8]}.json"
