"""The arm of an experiment as the turn sees it: which parts to use instead of the defaults."""

from __future__ import annotations

from collections.abc import Callable

from pydantic import BaseModel, ConfigDict


class Arm(BaseModel):
    """What one user's turns are made with; None keeps the default."""

    model_config = ConfigDict(frozen=True)

    experiment: str | None = None
    variant: str | None = None
    model: str | None = None
    prompt: str | None = None
    retrieval_limit: int | None = None
    release: int | None = None
    """The release of the corpus to answer from; None is the published one."""


Assign = Callable[[str], Arm]
"""From a user's hash to their arm; the same arm each time."""


def no_experiment(user_hash: str) -> Arm:
    """The assignment of a deployment that runs no experiment."""
    return Arm()
