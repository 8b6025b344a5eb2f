"""Which language model answers, and within which bounds."""

from __future__ import annotations

from pathlib import Path, PurePath
from typing import Literal

from pydantic import BaseModel, ConfigDict, Field, SecretStr, field_validator

from agents.models.files import PACKAGED_FILE

Kind = Literal["local", "scripted", "hosted"]

DEFAULT = "default"
"""What other settings call the model of the section `[model]`."""


class ModelSettings(BaseModel):
    """One language model."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    name: str = "local"
    """`local` (the packaged GGUF), a path ending in `.gguf`, `hf:owner/repo/file.gguf`, `scripted`, or
    `provider:model` such as `openai:gpt-5-mini` or `anthropic:claude-haiku-4-5`."""
    base_url: str | None = None
    """Address of a self-hosted or proxied provider; None uses the provider's own."""
    api_key: SecretStr | None = None
    """The provider's key; None reads the provider's usual environment variable."""
    context_tokens: int = Field(default=4096, ge=256)
    """Prompt and answer together, at most, for a local model; the default model takes 23 MB for each thousand, and
    for each of `parallel`."""
    parallel: int = Field(default=4, ge=1, le=64)
    """Requests that a local model computes at once; further ones wait."""
    prefix_bytes: int = Field(default=256 << 20, ge=0)
    """Memory for what a local model has read and may meet again, beyond what its last requests hold."""
    max_tokens: int = Field(default=256, ge=1)
    """Tokens that one answer may have."""
    temperature: float | None = Field(default=None, ge=0.0, le=2.0)
    """0 always takes the likeliest token; None is 0 for a local model, and the provider's choice for a hosted one."""
    seed: int | None = Field(default=None, ge=0, lt=2**32 - 1)
    """Makes a local model's choices above temperature 0 repeatable."""
    precision: Literal["auto", "file"] = "auto"
    """What a local model calculates in: `file` for what its file holds, or `auto` for eight bits where the processor
    is faster with them (AVX-512 VNNI), the file is Q4_1 or Q5_1, and has at most 1 GB."""
    adapter: Path | None = None
    """A LoRA adapter (GGUF) for a local model."""
    adapter_scale: float = Field(default=1.0, ge=-10.0, le=10.0)
    """How strongly the adapter changes it."""
    unload_after_s: float = Field(default=0.0, ge=0)
    """Seconds without a request after which a local model leaves the memory; 0 is never."""
    threads: int = Field(default=0, ge=0)
    """Threads of a local model; 0 is one per physical core."""
    queue_limit: int = Field(default=16, ge=0)
    """Requests that may wait for a local model; further ones are told to come back."""
    timeout_s: float = Field(default=120.0, gt=0)
    """From the request to the answer's last token, waiting included."""
    first_token_timeout_s: float = Field(default=60.0, gt=0)
    """From the request to the answer's first token, waiting included."""
    fallbacks: tuple[str, ...] = ()
    """Models that are asked in turn where this one fails: names below `[models]`, or `default` for `[model]`."""
    retries: int = Field(default=1, ge=0, le=5)
    """Times that it is asked again, after a failure that may be over in a moment, before the next one is."""
    breaker_failures: int = Field(default=5, ge=1)
    """Failures in a row after which it is left alone."""
    breaker_cooldown_s: float = Field(default=30.0, gt=0)
    """For how long; then one turn tries whether it is back."""
    price_per_hour_usd: float = Field(default=0.0, ge=0)
    """What an hour of work of a local or self-hosted model costs."""
    prompt_usd_per_million: float | None = Field(default=None, ge=0)
    """Overrides the known price of a million prompt tokens."""
    completion_usd_per_million: float | None = Field(default=None, ge=0)
    """Overrides the known price of a million completion tokens."""

    @field_validator("name")
    @classmethod
    def _known_form(cls, name: str) -> str:
        if name.startswith("hf:") and (name.count("/") < 2 or not name.endswith(".gguf")):
            raise ValueError("write hf:owner/repo/file.gguf")
        if name not in ("local", "scripted") and not name.endswith(".gguf") and ":" not in name:
            raise ValueError("write local, scripted, a path ending in .gguf, hf:owner/repo/file.gguf or provider:model")
        return name

    @property
    def kind(self) -> Kind:
        """Which implementation serves this model."""
        if self.name == "scripted":
            return "scripted"
        return "local" if self.name == "local" or self.name.endswith(".gguf") else "hosted"

    @property
    def label(self) -> str:
        """The name for traces and pages: a file's stem, never its folder, and that of its adapter."""
        name = PACKAGED_FILE if self.name == "local" else self.name
        if self.kind != "local":
            return name
        return PurePath(name).stem + (f"+{self.adapter.stem}" if self.adapter else "")
