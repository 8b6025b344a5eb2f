"""Words in the language of the text: stems, stop words, scripts without spaces, and questions too short to tell."""

from __future__ import annotations

import random
import sys

import pytest
from pydantic import ValidationError

from retrieval.settings import RetrievalSettings
from retrieval.terms import terms
from retrieval.word_encoder import WordEncoder

WORDS = WordEncoder()


def shared(question: str, passage: str, encoder: WordEncoder = WORDS) -> list[str]:
    """The question's words that the passage holds."""
    return list(encoder.asked(question).held(frozenset(encoder.passage(passage).indices)))


@pytest.mark.parametrize(
    ("passage", "question", "found"),
    [
        ("The leave was carried over and it is lost in April.", "What is carrying over?", ["carrying"]),
        ("Die Häuser sind in der Stadt und nicht auf dem Land.", "Wo ist das Haus?", ["haus"]),
        (
            "Los contratos se firman en la casa y no se envían.",
            "¿Cuándo se firma el contrato?",
            ["firma", "contrato"],
        ),
        (
            "Les congés sont reportés dans les mois.",
            "Quand est-ce que le congé est reporté ?",
            ["congé", "reporté"],
        ),
        ("Le ferie non godute sono perse alla fine di marzo.", "Quando è persa la feria?", ["persa", "feria"]),
        (
            "De verlofdagen worden niet aan het einde uitbetaald.",
            "Wanneer is het de verlofdag?",
            ["verlofdag"],
        ),
        ("Договоры подписываются в офисе и не позже марта.", "Где подписать договор?", ["договор"]),
        ("भारत की राजधानी नई दिल्ली है।", "राजधानियों दिल्ली", ["दिल्ल"]),
        ("北京是中华人民共和国的首都。", "中国的首都是哪里", ["国的", "的首", "首都"]),
        ("東京は日本の首都です。", "日本の首都はどこですか", ["日本", "本の", "の首", "首都", "です"]),
        ("서울은 대한민국의 수도이다.", "대한민국 수도", ["대한", "한민", "민국", "수도"]),
        ("กรุงเทพเป็นเมืองหลวง", "เมืองหลวง", ["เม", "มื", "ือ", "อง", "งห", "หล", "ลว", "วง"]),
        (
            "The 北极星 was launched by us in May.",
            "When was 北极星 launched?",
            ["北极", "极星", "launched"],
        ),
    ],
)
def test_a_question_finds_its_words_in_a_passage_of_its_language(passage: str, question: str, found: list[str]) -> None:
    assert shared(question, passage) == found


def test_stop_words_of_the_passages_language_are_not_held() -> None:
    assert WORDS.question("to be or not to be") == ([], [])
    german = set(WORDS.passage("Die Katze und der Hund sind nicht in dem Haus.").indices)
    assert not german & set(WORDS.question("und der nicht").indices)


def test_a_word_without_accents_finds_the_one_that_has_them() -> None:
    assert shared("cuantos anos tiene la garantia", "La garantía es de tres años y no más.") == [
        "anos",
        "garantia",
    ]


def test_a_question_of_bare_nouns_is_looked_up_in_every_language() -> None:
    assert shared("Häuser", "Das Haus ist in der Stadt.") == ["häuser"]
    assert shared("casas", "La casa no es de la ciudad.") == ["casas"]


def test_a_question_in_english_is_not_looked_up_in_other_languages() -> None:
    english = WordEncoder("english")
    question = "How many days of leave can be carried over to the next year?"
    assert WORDS.question(question) == english.question(question)


def test_one_language_for_all_passes_the_others_by() -> None:
    german = WordEncoder("german")
    passage = "The house is not in the town."
    assert shared("the", passage, german) == ["the"]
    assert shared("the", passage) == []


def test_each_word_counts_once() -> None:
    assert WordEncoder("english").question("leave leave").values == [1.0]


def test_a_word_said_often_weighs_more_and_a_long_text_less() -> None:
    once, often = (WORDS.passage(text) for text in ("leave days", "leave leave"))
    assert max(often.values) > max(once.values)
    assert max(WORDS.passage("leave " + "day month year " * 50).values) != max(once.values)


def test_wide_and_composed_forms_are_one_word() -> None:
    assert terms("ＡＢＣ ﬁne Cafe\u0301") == terms("abc fine café")


def test_the_name_tells_the_analysis() -> None:
    assert len({WordEncoder(language).name for language in ("auto", "english", "german")}) == 3


def test_an_unknown_language_is_refused_with_those_that_there_are() -> None:
    with pytest.raises(ValidationError, match="'auto', 'arabic', 'danish'"):
        RetrievalSettings.model_validate({"language": "klingon"})
    with pytest.raises(ValidationError, match="'arabic', 'danish'"):
        RetrievalSettings.model_validate({"encoder_languages": ["klingon"]})


def test_what_is_too_long_to_be_a_word_is_cut() -> None:
    assert terms("a" * 1000) == ["a" * 64]
    assert terms("ü" * 1000) == ["ü" * 64]
    assert len(terms("北" * 1000)) == 999


def test_any_characters_can_be_encoded() -> None:
    chance = random.Random(5)
    for _ in range(300):
        text = "".join(chr(chance.randrange(sys.maxunicode)) for _ in range(40)) + "\ud800 \u0301\u0301 \x00"
        vector = WORDS.passage(text)
        assert len(vector.indices) == len(set(vector.indices)) == len(vector.values)
        assert all(weight == 1 for weight in WORDS.question(text).values)
