"""The measures of a ranking, against values worked out by hand."""

from __future__ import annotations

import math

import pytest

from evals.ranking import ndcg, recall, reciprocal_rank

GRADES = {"best": 3, "good": 2, "fair": 1, "wrong": 0, "spam": -1}


def test_ndcg_weighs_grades_and_places() -> None:
    gained = 2 / 1 + 3 / 2  # "good" at place 1, "best" at place 3, where log2(3 + 1) is 2
    ideal = 3 / 1 + 2 / math.log2(3) + 1 / 2
    assert ndcg(["good", "wrong", "best"], GRADES, 10) == pytest.approx(gained / ideal)
    assert gained / ideal == pytest.approx(0.7350, abs=1e-4)


def test_ndcg_is_1_for_the_best_order_and_0_without_a_relevant_document() -> None:
    assert ndcg(["best", "good", "fair", "wrong"], GRADES, 10) == 1
    assert ndcg(["wrong", "spam", "unjudged"], GRADES, 10) == 0
    assert ndcg([], GRADES, 10) == 0


def test_ndcg_sees_no_further_than_its_depth() -> None:
    assert ndcg(["wrong", "best"], GRADES, 1) == 0
    assert ndcg(["best", "wrong"], GRADES, 1) == 1


def test_recall_is_the_share_of_the_relevant() -> None:
    ranked = ["best", "wrong", "good", "spam", "fair"]
    assert [recall(ranked, GRADES, depth) for depth in (1, 2, 3, 5)] == pytest.approx([1 / 3, 1 / 3, 2 / 3, 1])


@pytest.mark.parametrize(
    ("ranked", "expected"),
    [(["good", "best"], 1), (["wrong", "spam", "fair"], 1 / 3), (["wrong"], 0), ([*"abcdefghij", "best"], 0)],
)
def test_the_reciprocal_rank_is_that_of_the_first_relevant(ranked: list[str], expected: float) -> None:
    assert reciprocal_rank(ranked, GRADES, 10) == pytest.approx(expected)


def test_without_a_relevant_document_every_measure_is_0() -> None:
    assert [measure(["wrong"], {"wrong": 0}, 10) for measure in (ndcg, recall, reciprocal_rank)] == [0, 0, 0]
