"""Local models that share the memory, without loading any."""

from __future__ import annotations

from dataclasses import dataclass, field
from math import inf

import pytest

from agents.errors import ModelUnavailable
from agents.models.memory import Memory


@dataclass(eq=False)
class Model:
    """Loads itself as soon as it may, and counts how often it was told to go on."""

    memory: Memory
    size: int = 60
    idle: bool = True
    wants_since: float = inf
    loaded: bool = field(default=False, init=False)

    def __post_init__(self) -> None:
        self.memory.join(self)

    def serve(self) -> None:
        if self.wants_since < inf and self.memory.take(self, self.size):
            self.loaded, self.idle, self.wants_since = True, False, inf

    def unload(self) -> None:
        assert self.idle
        self.loaded = False

    def ask(self, since: float = 0.0) -> None:
        self.wants_since = since
        self.serve()

    def end(self) -> None:
        self.idle = True
        self.memory.used(self)


def test_the_model_idle_for_longest_leaves_for_another() -> None:
    memory = Memory(130)
    first, second, third = (Model(memory) for _ in range(3))
    for model in (first, second):
        model.ask()
        model.end()
    first.ask()
    first.end()
    third.ask()
    assert (first.loaded, second.loaded, third.loaded) == (True, False, True)


def test_a_model_in_use_stays_and_the_other_follows_it() -> None:
    memory = Memory(100)
    first, second = Model(memory), Model(memory)
    first.ask()
    second.ask()
    assert (first.loaded, second.loaded) == (True, False)
    first.end()
    assert (first.loaded, second.loaded) == (False, True)


def test_nothing_leaves_for_a_model_that_would_still_not_fit() -> None:
    memory = Memory(130)
    busy, idle, large = Model(memory), Model(memory), Model(memory, size=100)
    busy.ask()
    idle.ask()
    idle.end()
    large.ask()
    assert (busy.loaded, idle.loaded, large.loaded) == (True, True, False)
    busy.end()
    assert (busy.loaded, idle.loaded, large.loaded) == (False, False, True)


def test_the_request_that_came_first_has_the_memory_first() -> None:
    memory = Memory(100)
    busy, late, early = (Model(memory) for _ in range(3))
    busy.ask()
    late.ask(since=2.0)
    early.ask(since=1.0)
    assert memory.gives_way(busy, 3.0)
    assert not memory.gives_way(busy, 0.5)
    assert not memory.gives_way(early, 1.5)
    busy.end()
    assert (early.loaded, late.loaded) == (True, False)


def test_a_model_that_leaves_gives_its_memory_back() -> None:
    memory = Memory(100)
    first, second = Model(memory), Model(memory)
    first.ask()
    second.ask()
    memory.leave(first)
    assert second.loaded


def test_without_a_limit_everything_stays() -> None:
    memory = Memory()
    models = [Model(memory, size=10**12) for _ in range(3)]
    for model in models:
        memory.refuse_too_large("any.gguf", model.size)
        model.ask()
        model.end()
    assert all(model.loaded for model in models)


def test_a_model_that_never_fits_is_refused_with_what_to_do() -> None:
    with pytest.raises(ModelUnavailable, match=r"large.gguf takes about 2048 MB .* 1024 MB: raise model_memory_bytes"):
        Memory(1 << 30).refuse_too_large("large.gguf", 2 << 30)
