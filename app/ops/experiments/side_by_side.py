"""Experiments on one dataset against a baseline, example by example."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from uuid import UUID

from app.ops.experiments.paired import Difference, paired_difference
from app.ops.experiments.statistics import Interval, wilson
from app.ops.store.datasets.score_board import ExampleKey, ScoreBoard


@dataclass(frozen=True)
class Standing:
    """How one experiment was scored by one key, against the baseline."""

    key: str
    experiment: UUID
    better: frozenset[ExampleKey]
    worse: frozenset[ExampleKey]
    same: int
    difference: Difference | None
    """Of the scores as they are, whichever way is better; None where no example has both."""
    lower_is_better: bool = False

    @property
    def verdict(self) -> str:
        """`better` or `worse` where the difference is clear, else `open`."""
        if self.difference is None or not self.difference.is_clear:
            return "open"
        return "better" if (self.difference.mean < 0) == self.lower_is_better else "worse"


@dataclass(frozen=True)
class Preference:
    """Which of the experiments judges preferred by one key, over all examples."""

    key: str
    wins: dict[UUID, int]
    ties: int

    @property
    def decided(self) -> int:
        """Examples of which one was preferred."""
        return sum(self.wins.values())

    def interval(self, experiment: UUID) -> Interval | None:
        """95 % interval of its share of the decided examples; None where none is."""
        return wilson(self.wins[experiment] / self.decided, self.decided) if self.decided else None


def standing(board: ScoreBoard, key: str, baseline: UUID, other: UUID, *, lower_is_better: bool = False) -> Standing:
    """`other` against the baseline."""
    differences = board.differences(key, baseline, other)
    higher = frozenset(one for one, difference in differences.items() if difference > 0)
    lower = frozenset(one for one, difference in differences.items() if difference < 0)
    better, worse = (lower, higher) if lower_is_better else (higher, lower)
    same = len(differences) - len(better) - len(worse)
    return Standing(key, other, better, worse, same, paired_difference([*differences.values()]), lower_is_better)


def preference(board: ScoreBoard, key: str, experiments: Sequence[UUID]) -> Preference:
    """Who won, of a board that holds the judgements of one comparison."""
    wins, ties = dict.fromkeys(experiments, 0), 0
    for example in board.order:
        winner = preferred(board, key, experiments, example)
        if winner:
            wins[winner] += 1
        elif sum(example in board.of(key, one) for one in experiments) > 1:
            ties += 1
    return Preference(key, wins, ties)


def preferred(board: ScoreBoard, key: str, experiments: Collection[UUID], example: ExampleKey) -> UUID | None:
    """The experiment with the one highest score of this example; None where several have it or only one has any."""
    scores = {one: board.of(key, one)[example] for one in experiments if example in board.of(key, one)}
    top = [one for one, score in scores.items() if score == max(scores.values())]
    return top[0] if len(scores) > 1 and len(top) == 1 else None
