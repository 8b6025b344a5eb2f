"""Which arm a user gets: a pure function, so that nothing needs to be stored to keep it sticky."""

from __future__ import annotations

import hashlib
import math

from app.ops.experiments.settings import Arm, Experiment


def assign(name: str, experiment: Experiment, user_hash: str) -> Arm:
    """The arm of this user in the experiment called `name`; always the same while the arms stay the same.

    Weighted rendezvous hashing: every arm draws its own number for the user and the best draw wins. When one
    arm's weight changes, or an arm comes or goes, users move only to or from that arm. The order of the arms
    does not matter, and different experiments divide users independently.
    """
    return max(experiment.arms, key=lambda arm: arm.weight / -math.log(_draw(name, arm.name, user_hash)))


def _draw(*parts: str) -> float:
    """A number strictly between 0 and 1, uniform over SHA-256 of the parts."""
    digest = hashlib.sha256("\x1f".join(parts).encode()).digest()
    return (int.from_bytes(digest[:8]) >> 12) / 2**52 + 2**-53
