"""Fusion: one order out of two scores."""

from __future__ import annotations

import pytest

from retrieval.fusion import fuse
from retrieval.store.base import Found

BOTH = [Found("meaning", 0.9, None), Found("words", 0.1, 12.0), Found("both", 0.8, 10.0)]


def names(candidates: list[Found], dense_weight: float) -> list[str]:
    return [str(found.point) for _, found in fuse(candidates, dense_weight=dense_weight)]


def test_a_passage_good_in_both_comes_first() -> None:
    assert names(BOTH, 0.5)[0] == "both"


@pytest.mark.parametrize(("weight", "first"), [(1.0, "meaning"), (0.0, "words")])
def test_the_weight_decides_which_score_counts(weight: float, first: str) -> None:
    assert names(BOTH, weight)[0] == first


def test_the_best_in_both_scores_1() -> None:
    assert fuse([Found("a", 0.9, 3.0), Found("b", 0.2, None)], dense_weight=0.6)[0][0] == 1.0


def test_a_word_that_half_of_the_passages_share_does_not_outweigh_the_one_that_stands_out_by_meaning() -> None:
    shares_the_word = [Found(f"word {number}", 0.44, 1.0) for number in range(5)]
    shares_none = [Found(f"none {number}", 0.3, None) for number in range(4)]
    assert names([*shares_the_word, *shares_none, Found("meaning", 0.6, None)], 0.6)[0] == "meaning"


def test_a_rare_word_decides_between_passages_of_much_the_same_meaning() -> None:
    alike = [Found(f"alike {number}", 0.40 + number / 100, None) for number in range(10)]
    assert names([*alike, Found("rare word", 0.45, 4.0)], 0.6)[0] == "rare word"


def test_scores_lie_between_0_and_1_and_fall() -> None:
    scores = [score for score, _ in fuse(BOTH, dense_weight=0.6)]
    assert scores == sorted(scores, reverse=True)
    assert all(0 <= score <= 1 for score in scores)
    assert len(set(scores)) == 3


def test_equal_passages_are_ordered_the_same_each_time() -> None:
    equal = [Found("b", 0.5, 1.0), Found("a", 0.5, 1.0)]
    assert names(equal, 0.5) == names(equal[::-1], 0.5) == ["a", "b"]


def test_a_single_passage_and_none() -> None:
    assert names([Found("a", 0.5, None)], 0.6) == ["a"]
    assert names([], 0.6) == []
