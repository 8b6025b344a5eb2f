"""`parley evals followups`: what it prints, what it refuses, and how near the rewriting comes to that of people."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from typer.testing import CliRunner, Result

from agents.turn import Message
from evals.command import evals_app
from evals.followups import FollowUp, measure

LEAVE = {"role": "user", "content": "How many days of parental leave do I get?"}
LEANS = {"history": [LEAVE], "question": "Who pays for it?", "rewrite": "Who pays for parental leave?"}
STANDS = {"history": [LEAVE], "question": "When does the gym open?", "rewrite": "When does the gym open?"}
ODD_TOPICS = 1


def run(folder: Path, text: str, *options: str) -> Result:
    path = folder / "questions.jsonl"
    path.write_text(text)
    return CliRunner().invoke(evals_app, ["followups", "--questions", str(path), *options])


def lines(*records: dict[str, object]) -> str:
    return "\n".join(map(json.dumps, records))


def test_agreement_with_people_is_printed_as_json(tmp_path: Path) -> None:
    result = run(tmp_path, lines(LEANS, STANDS), "--json")
    scores = json.loads(result.stdout)
    assert result.exit_code == 0
    assert scores["filled"] == 1.0
    assert scores["left_alone"] == 1.0
    assert scores["added_right"] == pytest.approx(2 / 3)  # "days" is not what people added
    assert scores["question_f1"] < scores["word_f1"] < 1.0


def test_what_no_question_shows_is_not_a_figure(tmp_path: Path) -> None:
    assert json.loads(run(tmp_path, lines(STANDS), "--json").stdout)["filled"] is None
    assert "filled       -\n" in run(tmp_path, lines(STANDS)).stdout


@pytest.mark.parametrize(
    ("text", "complaint"),
    [
        ("", "questions.jsonl is empty"),
        ("nonsense", "Line 1 of questions.jsonl does not fit"),
        (lines(LEANS, {**STANDS, "question": " "}), "Line 2 of questions.jsonl does not fit (question: "),
        (lines({"question": "a", "rewrite": "b"}), "(history: Field required)"),
        (lines({**LEANS, "history": [{"role": "system", "content": ""}]}), "(history: Input should be 'user' or"),
    ],
)
def test_a_malformed_file_is_refused_in_a_sentence(tmp_path: Path, text: str, complaint: str) -> None:
    result = run(tmp_path, text, "--json")
    assert (result.exit_code, result.stdout) == (1, "")
    assert complaint in result.stderr


def test_the_rewriting_helps_in_conversations_that_it_was_not_made_for(shared_data: Path) -> None:
    scores = measure(conversations(shared_data / "treccast", ODD_TOPICS))
    assert scores.word_f1 > scores.question_f1
    assert (scores.filled or 0) >= 0.2
    assert (scores.left_alone or 0) >= 0.8


def conversations(folder: Path, half: int) -> list[FollowUp]:
    """The follow-ups of the topics with odd or even numbers, each once, with what people made of them."""
    asked: dict[tuple[int, str], FollowUp] = {}
    for file in ("2020/2020_manual", "2021/2021_manual", "2022/2022"):
        name = "_evaluation_topics_flattened_duplicated" if file.startswith("2022") else "_evaluation_topics"
        for topic in json.loads((folder / f"{file}{name}_v1.0.json").read_text()):
            if topic["number"] % 2 == half:
                asked |= {(topic["number"], str(at)): each for at, each in follow_ups(topic["turn"])}
    return list(asked.values())


def follow_ups(turns: list[dict[str, str]]) -> list[tuple[str, FollowUp]]:
    history: list[Message] = []
    found = []
    for turn in turns:
        question = turn.get("raw_utterance") or turn["utterance"]
        rewrite = turn.get("manual_rewritten_utterance")
        if history and rewrite:
            found.append((turn["number"], FollowUp(history=tuple(history), question=question, rewrite=rewrite)))
        answer = turn.get("passage") or turn.get("response") or ""
        history += [Message(role="user", content=question), Message(role="assistant", content=answer)]
    return found
