"""Token bytes become text: whole characters, and nothing of a stop sequence."""

from __future__ import annotations

import pytest

from agents.models.text import TextAssembler


def assemble(pieces: list[bytes], *stop: str) -> list[str]:
    text = TextAssembler(stop)
    shown = []
    for piece in pieces:
        shown.append(text.feed(piece))
        if text.stopped:
            break
    return [*shown, text.flush()]


def test_a_character_split_over_tokens_is_held_until_it_is_whole() -> None:
    whole = "naïve 🙂 日本"
    shown = assemble([bytes([byte]) for byte in whole.encode()])
    assert "".join(shown) == whole
    assert "🙂" in shown
    assert "\ufffd" not in "".join(shown)


def test_bytes_that_are_no_character_are_marked_and_do_not_stop_the_rest() -> None:
    assert "".join(assemble([b"a\xff", b"b", b"\xf0\x9f"])) == "a\ufffdb\ufffd"


@pytest.mark.parametrize(
    "pieces",
    [[b"one", b"STOP two"], [b"one", b"ST", b"OP", b" two"], [b"oneS", b"T", b"O", b"P"], [b"oneSTOP"]],
)
def test_nothing_of_a_stop_sequence_is_shown(pieces: list[bytes]) -> None:
    assert "".join(assemble(pieces, "STOP")) == "one"


def test_the_earliest_of_several_stop_sequences_counts() -> None:
    assert "".join(assemble([b"a B", b" A"], "A", "B")) == "a "


def test_what_only_began_like_a_stop_sequence_is_shown_in_the_end() -> None:
    assert "".join(assemble([b"one ST", b"ART", b" ST"], "STOP")) == "one START ST"


def test_text_that_cannot_begin_a_stop_sequence_is_not_held_back() -> None:
    assert TextAssembler(["\n\n"]).feed(b"hello") == "hello"
