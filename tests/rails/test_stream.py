from __future__ import annotations

import random

import pytest

from rails import SentenceGate

TEXT = (
    "Dr. Meyer joined on 3 Jan. 2024. Section 4.2 of the U.S. policy gives 2.5 days per month, i.e. 30 a year. [1] "
    "See https://example.com/a.b?c=d.e for more! J. R. Hartley asked: “May I carry over?” Yes.[2] No. 5 says so.\n\n"
    "1. First item\n2. Second item.\n- Bullet… Third?! Done\n\n第一句话。第二句话！ 最後「引用。」Ende z.B. hier.   "
)


def split(text: str, sizes: list[int]) -> list[str]:
    gate, position, released = SentenceGate(), 0, []
    for size in sizes:
        released += gate.feed(text[position : position + size])
        position += size
    return released + gate.feed(text[position:]) + gate.flush()


def test_splits_where_a_reader_would() -> None:
    assert split(TEXT, []) == [
        "Dr. Meyer joined on 3 Jan. 2024. ",
        "Section 4.2 of the U.S. policy gives 2.5 days per month, i.e. 30 a year. [1] ",
        "See https://example.com/a.b?c=d.e for more! ",
        "J. R. Hartley asked: “May I carry over?” ",
        "Yes.[2] ",
        "No. 5 says so.\n\n",
        "1. First item\n",
        "2. Second item.\n",
        "- Bullet… ",
        "Third?! ",
        "Done\n\n",
        "第一句话。",
        "第二句话！ ",
        "最後「引用。」",
        "Ende z.B. hier.   ",
    ]


@pytest.mark.parametrize("seed", range(200))
def test_chunking_changes_neither_the_text_nor_the_sentences(seed: int) -> None:
    chance = random.Random(seed)
    sizes = [chance.choice([1, 1, 2, 3, 7, 40]) for _ in range(len(TEXT))]
    assert split(TEXT, sizes) == split(TEXT, [])


@pytest.mark.parametrize("seed", range(200))
def test_any_text_comes_back_to_the_character(seed: int) -> None:
    chance = random.Random(seed)
    text = "".join(chance.choices(["a", "B", "1", ".", "!", " ", "\n", "。", "[1]", "e.g.", "-----BEGIN "], k=300))
    gate = SentenceGate(max_held=50)
    released: list[str] = []
    while text_left := text[len("".join(released)) + gate.held_size :]:
        released += gate.feed(text_left[: chance.randint(1, 20)])
        assert gate.held_size <= 50
    assert "".join(released + gate.flush()) == text
    assert gate.flush() == []


def test_holds_back_no_more_than_its_bound() -> None:
    gate = SentenceGate(max_held=100)
    released = gate.feed("word " * 100)
    assert released
    assert all(piece.endswith(" ") and len(piece) <= 100 for piece in released)
    assert gate.feed("x" * 250)[0] == gate_rest(released) + "x" * (100 - len(gate_rest(released)))


def gate_rest(released: list[str]) -> str:
    return ("word " * 100)[len("".join(released)) :]


def test_keeps_a_private_key_whole() -> None:
    key = "-----BEGIN RSA PRIVATE KEY-----\nMIIEow. Abc\nDEF\n-----END RSA PRIVATE KEY-----\n"
    gate = SentenceGate()
    released = [piece for character in f"The key:\n{key}It is mine. " for piece in gate.feed(character)]
    assert released == ["The key:\n", key]
    assert gate.flush() == ["It is mine. "]


def test_releases_a_sentence_once_the_next_one_starts() -> None:
    gate = SentenceGate()
    assert gate.feed("It is five days.") == []
    assert gate.feed(" ") == []
    assert gate.feed("A") == ["It is five days. "]
