"""Every setting of Parley, composed from the sections that the packages own.

Sources, strongest first: arguments, environment (`PARLEY_SECTION__FIELD`), `parley.toml`, defaults. `HOST`, `PORT`,
`LANGSMITH_ENDPOINT`, `LANGSMITH_API_KEY` and `LANGSMITH_PROJECT` are understood too. An unknown name is refused.
"""

from __future__ import annotations

import os
import tomllib
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Self

from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator
from pydantic_settings import (
    BaseSettings,
    PydanticBaseSettingsSource,
    SettingsConfigDict,
    TomlConfigSettingsSource,
)

from agents.answering.settings import AnsweringSettings
from agents.cache.settings import CacheSettings
from agents.models.settings import DEFAULT, ModelSettings
from agents.routing import RoutingRule
from agents.settings import TurnSettings
from app.auth.settings import AuthSettings
from app.budgets.settings import BudgetSettings
from app.ops.experiments.settings import Arm, Experiment
from app.ops.settings import DatabaseSettings, OpsSettings
from app.tracing.settings import TracingSettings
from ingest.settings import IngestSettings
from ingest.sources.settings import SourceName, SourceSettings
from rails.settings import RailsSettings
from retrieval.settings import RetrievalSettings

CONFIG_FILE = "parley.toml"
ENV_PREFIX = "PARLEY_"
DEBUG = "PARLEY_DEBUG"
"""Set to anything, it makes the command show stack traces; the only such name that is not a setting."""
ALIASES = {
    "HOST": ("server", "host"),
    "PORT": ("server", "port"),
    "LANGSMITH_ENDPOINT": ("tracing", "endpoint"),
    "LANGSMITH_API_KEY": ("tracing", "api_key"),
    "LANGSMITH_PROJECT": ("tracing", "project"),
}


class ConfigurationError(Exception):
    """A setting is wrong; the message names it and says what it may be."""


class ServerSettings(BaseModel):
    """Where the web server listens."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    host: str = "127.0.0.1"
    """Address to listen on; anything but loopback should stand behind TLS."""
    port: int = Field(default=8000, ge=0, le=65535)
    """Port to listen on."""
    public_url: str = ""
    """The address that users type, where a proxy stands in front; empty derives it from host and port."""


class Settings(BaseSettings):
    """The whole configuration of one Parley, read once and passed down."""

    model_config = SettingsConfigDict(
        env_prefix=ENV_PREFIX, env_nested_delimiter="__", toml_file=CONFIG_FILE, extra="forbid", frozen=True
    )

    data_dir: Path = Path(".parley")
    """Everything that Parley writes lies below this folder."""
    server: ServerSettings = ServerSettings()
    auth: AuthSettings = AuthSettings()
    turn: TurnSettings = TurnSettings()
    answering: AnsweringSettings = AnsweringSettings()
    cache: CacheSettings = CacheSettings()
    model: ModelSettings = ModelSettings()
    models: dict[str, ModelSettings] = Field(default_factory=dict)
    """Further models by name, for fallbacks, routing rules and the arms of experiments."""
    model_memory_bytes: int = Field(default=0, ge=0)
    """Memory of all local models together, which leave it for each other; 0 is no limit."""
    routing: tuple[RoutingRule, ...] = ()
    """Which model a question begins with: the first rule that holds decides, and `[model]` where none does."""
    budgets: BudgetSettings = BudgetSettings()
    retrieval: RetrievalSettings = RetrievalSettings()
    ingest: IngestSettings = IngestSettings()
    sources: dict[SourceName, SourceSettings] = Field(default_factory=dict)
    """Where documents come from by themselves, by name; `kind` says what it is."""
    rails: RailsSettings = RailsSettings()
    tracing: TracingSettings = TracingSettings()
    ops: OpsSettings = OpsSettings()
    database: DatabaseSettings = DatabaseSettings()
    experiments: dict[str, Experiment] = Field(default_factory=dict)
    """A/B experiments by name; at most one may be enabled."""

    @model_validator(mode="after")
    def _one_experiment_at_a_time(self) -> Self:
        enabled = [name for name, experiment in self.experiments.items() if experiment.enabled]
        if len(enabled) > 1:
            raise ValueError(f"only one experiment may be enabled at a time, not {' and '.join(enabled)}")
        return self

    @model_validator(mode="after")
    def _chains_and_rules_use_configured_models(self) -> Self:
        chains = {"model": self.model, **{f"models.{name}": model for name, model in self.models.items()}}
        named = [(f"{place}.fallbacks", name) for place, model in chains.items() for name in model.fallbacks]
        for place, name in [*named, *((f"routing rule {rule.name}", rule.model) for rule in self.routing)]:
            if name != DEFAULT and name not in self.models:
                raise ValueError(f"{place}: no model {name} is configured below [models]")
        if DEFAULT in self.models:
            raise ValueError(f"models.{DEFAULT}: this name stands for [model]; choose another")
        return self

    @model_validator(mode="after")
    def _arms_use_configured_models(self) -> Self:
        for name, experiment in self.experiments.items():
            for arm in experiment.arms:
                if arm.model is not None and arm.model not in self.models:
                    raise ValueError(
                        f"experiment {name}, arm {arm.name}: no model {arm.model} is configured below [models]"
                    )
        return self

    @model_validator(mode="after")
    def _prompts_exist(self) -> Self:
        arms = [arm for experiment in self.experiments.values() for arm in experiment.arms]
        changed = {self.turn.prompt, *(arm.prompt for arm in arms if arm.prompt)} - {TurnSettings().prompt}
        if changed:
            from agents.prompts import load_prompt  # here, because it takes a second
            from agents.prompts.hub_name import HubName, is_hub_name

            for name in sorted(changed):
                if is_hub_name(name):
                    HubName.parse(name)
                else:
                    load_prompt(name)
        return self

    @classmethod
    def settings_customise_sources(
        cls,
        settings_cls: type[BaseSettings],
        init_settings: PydanticBaseSettingsSource,
        env_settings: PydanticBaseSettingsSource,
        dotenv_settings: PydanticBaseSettingsSource,
        file_secret_settings: PydanticBaseSettingsSource,
    ) -> tuple[PydanticBaseSettingsSource, ...]:
        return (init_settings, env_settings, _Aliases(settings_cls), TomlConfigSettingsSource(settings_cls))

    @property
    def running_arms(self) -> tuple[Arm, ...]:
        """The arms of the one enabled experiment."""
        return next((experiment.arms for experiment in self.experiments.values() if experiment.enabled), ())

    @property
    def prompt_uses(self) -> dict[str, list[str]]:
        """Prompts, by name, with what answers with them: `default`, and arms as EXPERIMENT/ARM, disabled ones too."""
        uses = {self.turn.prompt: ["default"]}
        for name, experiment in self.experiments.items():
            for arm in experiment.arms:
                if arm.prompt is not None:
                    uses.setdefault(arm.prompt, []).append(f"{name}/{arm.name}")
        return uses

    @property
    def arms_by_release(self) -> dict[int, list[str]]:
        """The arms, as EXPERIMENT/ARM, that name a release of the corpus; those of disabled experiments too."""
        arms: dict[int, list[str]] = {}
        for name, experiment in self.experiments.items():
            for arm in experiment.arms:
                if arm.release is not None:
                    arms.setdefault(arm.release, []).append(f"{name}/{arm.name}")
        return arms

    @property
    def url(self) -> str:
        """Where users reach Parley."""
        host = f"[{self.server.host}]" if ":" in self.server.host else self.server.host
        return self.server.public_url.rstrip("/") or f"http://{host}:{self.server.port}"


class _Aliases(PydanticBaseSettingsSource):
    """The few environment names that other tools agree on."""

    def get_field_value(self, field: Any, field_name: str) -> tuple[Any, str, bool]:
        return None, field_name, False

    def __call__(self) -> dict[str, Any]:
        values: dict[str, Any] = {}
        for name, (section, field) in ALIASES.items():
            if os.environ.get(name):
                values.setdefault(section, {})[field] = os.environ[name]
        return values


def load_settings(**overrides: Any) -> Settings:
    """Read the settings. Raises `ConfigurationError` with one line for each thing that is wrong."""
    _refuse_unknown_environment()
    try:
        return Settings(**overrides)
    except ValidationError as error:
        raise ConfigurationError("\n".join(map(_line, error.errors()))) from error
    except tomllib.TOMLDecodeError as error:
        raise ConfigurationError(f"{CONFIG_FILE} is not valid TOML: {error}") from error


def _line(problem: Mapping[str, Any]) -> str:
    """One mistake: where it is, and what is wrong with it."""
    place = ".".join(map(str, problem["loc"])) or CONFIG_FILE
    if problem["type"] == "extra_forbidden":
        return f"{place} is not a setting; docs/settings.md lists them all"
    return f"{place}: {problem['msg'].removeprefix('Value error, ')}"


def _refuse_unknown_environment() -> None:
    """A misspelt variable would otherwise be ignored in silence."""
    for name in os.environ:
        section = name.removeprefix(ENV_PREFIX).split("__")[0].lower()
        if name.startswith(ENV_PREFIX) and name != DEBUG and section not in Settings.model_fields:
            known = ", ".join(sorted(Settings.model_fields))
            raise ConfigurationError(f"{name} is not a setting; the sections are {known}")
