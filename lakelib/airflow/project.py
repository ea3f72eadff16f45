"""The project whose notebooks run."""

from pathlib import Path

from lakelib.settings import Settings, load_settings

__all__ = ["home_of", "settings_of"]


def settings_of(project: Path) -> Settings:
    """The settings of this very project, whatever LAKE_PROJECT says: one Airflow may run several.

    Raises:
        SettingsError: its configuration is wrong.
    """
    return load_settings(project).model_copy(update={"project": project.resolve()})


def home_of(settings: Settings) -> Path:
    """What Airflow keeps of the project: `<lake>/airflow`."""
    return Path(str(settings.location(settings.lake))) / "airflow"
