"""What an A/B test is: two or more arms that differ in how turns are answered."""

from __future__ import annotations

from pydantic import BaseModel, ConfigDict, Field, field_validator


class Arm(BaseModel):
    """One way of answering. What it leaves unset stays as configured for everybody."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    name: str = Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9_.-]{0,63}$")
    """How traces and pages call it: letters, digits, `_`, `.`, `-`."""
    weight: float = Field(default=1.0, gt=0, allow_inf_nan=False)
    """Its share of users, relative to the other arms' weights."""
    model: str | None = None
    """Answer with this model."""
    prompt: str | None = None
    """Answer with this prompt: a file such as `answer@2`, or a pinned commit of the hub such as `hub:answer:live`."""
    retrieval_limit: int | None = Field(default=None, ge=1, le=50)
    """Read this many passages."""
    release: int | None = Field(default=None, ge=1)
    """Answer from this release of the corpus."""


class Experiment(BaseModel):
    """An A/B test. The first arm is the baseline that the others are compared with."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    arms: tuple[Arm, ...]
    """Two or more."""
    enabled: bool = True
    """False stops assignment at once; what was recorded stays readable."""
    description: str = ""
    """What the test should find out, in a sentence."""

    @field_validator("arms")
    @classmethod
    def _comparable(cls, arms: tuple[Arm, ...]) -> tuple[Arm, ...]:
        if len(arms) < 2:
            raise ValueError("an experiment compares at least two arms; add one, or remove the experiment")
        names = [arm.name for arm in arms]
        twice = sorted({name for name in names if names.count(name) > 1})
        if twice:
            raise ValueError(f"arm names must differ; used more than once: {', '.join(twice)}")
        return arms
