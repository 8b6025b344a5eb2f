from __future__ import annotations

from itertools import pairwise

import pytest

from retrieval.sentences import split

ONE_PER_ITEM = [
    ["Dr. J. K. Smith paid $3.5 million in the U.S.", "Then he left the U.S. Army."],
    ["It is open until 5 p.m. on Nov. 5.", "See Fig. 3 and p. 12 for it."],
    ["No.", "You may not."],
    ["“Stop!” he cried.", '"Go."', "She went.[3]", "Next one."],
    ["这是第一句。", "第二句！", "“第三句。”", "第四句"],
    ["यह पहला है।", "यह दूसरा है।"],
    ["Version 2.0.1 came out.", "It broke e.g. Foo and others."],
]


@pytest.mark.parametrize("sentences", ONE_PER_ITEM, ids=lambda sentences: sentences[0][:20])
def test_running_text_splits_where_sentences_end(sentences: list[str]) -> None:
    assert [span.text for span in split(" ".join(sentences))] == sentences


def test_lines_of_lists_tables_and_headings_stand_alone() -> None:
    text = (
        "# Leave policy\n\nYou may carry over 5 days.\nThey expire\non 31 March.\n\n"
        "- First item. More of it.\n- second\n1. Ask. Then wait.\n\n"
        "Name: Ann | Days: 25\nName: Bo. | Days: 3\n| a | b |\n|---|---|\n"
    )
    assert [span.text for span in split(text)] == [
        "# Leave policy",
        "You may carry over 5 days.",
        "They expire\non 31 March.",
        "- First item.",
        "More of it.",
        "- second",
        "1. Ask.",
        "Then wait.",
        "Name: Ann | Days: 25",
        "Name: Bo. | Days: 3",
        "| a | b |",
    ]


@pytest.mark.parametrize(
    "text", ["", " \n\t ", "...", "a", "x" * 5000, "One. " * 50, "A\r\nB.\r\n\r\nC d. E", "\u2028a b.\x0c C d. "]
)
def test_spans_are_slices_in_order_and_lose_no_word(text: str) -> None:
    spans = split(text)
    assert all(text[span.start : span.end] == span.text for span in spans)
    assert all(before.end <= after.start for before, after in pairwise(spans))
    kept = "".join(span.text for span in spans)
    assert [c for c in kept if c.isalnum()] == [c for c in text if c.isalnum()]
