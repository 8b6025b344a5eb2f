"""What is asked of the engine's process, and what it answers."""

from __future__ import annotations

from pathlib import Path
from typing import Literal

from pydantic import BaseModel, ConfigDict, TypeAdapter


class Specification(BaseModel):
    """How to load a model, and how large."""

    model_config = ConfigDict(frozen=True)

    lanes: int
    """Requests that are computed at once."""
    lane_tokens: int
    """Prompt and answer of one, at most."""
    threads: int
    copy_bytes: int
    """Memory for what prompts that have no lane any more had in common with later ones."""
    rewrite: bool = True
    """Whether weights of a kind that this processor reads slowly are rewritten in eight bits."""
    adapter: Path | None = None
    """A LoRA adapter in GGUF."""
    adapter_scale: float = 1.0
    unload_after_s: float | None = None
    """How long the process stays without a request; None is for ever."""


class Sampling(BaseModel):
    """How tokens are chosen, and when to stop."""

    model_config = ConfigDict(frozen=True)

    max_tokens: int
    temperature: float = 0.0
    top_p: float = 1.0
    seed: int | None = None
    grammar: str | None = None
    """GBNF; its root rule is `root`."""
    logprobs: int | None = None
    """Likeliest tokens to tell beside each chosen one, with their log probabilities; None tells nothing of either."""


class Request(BaseModel):
    """Tokens to continue."""

    model_config = ConfigDict(frozen=True)

    id: int
    prompt: tuple[int, ...]
    said: tuple[int, ...] = ()
    """What an engine that died had already answered: the answer goes on after it."""
    sampling: Sampling


class Token(BaseModel):
    """One token of an answer."""

    id: int
    token: int
    logprob: float | None = None
    top: tuple[tuple[int, float], ...] = ()
    """The likeliest tokens at this place and their log probabilities, likeliest first."""


class Begun(BaseModel):
    """A request has a lane."""

    id: int
    reused_tokens: int
    """Tokens of the prompt that were known from before."""


class End(BaseModel):
    """No token follows."""

    id: int
    reason: Literal["stop", "length"]


class Pass(BaseModel):
    """One pass of the model over the next tokens of all requests."""

    read: int
    """Tokens of prompts."""
    said: int
    """Answers that had a token computed."""
    seconds: float
    """With all that was to be done since the pass before."""


class Refusal(BaseModel):
    """The request cannot be computed."""

    id: int
    message: str


class Cancel(BaseModel):
    """Forget a request."""

    cancel: int


class Ready(BaseModel):
    """The model is loaded."""

    ready: Literal[True] = True


class Failed(BaseModel):
    """The model cannot be loaded; the process ends."""

    problem: str


class Unneeded(BaseModel):
    """Nothing was asked for so long that the process ends."""

    unneeded: Literal[True] = True


Order = Request | Cancel
Event = Begun | Token | End | Refusal | Pass
Report = Ready | Failed | Unneeded | list[Event]

ORDER: TypeAdapter[Order] = TypeAdapter(Order)
REPORT: TypeAdapter[Report] = TypeAdapter(Report)
