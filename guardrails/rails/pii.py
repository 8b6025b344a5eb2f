"""Personal data, found by presidio without a language model: patterns, checksums and the words around them."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import spacy
from presidio_analyzer import (
    AnalyzerEngine,
    Pattern,
    PatternRecognizer,
    RecognizerRegistry,
    RecognizerResult,
)
from presidio_analyzer.context_aware_enhancers import LemmaContextAwareEnhancer
from presidio_analyzer.nlp_engine import NlpArtifacts, SpacyNlpEngine
from presidio_analyzer.predefined_recognizers import (
    CreditCardRecognizer,
    EmailRecognizer,
    IbanRecognizer,
    IpRecognizer,
    PhoneRecognizer,
    UsSsnRecognizer,
)

from rails.library import OnFailAction, register_validator
from rails.spans import Span, SpanValidator

LABELS = {
    "EMAIL_ADDRESS": "email address",
    "PHONE_NUMBER": "phone number",
    "CREDIT_CARD": "card number",
    "IBAN_CODE": "IBAN",
    "IP_ADDRESS": "IP address",
    "US_SSN": "social security number",
}

MIN_SCORE = 0.4
"""Presidio's score of a plausible phone number; weaker patterns reach it only beside a word that names them."""

STRICT_GROUPING = 2
"""Of phonenumbers; one step less takes rows of a table of figures for phone numbers."""

PHONE_DIGITS = range(7, 16)
UPPERCASE = str.maketrans("abcdefghijklmnopqrstuvwxyz", "ABCDEFGHIJKLMNOPQRSTUVWXYZ")


@register_validator(name="parley/pii", data_type="string")
class Pii(SpanValidator):
    """Finds personal data that has a form of its own. Names and places have none and are not looked for."""

    def __init__(self, analyzer: AnalyzerEngine, on_fail: OnFailAction) -> None:
        super().__init__(on_fail=on_fail)
        self._analyzer = analyzer

    def find(self, text: str) -> Iterable[Span]:
        results = self._analyzer.analyze(text, language="en", score_threshold=MIN_SCORE)
        return [Span(found.start, found.end, LABELS[found.entity_type]) for found in results]


def build_analyzer(phone_regions: tuple[str, ...]) -> AnalyzerEngine:
    """An analyzer of the kinds in `LABELS` that loads no model and opens no connection."""
    recognizers = [
        Emails(),
        Phones(supported_regions=phone_regions, leniency=STRICT_GROUPING),
        NamedPhones(),
        Cards(),
        Ibans(),
        IpRecognizer(),
        UsSsnRecognizer(),
    ]
    return AnalyzerEngine(
        registry=RecognizerRegistry(recognizers=recognizers),
        nlp_engine=BlankEnglish(),
        context_aware_enhancer=LemmaContextAwareEnhancer(context_suffix_count=2, context_matching_mode="whole_word"),
    )


class BlankEnglish(SpacyNlpEngine):
    """Splits text into words, so that the words around a number count, without a model to download."""

    nlp: Any

    def load(self) -> None:
        self.nlp = {"en": spacy.blank("en")}

    def process_text(self, text: str, language: str) -> NlpArtifacts:
        words = self.nlp[language](text)
        for word in words:
            word.lemma_ = word.lower_
        return self._doc_to_nlp_artifact(words, language)

    def is_stopword(self, word: str, language: str) -> bool:
        return False  # spaCy lists "call", which makes a number beside it a phone number


class Emails(EmailRecognizer):
    """Email addresses, of internal domains too; presidio would fetch a list of public suffixes to check them."""

    def validate_result(self, pattern_text: str) -> bool | None:
        top_level = pattern_text.rpartition(".")[2]
        return len(top_level) > 1 and not top_level.isdigit()


class Phones(PhoneRecognizer):
    """Numbers valid in one of the regions and grouped as is usual there, without the short ones."""

    def analyze(self, text: str, entities: list[str], nlp_artifacts: Any = None) -> list[RecognizerResult]:
        results = super().analyze(text, entities, nlp_artifacts)
        return [found for found in results if _digits(text[found.start : found.end]) in PHONE_DIGITS]


class NamedPhones(PatternRecognizer):
    """Digits that are a phone number because a word beside them says so."""

    NUMBER = Pattern("phone", r"(?<![\w.,/-])\+?\(?\d[\d() .-]{4,18}\d(?:x\d{1,6})?(?![\w,/])", 0.2)
    WORDS = (
        *(
            "phone",
            "phones",
            "telephone",
            "tel",
            "call",
            "calling",
            "dial",
            "mobile",
            "cell",
            "cellphone",
            "fax",
            "sms",
        ),
        *("office", "desk", "hotline", "helpline", "answering", "reach", "whatsapp", "telefon", "handy", "móvil"),
    )

    def __init__(self) -> None:
        super().__init__("PHONE_NUMBER", patterns=[self.NUMBER], context=list(self.WORDS))

    def invalidate_result(self, pattern_text: str) -> bool:
        number = pattern_text.partition("x")[0]
        return _digits(number) not in PHONE_DIGITS or _is_date_or_years(number)


class Cards(CreditCardRecognizer):
    """Card numbers of every length in use, by their check digit."""

    PATTERNS = [Pattern("card", r"(?<![\w.,-])(?:[2-6]|180)(?:[ -]?\d){11,18}(?![\w-]|[.,]\d)", 0.3)]


class Ibans(IbanRecognizer):
    """IBANs by their check digits, in lower case too."""

    def analyze(
        self, text: str, entities: list[str], nlp_artifacts: Any = None, regex_flags: Any = None
    ) -> list[RecognizerResult]:
        return super().analyze(text.translate(UPPERCASE), entities, nlp_artifacts, regex_flags)


def _digits(text: str) -> int:
    return sum(character.isdigit() for character in text)


def _is_date_or_years(number: str) -> bool:
    groups = [len(group) for group in number.replace(".", "-").split("-")]
    return groups in ([4, 2, 2], [2, 2, 4], [4, 4])
