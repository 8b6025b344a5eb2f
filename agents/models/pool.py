"""The configured models by name."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Mapping
from math import inf
from typing import TYPE_CHECKING, Any

from agents.errors import ModelUnavailable
from agents.models.breaker import CircuitBreaker
from agents.models.memory import Memory
from agents.models.settings import DEFAULT, ModelSettings

if TYPE_CHECKING:
    from langchain_core.language_models import BaseChatModel, LanguageModelInput
    from langchain_core.messages import AIMessage
    from langchain_core.runnables import Runnable

    from agents.models.engine import Outlook


def build_model(settings: ModelSettings, memory: Memory | None = None) -> BaseChatModel:
    """The chat model that the settings describe; weights and connections come with its first use.

    Local ones share the `memory`. Raises `ModelUnavailable` where a hosted provider or its key is missing.
    """
    if settings.kind == "scripted":
        from agents.models.scripted import ScriptedChat

        return ScriptedChat()
    if settings.kind == "local":
        from agents.models.local import LlamaChat

        return LlamaChat.build(settings, memory)
    from agents.models.hosted import HostedChat

    return HostedChat.build(settings)


class ModelPool:
    """The default model and the further ones that experiments name, each built once and shared by all turns.

    `default` and `others` take the place of the models that `settings` and `named` would build. Local ones take no more
    than `memory_bytes` together; 0 is no limit.
    """

    def __init__(
        self,
        settings: ModelSettings,
        named: Mapping[str, ModelSettings] | None = None,
        *,
        default: BaseChatModel | None = None,
        others: Mapping[str, BaseChatModel] | None = None,
        memory_bytes: int = 0,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._settings: dict[str | None, ModelSettings] = {None: settings}
        self._settings.update(named or {})
        self._models: dict[str | None, BaseChatModel] = {} if default is None else {None: default}
        self._models.update(others or {})
        self._building = threading.Lock()
        self._memory = Memory(memory_bytes)
        self._breakers = {
            name: CircuitBreaker(model.breaker_failures, model.breaker_cooldown_s, clock)
            for name, model in self._settings.items()
        }

    def get(self, name: str | None = None) -> BaseChatModel:
        """The model of that name; None is the default. Raises `ModelUnavailable` for a name that is not configured."""
        settings = self.settings_of(name)
        with self._building:
            if name not in self._models:
                self._models[name] = build_model(settings, self._memory)
            return self._models[name]

    def settings_of(self, name: str | None = None) -> ModelSettings:
        """How that model is configured. Raises `ModelUnavailable` for a name that is not."""
        if name not in self._settings:
            raise ModelUnavailable(f"No model {name} is configured: add it below [models].")
        return self._settings[name]

    def chain(self, name: str | None = None) -> list[str | None]:
        """That model and, in their order, those that are asked where it fails; each once."""
        fallbacks = (None if other == DEFAULT else other for other in self.settings_of(name).fallbacks)
        return list(dict.fromkeys([name, *fallbacks]))

    def breaker(self, name: str | None = None) -> CircuitBreaker:
        """What leaves that model alone when it keeps failing."""
        return self._breakers[name]

    def breakers(self) -> dict[str, CircuitBreaker]:
        """Those of all models, by the models' names in the settings."""
        return {name or DEFAULT: breaker for name, breaker in self._breakers.items()}

    def name_of(self, name: str | None = None) -> str:
        """What traces and pages call that model."""
        return getattr(self._models.get(name), "model_name", self.settings_of(name).label)

    def working_for(
        self, user: str, turn: str, name: str | None = None, *, left_s: float = inf
    ) -> Runnable[LanguageModelInput, AIMessage]:
        """The model of that name; one that is shared among users knows for whom it works, and how long it may wait."""
        model: Any = self.get(name)
        if not hasattr(model, "outlook"):
            return model
        wait_s = min(model.first_token_timeout_s, left_s)
        return model.model_copy(update={"first_token_timeout_s": wait_s}).bind(user=user, turn=turn)

    def outlook(self, turn: str, name: str | None = None) -> Outlook | None:
        """How long a turn will wait for that model; None where it does not wait in line."""
        model: Any = self._models.get(name)
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
