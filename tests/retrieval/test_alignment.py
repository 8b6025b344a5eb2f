from __future__ import annotations

import pytest

from retrieval.alignment import in_order, swaps


@pytest.mark.parametrize(
    ("claim", "evidence", "share"),
    [("a b c", "a x b y c", 1.0), ("c b a", "a b c", 1 / 3), ("a b", "", 0.0), ("", "a", 1.0)],
)
def test_only_words_in_the_order_of_the_evidence_count(claim: str, evidence: str, share: float) -> None:
    assert in_order(claim.split(), evidence.split()) == pytest.approx(share)


@pytest.mark.parametrize(
    ("claim", "evidence", "found"),
    [
        ("It went to Lima in 1990.", "It went to Oslo in 1991.", [("Lima", "Oslo"), ("1990", "1991")]),
        ("It took five weeks.", "It took 5 weeks.", []),
        ("The firm grew.", "The company grew.", []),
        ("Staff may leave.", "Employees may leave.", []),
        ("Ada Byron wrote it.", "Eva Byron wrote it.", [("Ada", "Eva")]),
        ("", "Oslo", []),
        ("Oslo", "", []),
    ],
)
def test_a_swap_is_a_name_or_a_number_in_the_place_of_another(
    claim: str, evidence: str, found: list[tuple[str, str]]
) -> None:
    assert swaps(claim, evidence) == found


def test_a_first_word_is_a_name_where_it_is_known_as_one() -> None:
    assert swaps("Lima grew.", "Oslo grew.") == []
    assert swaps("Lima grew.", "Oslo grew.", {"oslo"}) == [("Lima", "Oslo")]
