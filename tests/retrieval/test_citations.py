from __future__ import annotations

import csv
import json
import re
from pathlib import Path

import pytest

from retrieval.citations import check
from retrieval.facts import numbers
from retrieval.sentences import split

POLICY = (
    "Employees may carry over up to 5 unused days. They must be taken before 31 March of the following year. "
    "Contractors are not entitled to paid leave. Anna Berg approves requests; refunds of 12.5% or €1,500 are paid "
    'within two weeks. The form is called "Leave request B".'
)


@pytest.mark.parametrize(
    "claim",
    [
        "You can carry over 5 unused days.",
        "Employees may carry over up to five unused days.",
        "The days must be taken before 31 March.",
        "Contractors are not entitled to paid leave.",
        "Anna Berg approves requests.",
        "Refunds of 12.5 % are paid within 2 weeks.",
        "Refunds of €1500 are paid within two weeks.",
        'The form is called "Leave request B".',
    ],
)
def test_a_claim_that_the_source_makes_is_supported(claim: str) -> None:
    # "You" is no claim about the reader here: it stands for the employee in the question.
    support = check(claim.replace("You can", "Employees can"), ["Something else entirely.", POLICY])
    assert (support.verdict, support.source, support.reasons) == ("supported", 1, ())


@pytest.mark.parametrize(
    ("claim", "reason"),
    [
        ("Employees may carry over up to 3 unused days.", "does not say 3"),
        ("Employees may carry over up to seven unused days.", "does not say 7"),
        ("The days must be taken before 30 March.", "does not say 30"),
        ("The days must be taken after 31 March.", "opposite"),
        ("Refunds of 1,500% are paid within two weeks.", "does not say 1500%"),
        ("Refunds of $1,500 are paid within two weeks.", "does not say $1500"),
        ("Requests are approved by Boris Kern.", "does not name boris"),
        ("Contractors are entitled to paid leave.", "denies"),
        ("Employees may not carry over unused days.", "denies"),
        ('The form is called "Leave request C".', "quoted words differ"),
        ("The cafeteria serves lunch in the basement on weekdays.", "does not say this"),
    ],
)
def test_a_changed_number_name_negation_or_quotation_is_caught(claim: str, reason: str) -> None:
    support = check(claim, [POLICY])
    assert support.verdict != "supported"
    assert reason in " ".join(support.reasons)


def test_a_number_that_the_source_gives_for_something_else_is_caught() -> None:
    source = "Staff get 25 days of leave. Managers approve within 3 weeks."
    assert check("Staff get 3 days of leave.", [source]).verdict == "unsupported"


def test_the_evidence_is_where_the_source_says_it() -> None:
    support = check("Contractors are not entitled to paid leave.", [POLICY])
    assert POLICY[support.start : support.end] == "Contractors are not entitled to paid leave."


def test_rare_words_decide_where_their_rarity_is_known() -> None:
    source = "The annual picnic of the department takes place in the park."
    claim = "The annual picnic of the department takes place in the stadium."
    plain = check(claim, [source])
    weighted = check(claim, [source], rarity={"annual": 0.1, "picnic": 0.1, "depart": 0.1, "tak": 0.1, "stadium": 5.0})
    assert weighted.score < plain.score


@pytest.mark.parametrize(("claim", "sources"), [("", []), ("Yes.", []), ("", ["A source."]), ("A claim.", [""])])
def test_nothing_supports_nothing(claim: str, sources: list[str]) -> None:
    assert check(claim, sources).verdict == "unsupported"


def test_numbers_compare_in_one_form() -> None:
    values = [number.value for number in numbers("1,500 five 12 % €3 6½ 007 2.0 3.14 twelve items no one")]
    assert values == ["1500", "5", "12%", "€3", "6.5", "7", "2", "3.14", "12"]


def test_mutations_of_real_sentences_are_caught(shared_data: Path) -> None:
    articles = json.loads((shared_data / "xquad" / "xquad.en.json").read_text("utf-8"))["data"]
    contexts = [paragraph["context"] for article in articles for paragraph in article["paragraphs"]][::8]
    pairs = [(mutant, c) for c in contexts for span in split(c) for mutant in _mutants(span.text)]
    missed = [claim for claim, source in pairs if check(claim, [source]).verdict == "supported"]
    assert len(pairs) > 150
    assert len(missed) <= 0.05 * len(pairs), missed


def test_attribution_as_people_judged_it(shared_data: Path) -> None:
    supported, refused = [], []
    for path in sorted((shared_data / "begin").glob("*/*.tsv")):
        with path.open(encoding="utf-8") as lines:
            for row in csv.DictReader(lines, delimiter="\t", quoting=csv.QUOTE_NONE):
                verdict = check(row["response"], [row["knowledge"]]).verdict
                if row["begin_label"].startswith("Fully"):
                    supported.append(verdict == "supported")
                else:
                    refused.append(verdict != "supported")
    assert (sum(supported) / len(supported) + sum(refused) / len(refused)) / 2 >= 0.91


def _mutants(sentence: str) -> list[str]:
    """The sentence with another number, another name, a negation more."""
    number = re.search(r"\d{2,}", sentence)
    name = re.search(r"(?<=[a-z,] )[A-Z][a-z]{2,}", sentence)
    verb = re.search(r" (?:is|was|were|are|can|could|will|has|had)(?! not) ", sentence)
    mutants = []
    if number:
        mutants.append(sentence.replace(number[0], str(int(number[0]) + 7)))
    if name:
        mutants.append(sentence.replace(name[0], "Okafor"))
    if verb:
        mutants.append(sentence[: verb.end()] + "not " + sentence[verb.end() :])
    return mutants
