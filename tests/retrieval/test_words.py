"""Words in a form that compares."""

from __future__ import annotations

import pytest

from retrieval.words import stem


@pytest.mark.parametrize(
    "forms",
    [
        ("carry", "carries", "carried", "carrying"),
        ("inventory", "inventories"),
        ("delivery", "deliveries"),
        ("story", "stories"),
        ("query", "queries"),
        ("engineer", "engineers", "engineering"),
    ],
)
def test_forms_of_a_word_have_one_stem(forms: tuple[str, ...]) -> None:
    assert len({stem(form) for form in forms}) == 1


@pytest.mark.parametrize("word", ["Straße", "有給", "2023", "bus"])
def test_what_has_no_english_ending_is_left_alone(word: str) -> None:
    assert stem(word) == word
