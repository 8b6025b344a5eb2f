"""The configured models by name."""

from __future__ import annotations

import threading
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from agents.errors import ModelUnavailable
from agents.models.settings import ModelSettings

if TYPE_CHECKING:
    from langchain_core.language_models import BaseChatModel, LanguageModelInput
    from langchain_core.messages import AIMessage
    from langchain_core.runnables import Runnable

    from agents.models.engine import Outlook


def build_model(settings: ModelSettings) -> BaseChatModel:
    """The chat model that the settings describe; weights and connections come with its first use.

    Raises `ModelUnavailable` where a hosted provider or its key is missing.
    """
    if settings.kind == "scripted":
        from agents.models.scripted import ScriptedChat

        return ScriptedChat()
    if settings.kind == "local":
        from agents.models.local import LlamaChat

        return LlamaChat.build(settings)
    from agents.models.hosted import HostedChat

    return HostedChat.build(settings)


class ModelPool:
    """The default model and the further ones that experiments name, each built once and shared by all turns.

    `default` takes the place of the model that `settings` would build.
    """

    def __init__(
        self,
        settings: ModelSettings,
        named: Mapping[str, ModelSettings] | None = None,
        *,
        default: BaseChatModel | None = None,
    ) -> None:
        self._settings: dict[str | None, ModelSettings] = {None: settings}
        self._settings.update(named or {})
        self._models: dict[str | None, BaseChatModel] = {} if default is None else {None: default}
        self._building = threading.Lock()

    def get(self, name: str | None = None) -> BaseChatModel:
        """The model of that name; None is the default. Raises `ModelUnavailable` for a name that is not configured."""
        settings = self.settings_of(name)
        with self._building:
            if name not in self._models:
                self._models[name] = build_model(settings)
            return self._models[name]

    def settings_of(self, name: str | None = None) -> ModelSettings:
        """How that model is configured. Raises `ModelUnavailable` for a name that is not."""
        if name not in self._settings:
            raise ModelUnavailable(f"No model {name} is configured: add it below [models].")
        return self._settings[name]

    def name_of(self, name: str | None = None) -> str:
        """What traces and pages call that model."""
        if name is None and None in self._models:
            return getattr(self._models[None], "model_name", self.settings_of().label)
        return self.settings_of(name).label

    def working_for(self, user: str, turn: str, name: str | None = None) -> Runnable[LanguageModelInput, AIMessage]:
        """The model of that name; one that shares itself among users knows for whom it works."""
        model = self.get(name)
        return model.bind(user=user, turn=turn) if hasattr(model, "outlook") else model

    def outlook(self, turn: str, name: str | None = None) -> Outlook | None:
        """How long a turn will wait for that model; None where it does not wait in line."""
        model: Any = self.get(name)
        return model.outlook(turn) if hasattr(model, "outlook") else None

    def warm(self) -> None:
        """Load the default model now, where it is one that loads; blocks. Raises `ModelUnavailable`."""
        _call(self.get(), "warm")

    def close(self) -> None:
        """Stop the models' threads and free their memory."""
        for model in self._models.values():
            _call(model, "close")


def _call(model: BaseChatModel, method: str) -> None:
    """Only models with weights of their own have something to load and to free."""
    getattr(model, method, lambda: None)()
