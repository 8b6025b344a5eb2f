"""Memory that several local models share."""

from __future__ import annotations

import math
import threading
from typing import Protocol

from agents.errors import ModelUnavailable


class Tenant(Protocol):
    """A model that may be in memory."""

    @property
    def idle(self) -> bool:
        """Whether it may leave the memory now."""

    @property
    def wants_since(self) -> float:
        """Since when it waits to be in memory; infinity where it doesn't."""

    def unload(self) -> None:
        """Leave the memory."""

    def serve(self) -> None:
        """Go on with what waited for memory."""


class Memory:
    """Lends memory to models: those idle for longest leave for another; one in use never does.

    `limit_bytes` 0 is no limit. Its models guard themselves, and this, by its one `lock`.
    """

    def __init__(self, limit_bytes: int = 0) -> None:
        self.lock = threading.RLock()
        self._limit = limit_bytes or math.inf
        self._tenants: set[Tenant] = set()
        self._loaded: dict[Tenant, int] = {}
        """What each takes; the one used least recently first."""

    def join(self, model: Tenant) -> None:
        """Let a model know when memory may have become free."""
        self._tenants.add(model)

    def leave(self, model: Tenant) -> None:
        """Have nothing to do with a model any more."""
        self._tenants.discard(model)
        self.give_back(model)

    def refuse_too_large(self, name: str, size_bytes: int) -> None:
        """Raises `ModelUnavailable` for a model that doesn't fit even alone."""
        if size_bytes > self._limit:
            raise ModelUnavailable(
                f"{name} takes about {size_bytes >> 20} MB of memory, and local models may have "
                f"{int(self._limit) >> 20} MB: raise model_memory_bytes, or lower this model's context_tokens, "
                "parallel or prefix_bytes."
            )

    def take(self, model: Tenant, size_bytes: int) -> bool:
        """Have room for a model; False while others need theirs."""
        if size_bytes + sum(size for other, size in self._loaded.items() if not other.idle) > self._limit:
            return False
        while size_bytes + sum(self._loaded.values()) > self._limit:
            idle = next(other for other in self._loaded if other.idle)
            del self._loaded[idle]
            idle.unload()
        self._loaded[model] = size_bytes
        return True

    def give_back(self, model: Tenant) -> None:
        """A model has left the memory."""
        self._loaded.pop(model, None)
        self._pass_on()

    def used(self, model: Tenant) -> None:
        """A model has done something: it counts as used last, and may be idle now."""
        if model in self._loaded:
            self._loaded[model] = self._loaded.pop(model)
        self._pass_on()

    def gives_way(self, model: Tenant, since: float) -> bool:
        """Whether another model waits for memory for longer than since then."""
        return any(other.wants_since < since for other in self._tenants if other is not model)

    def _pass_on(self) -> None:
        for tenant in sorted(self._tenants, key=lambda tenant: tenant.wants_since):
            tenant.serve()
