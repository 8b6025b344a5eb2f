"""A release that finds too little is not published."""

from __future__ import annotations

import io
import json
from collections.abc import Callable
from pathlib import Path

import pytest
from rich.console import Console

from ingest.command import run
from ingest.errors import GateFailed, IngestError, MovedOn
from ingest.gate import Gate
from ingest.pipeline import ingest
from ingest.settings import IngestSettings
from ingest.sources.folder import FolderSource
from retrieval.corpus import Corpus

GateFile = Callable[..., Path]

LEAVE = {"question": "how many days of leave carry over", "document": "leave.md"}
TRAVEL = {"question": "who books the trains", "passage": "by  the Office"}
ABSENT = {"question": "what is the wifi password", "passage": "hunter2"}


@pytest.fixture
def gate_file(tmp_path: Path) -> GateFile:
    def write(*questions: object) -> Path:
        path = tmp_path / "questions.jsonl"
        path.write_text("\n".join(json.dumps(question) for question in questions) + "\n\n")
        return path

    return write


@pytest.fixture
def handbook(folder: Path) -> Path:
    (folder / "leave.md").write_text("Five days of leave carry over.")
    (folder / "travel.md").write_text("Trains are booked by the\noffice.")
    return folder


def take_in(path: Path, corpus: Corpus, gate: Gate) -> int:
    return ingest([path], corpus, IngestSettings(), gate=gate).release


def test_a_release_that_finds_enough_is_published(corpus: Corpus, handbook: Path, gate_file: GateFile) -> None:
    questions = gate_file(LEAVE, TRAVEL, ABSENT)
    assert take_in(handbook, corpus, Gate.read(questions, 0.66)) == 1
    assert corpus.release().documents == 2


def test_a_release_that_finds_too_little_is_not(corpus: Corpus, handbook: Path, gate_file: GateFile) -> None:
    (handbook / "travel.md").rename(handbook.parent / "travel.md")
    take_in(handbook, corpus, Gate.read(gate_file(LEAVE), 1))
    (handbook.parent / "travel.md").rename(handbook / "travel.md")
    (handbook / "leave.md").unlink()
    with pytest.raises(GateFailed) as failure:
        take_in(handbook, corpus, Gate.read(gate_file(LEAVE, TRAVEL, ABSENT), 0.5))
    assert "1 of 3" in str(failure.value)
    assert str(failure.value).endswith(f"- {LEAVE['question']}\n- {ABSENT['question']}")
    assert corpus.release().number == 1
    assert [document.name for document in corpus.documents().values()] == ["leave.md"]
    assert take_in(handbook, corpus, Gate.read(gate_file(TRAVEL), 1)) == 2


def test_a_question_is_asked_as_a_reader_of_its_groups(corpus: Corpus, handbook: Path, gate_file: GateFile) -> None:
    settings = IngestSettings(groups=("board",))
    with pytest.raises(GateFailed):
        ingest([handbook], corpus, settings, gate=Gate.read(gate_file(LEAVE), 1))
    board = Gate.read(gate_file({**LEAVE, "groups": ["board"]}), 1)
    assert ingest([handbook], corpus, settings, gate=board).published


def test_both_conditions_must_meet_in_one_passage(corpus: Corpus, handbook: Path, gate_file: GateFile) -> None:
    with pytest.raises(GateFailed):
        take_in(handbook, corpus, Gate.read(gate_file({**LEAVE, "passage": "booked by the office"}), 1))


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        ("", "holds no question"),
        ("\n \n", "holds no question"),
        ("not JSON", "line 1"),
        ('{"question": "q", "document": "d"}\n{"question": "q"}', "line 2: .*`document` or `passage` is missing"),
        ('{"question": "", "document": "d"}', "line 1"),
        ('{"question": "q", "document": "d", "answer": "a"}', "line 1"),
        ('["question"]', "line 1"),
        ("\xff", "cannot be read"),
    ],
)
def test_a_file_that_is_no_gate_is_refused_before_anything_is_read(
    content: str, reason: str, corpus: Corpus, handbook: Path
) -> None:
    path = handbook.parent / "gate.jsonl"
    path.write_bytes(content.encode("latin-1"))
    with pytest.raises(IngestError, match=reason):
        Gate.read(path, 0.8)
    err = Console(file=io.StringIO())
    assert run(FolderSource((handbook,)), corpus, IngestSettings(), gate=path, err=err) == 1
    assert corpus.release().number == 0


def test_a_missing_gate_file_is_one_sentence(corpus: Corpus, handbook: Path) -> None:
    out, err = Console(file=io.StringIO(), width=200), Console(file=io.StringIO(), width=200)
    assert (
        run(FolderSource((handbook,)), corpus, IngestSettings(gate=str(handbook / "none.jsonl")), out=out, err=err) == 1
    )
    assert "cannot be read" in err.file.getvalue()
    assert corpus.release().number == 0


def test_the_settings_gate_holds_where_the_command_names_none(
    corpus: Corpus, handbook: Path, gate_file: GateFile
) -> None:
    settings = IngestSettings(gate=str(gate_file(LEAVE, ABSENT)), gate_recall=0.6)
    out, err = Console(file=io.StringIO()), Console(file=io.StringIO(), width=200)
    assert run(FolderSource((handbook,)), corpus, settings, out=out, err=err) == 1
    assert "1 of 2 questions" in err.file.getvalue()
    assert "wifi" in err.file.getvalue()
    assert (
        run(FolderSource((handbook,)), corpus, settings.model_copy(update={"gate_recall": 0.5}), out=out, err=err) == 0
    )


def test_a_gate_that_failed_is_told_in_json_too(corpus: Corpus, handbook: Path, gate_file: GateFile) -> None:
    out, err = Console(file=io.StringIO()), Console(file=io.StringIO(), width=200)
    gate = gate_file(LEAVE, ABSENT)
    code = run(FolderSource((handbook,)), corpus, IngestSettings(), gate=gate, as_json=True, out=out, err=err)
    told = json.loads(out.file.getvalue())
    assert (code, told["published"], told["release"]) == (1, False, 0)
    assert [file["name"] for file in told["files"]] == ["leave.md", "travel.md"]
    assert told["unanswered"] == [ABSENT["question"]]
    assert "1 of 2 questions" in told["error"]


def test_any_other_failure_is_told_in_json_too(corpus: Corpus, handbook: Path) -> None:
    out, err = Console(file=io.StringIO()), Console(file=io.StringIO(), width=200)
    with corpus.draft():
        assert run(FolderSource((handbook,)), corpus, IngestSettings(), as_json=True, out=out, err=err) == 1
    assert list(json.loads(out.file.getvalue())) == ["error"]


def test_an_ingest_does_not_build_on_a_release_that_it_was_not_compared_with(corpus: Corpus, handbook: Path) -> None:
    """The pointer moves after the files' state was taken, before the first change."""
    ingest([handbook], corpus, IngestSettings())
    (handbook / "leave.md").write_text("Six days of leave carry over.")
    ingest([handbook], corpus, IngestSettings())
    (handbook / "more.md").write_text("More.")
    (handbook / "aaa.xyz").write_text("?")
    moves = iter([corpus.releases().rollback])

    def on_progress(*_: object) -> None:
        for move in moves:
            move()

    with pytest.raises(MovedOn, match="Release 1 was published"):
        ingest([handbook], corpus, IngestSettings(), on_progress=on_progress)
    assert corpus.release().number == 1
    assert ingest([handbook], corpus, IngestSettings()).published
    assert {document.name for document in corpus.documents().values()} == {"leave.md", "more.md", "travel.md"}
