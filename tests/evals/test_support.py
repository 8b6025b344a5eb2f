"""`parley evals support`: what it prints, and what it refuses."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from typer.testing import CliRunner, Result

from evals.command import evals_app
from evals.lines import LinesRefused
from evals.support import Pair, measure

SOURCE = "Staff may carry over 5 unused days. They expire on 31 March."
GOOD = {"premise": SOURCE, "claim": "Staff may carry over 5 unused days.", "label": 1}
WRONG = {"premise": SOURCE, "claim": "Staff may carry over 9 unused days.", "label": 0}


def run(folder: Path, text: str | bytes, *options: str) -> Result:
    path = folder / "pairs.jsonl"
    path.write_bytes(text.encode() if isinstance(text, str) else text)
    return CliRunner().invoke(evals_app, ["support", "--pairs", str(path), *options])


def lines(*pairs: dict[str, object]) -> str:
    return "\n".join(map(json.dumps, pairs))


def test_agreement_is_printed_under_two_keys(tmp_path: Path) -> None:
    result = run(tmp_path, lines(GOOD, WRONG) + "\n\n", "--json")
    assert (result.exit_code, json.loads(result.stdout)) == (0, {"balanced_accuracy": 1.0, "auc": 1.0})


def test_people_read_a_sentence(tmp_path: Path) -> None:
    assert run(tmp_path, lines(GOOD, WRONG)).stdout == "2 pairs: balanced accuracy 1.000, AUC 1.000\n"


def test_both_kinds_of_mistake_weigh_alike_and_ties_count_half() -> None:
    wrong = [Pair.model_validate(WRONG)] * 3
    mislabelled = Pair.model_validate(GOOD | {"label": 0})
    scores = measure([Pair.model_validate(GOOD), *wrong, mislabelled])
    assert (scores.balanced_accuracy, scores.auc) == (0.875, 0.875)


@pytest.mark.parametrize(
    ("line", "complaint"),
    [
        ("nonsense", "Line 2 of pairs.jsonl does not fit (Invalid JSON"),
        ("[]", "Line 2 of pairs.jsonl does not fit"),
        ('{"premise": "a", "claim": "b"}', "(label: Field required)"),
        ('{"premise": "a", "claim": "b", "label": 2}', "(label: Input should be 0 or 1)"),
        ('{"premise": 1, "claim": "b", "label": 1}', "(premise: Input should be a valid string"),
        (b'{"premise": "\xff", "claim": "b", "label": 1}', "Line 2 of pairs.jsonl does not fit"),
        ("[" * 100_000, "Line 2 of pairs.jsonl does not fit"),
    ],
)
def test_a_malformed_line_is_named(tmp_path: Path, line: str | bytes, complaint: str) -> None:
    rest = line.encode() if isinstance(line, str) else line
    result = run(tmp_path, lines(GOOD).encode() + b"\n" + rest)
    assert (result.exit_code, result.stdout) == (1, "")
    assert complaint in result.stderr
    assert "Traceback" not in result.stderr


@pytest.mark.parametrize("text", [lines(GOOD), lines(WRONG, WRONG)])
def test_one_label_alone_measures_nothing(tmp_path: Path, text: str) -> None:
    result = run(tmp_path, text, "--json")
    assert result.exit_code == 1
    assert "Both labels are needed" in result.stderr


def test_an_empty_file_measures_nothing(tmp_path: Path) -> None:
    result = run(tmp_path, "\n\n")
    assert (result.exit_code, result.stdout) == (1, "")
    assert "pairs.jsonl is empty" in result.stderr


def test_a_file_that_is_not_there_is_a_sentence(tmp_path: Path) -> None:
    result = CliRunner().invoke(evals_app, ["support", "--pairs", str(tmp_path / "none.jsonl")])
    assert result.exit_code == 1
    assert "none.jsonl cannot be read: No such file" in result.stderr


def test_a_refusal_can_be_caught() -> None:
    with pytest.raises(LinesRefused):
        measure([])
