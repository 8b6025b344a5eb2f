# ruff: noqa: SIM905 -- lists of words read best as text

from __future__ import annotations

import csv
import json
import random
import re
from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np
import pytest
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import balanced_accuracy_score
from sklearn.model_selection import GroupKFold, cross_val_predict

from retrieval.citations import check
from retrieval.evidence import Source, evidence, joined, read
from retrieval.facts import numbers
from retrieval.likelihood import Features, features
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


@pytest.mark.parametrize(("claim", "sources"), [("", []), ("Yes.", []), ("", ["A source."]), ("A claim.", [""])])
def test_nothing_supports_nothing(claim: str, sources: list[str]) -> None:
    assert check(claim, sources).verdict == "unsupported"


def test_numbers_compare_in_one_form() -> None:
    values = [number.value for number in numbers("1,500 five 12 % €3 6½ 007 2.0 3.14 twelve items no one")]
    assert values == ["1500", "5", "12%", "€3", "6.5", "7", "2", "3.14", "12"]


@pytest.mark.parametrize(
    ("claim", "source", "reason"),
    [
        ("Boris Berg approves requests.", "Anna Berg approves requests.", "says Anna where this says Boris"),
        ("Kern signs it.", "Berg signs it. Ask Mr Berg.", "says Berg where this says Kern"),
        ("Oslo hosts 10 teams, Bergen 10.", "Oslo hosts 12 teams, Bergen 10.", "says 12 where this says 10"),
        ("The office opens on 3 May.", "The office opens on 3 August.", "does not name may|says August"),
        ("No visitor needs a badge.", "Each visitor needs a badge.", "denies"),
    ],
)
def test_a_fact_that_stands_in_the_place_of_another_is_caught(claim: str, source: str, reason: str) -> None:
    support = check(claim, [source])
    assert support.verdict == "unsupported"
    assert re.search(reason, " ".join(support.reasons))


@pytest.mark.parametrize(
    "claim", ["No, contractors are not entitled to paid leave.", "Yes. Anna Berg approves requests."]
)
def test_the_yes_or_no_before_an_answer_is_no_part_of_the_claim(claim: str) -> None:
    assert check(claim, [POLICY]).verdict == "supported"


@pytest.mark.timeout(60)
def test_texts_without_end_take_no_time_without_end() -> None:
    assert check("a1 b2 " * 100_000, [POLICY]).reasons == ("it is too long to be checked",)
    assert check("b2 a1 " * 300, ["a1 b2 " * 100_000]).source == 0


def test_one_sentence_that_is_made_up_spoils_the_claim() -> None:
    support = check("Anna Berg approves requests. Boris Kern pays them.", [POLICY])
    assert support.verdict == "unsupported"


def test_mutations_of_made_up_policies_are_caught() -> None:
    policies = list(_policies(60))
    claims = [(claim, number) for number, policy in enumerate(policies) for claim in policy]
    sources = [" ".join(policy) for policy in policies]
    mutants = [(mutant, sources[number]) for claim, number in claims for mutant in _mutants(claim)]
    elsewhere = [(claim, sources[(number + 1) % len(sources)]) for claim, number in claims]
    assert _supported([(claim, sources[number]) for claim, number in claims]) == 1.0
    assert _supported(mutants) <= 0.05
    assert _supported(elsewhere) <= 0.05


def test_mutations_of_real_sentences_are_caught(shared_data: Path) -> None:
    articles = json.loads((shared_data / "xquad" / "xquad.en.json").read_text("utf-8"))["data"]
    contexts = [paragraph["context"] for article in articles for paragraph in article["paragraphs"]][::8]
    claims = [(span.text, context) for context in contexts for span in split(context) if len(span.text) > 30]
    mutants = [(mutant, context) for claim, context in claims for mutant in _mutants(claim)]
    others = dict(zip(contexts, contexts[1:] + contexts[:1], strict=True))
    assert len(mutants) > 150
    assert _supported(claims) >= 0.98
    assert _supported(mutants) <= 0.05
    assert _supported([(claim, others[context]) for claim, context in claims]) <= 0.05


def test_mutations_of_what_people_found_supported_are_caught(shared_data: Path) -> None:
    claims = [(claim, source) for claim, source, label in _judged(shared_data) if label]
    mutants = [(mutant, source) for claim, source in claims for mutant in _mutants(claim)]
    assert len(mutants) > 150
    assert _supported(claims) >= 0.9
    assert _supported(mutants) <= 0.05


def test_attribution_as_people_judged_it(shared_data: Path) -> None:
    judged = list(_judged(shared_data))
    supported, others = ([(claim, source) for claim, source, found in judged if found == label] for label in (1, 0))
    assert (_supported(supported) + 1 - _supported(others)) / 2 >= 0.92


def test_the_measures_agree_with_people_about_sources_that_no_weight_was_fitted_on(shared_data: Path) -> None:
    judged = list(_judged(shared_data))
    measured = np.array([_measured(claim, read(source)) for claim, source, _ in judged])
    labels = np.array([label for _, _, label in judged])
    model = LogisticRegression(class_weight="balanced", max_iter=1000)
    folds = GroupKFold(10, shuffle=True, random_state=7)
    sources = [source for _, source, _ in judged]
    found = cross_val_predict(model, measured, labels, groups=sources, cv=folds)
    assert balanced_accuracy_score(labels, found) >= 0.92


def _measured(claim: str, source: Source) -> Features:
    return features(claim, source, [(claim, joined(evidence(claim, source)))])


def _judged(shared_data: Path) -> Iterator[tuple[str, str, int]]:
    """Claims with their sources, and 1 where people found them fully attributable."""
    for path in sorted((shared_data / "begin").glob("*/*.tsv")):
        with path.open(encoding="utf-8") as lines:
            for row in csv.DictReader(lines, delimiter="\t", quoting=csv.QUOTE_NONE):
                yield row["response"], row["knowledge"], int(row["begin_label"].startswith("Fully"))


def _supported(pairs: Sequence[tuple[str, str]]) -> float:
    return sum(check(claim, [source]).verdict == "supported" for claim, source in pairs) / len(pairs)


def _policies(count: int) -> Iterator[list[str]]:
    """Made-up house rules, each with names and numbers of its own."""
    chance = random.Random(3)
    names = "Anders Bianchi Castro Dubois Eriksen Fischer Garcia Hansen Ivanov Jensen".split()
    for _ in range(count):
        one, other, place = chance.sample(names, 3)
        days, weeks, euros, year = (chance.randint(low, low * 9) for low in (11, 12, 100, 300))
        thing = chance.choice("laptops bicycles badges lockers invoices samples".split())
        yield [
            f"The head of {one} & {place} can approve {thing} worth up to €{euros} without a second signature.",
            f"Requests for {thing} are sent to {other} within {days} days of the purchase.",
            f"Since {1500 + year}, broken {thing} were collected from the {place} building every {weeks} weeks.",
            f"In the view of {one}, lost {thing} will be replaced after the owner has told {other}.",
        ]


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
