"""`parley evals retrieval`: what it refuses, and what it measures through the product's own search."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from rich.progress import Progress
from typer.testing import CliRunner

from app import cli
from evals.beir import Collection, read_collection
from evals.lines import LinesRefused
from evals.trial import Trial, score
from ingest.settings import IngestSettings
from retrieval.embedding import HashingEmbedder
from retrieval.settings import RetrievalSettings

CORPUS = """\
{"_id": "rivers", "title": "Rivers", "text": "The Danube flows into the Black Sea.", "metadata": {}}

{"_id": "lakes", "text": "Lake Constance is 251 metres deep."}
{"_id": "title only", "title": "Volcanoes of Iceland", "text": ""}
"""
QUERIES = """\
{"_id": "q1", "text": "Where does the Danube flow?"}
{"_id": "q2", "text": "How deep is Lake Constance?"}
{"_id": "q3", "text": "Which volcanoes does Iceland have?"}
{"_id": "unjudged", "text": "What is this?"}
"""
QRELS = "query-id\tcorpus-id\tscore\nq1\trivers\t1\nq1\tlakes\t0\nq2\tlakes\t2\nq3\ttitle only\t1\n"
KEYS = [
    *("ndcg@10", "recall@1", "recall@5", "recall@10", "recall@100", "mrr@10"),
    *("latency_ms_p50", "latency_ms_p99"),
]


def files(folder: Path, corpus: str = CORPUS, queries: str = QUERIES, qrels: str = QRELS) -> tuple[Path, Path, Path]:
    paths = folder / "corpus.jsonl", folder / "queries.jsonl", folder / "qrels.tsv"
    for path, text in zip(paths, (corpus, queries, qrels), strict=True):
        path.write_bytes(text.encode("utf-8", "surrogateescape"))
    return paths


def collection(folder: Path, **texts: str) -> Collection:
    return read_collection(*files(folder, **texts))


def test_judged_queries_are_read(tmp_path: Path) -> None:
    held = collection(tmp_path)
    assert [document.id for document in held.documents] == ["rivers", "lakes", "title only"]
    assert [query.id for query in held.queries] == ["q1", "q2", "q3"]
    assert held.judgements["q1"] == {"rivers": 1, "lakes": 0}


@pytest.mark.parametrize(
    ("broken", "message"),
    [
        ({"corpus": ""}, "corpus.jsonl is empty"),
        ({"queries": "\n\n"}, "queries.jsonl is empty"),
        ({"qrels": ""}, "qrels.tsv must begin with"),
        ({"qrels": "q1\trivers\t1\n"}, "qrels.tsv must begin with"),
        ({"qrels": "query-id\tcorpus-id\tscore\n"}, "names no relevant document"),
        ({"qrels": "query-id\tcorpus-id\tscore\nq1\trivers\t0\n"}, "names no relevant document"),
        ({"qrels": QRELS + "q1 rivers 1\n"}, "Line 6 of qrels.tsv is not a judgement"),
        ({"qrels": QRELS + "q1\trivers\tyes\n"}, "Line 6 of qrels.tsv is not a judgement"),
        ({"qrels": QRELS + "q1\trivers\t" + "9" * 400 + "\n"}, "Line 6 of qrels.tsv is not a judgement"),
        ({"qrels": QRELS + "q\udcff\trivers\t1\n"}, "Line 6 of qrels.tsv is not a judgement"),
        ({"qrels": QRELS + "q9\trivers\t1\n"}, "judges the query 'q9', which queries.jsonl does not hold"),
        ({"qrels": QRELS + "q1\tseas\t1\n"}, "judges the document 'seas', which corpus.jsonl does not hold"),
        ({"corpus": CORPUS + "{"}, "Line 5 of corpus.jsonl does not fit (Invalid JSON"),
        ({"corpus": CORPUS + "[]"}, "Line 5 of corpus.jsonl does not fit"),
        (
            {"corpus": CORPUS + '{"_id": "seas"}'},
            "(text: Field required). Each line is a JSON object",
        ),
        ({"corpus": CORPUS + '{"_id": "\udcff", "text": ""}'}, "Line 5 of corpus.jsonl does not fit"),
        ({"corpus": CORPUS + '{"_id": "\\ud800", "text": ""}'}, "Line 5 of corpus.jsonl does not fit"),
        ({"queries": QUERIES + '{"_id": "q4", "text": " "}'}, "Line 5 of queries.jsonl does not fit"),
        ({"queries": QUERIES + '{"_id": "q1", "text": "Again?"}'}, "queries.jsonl has the id 'q1' twice"),
    ],
)
def test_files_that_cannot_be_measured_on_are_refused_with_their_place(
    tmp_path: Path, broken: dict[str, str], message: str
) -> None:
    with pytest.raises(LinesRefused) as refusal:
        collection(tmp_path, **broken)
    assert message in str(refusal.value)


def test_a_missing_file_is_refused(tmp_path: Path) -> None:
    with pytest.raises(LinesRefused, match=r"corpus\.jsonl cannot be read: No such file"):
        read_collection(*(tmp_path / name for name in ("corpus.jsonl", "queries.jsonl", "qrels.tsv")))


def trial(folder: Path, held: Collection, **sizes: int) -> Trial:
    made = Trial(folder / "data", RetrievalSettings(), HashingEmbedder(), Progress(disable=True))
    made.publish(held.documents, IngestSettings(**sizes))
    return made


def test_each_stage_is_measured_over_the_same_release(tmp_path: Path) -> None:
    held = collection(tmp_path)
    searched = trial(tmp_path, held)
    for stage in ("dense", "sparse", "fusion"):
        figures = searched.measure(held, stage)
        assert list(figures) == KEYS
        assert figures["ndcg@10"] == figures["recall@1"] == figures["mrr@10"] == 1
        assert 0 < figures["latency_ms_p50"] <= figures["latency_ms_p99"]


def test_words_alone_find_nothing_where_no_word_is_shared(tmp_path: Path) -> None:
    held = collection(tmp_path, queries='{"_id": "q1", "text": "Tallest mountain"}', qrels=QRELS[: QRELS.index("q2")])
    searched = trial(tmp_path, held)
    assert searched.measure(held, "sparse")["recall@100"] == 0
    assert searched.measure(held, "fusion")["recall@100"] == 1


def test_a_document_of_many_passages_stands_where_its_best_one_does(tmp_path: Path) -> None:
    sentences = " ".join(f"The Danube passes lock number {number} on its way." for number in range(200))
    long = {"_id": "locks", "text": sentences}
    held = collection(tmp_path, corpus=f"{json.dumps(long)}\n{CORPUS}")
    figures = trial(tmp_path, held, passage_tokens=40, passage_min_tokens=10).measure(held, "sparse")
    assert figures["recall@1"] == figures["recall@100"] == 1


def test_the_scores_are_means_over_the_queries() -> None:
    figures = score([["a", "b"], ["b", "a"]], [{"a": 1}, {"a": 1}])
    assert (figures["recall@1"], figures["recall@5"], figures["mrr@10"]) == (0.5, 1, 0.75)


def parley(*arguments: str | Path) -> tuple[int, str, str]:
    result = CliRunner().invoke(cli.app, ["evals", "retrieval", *map(str, arguments)])
    return result.exit_code, result.stdout, result.stderr


def named(paths: tuple[Path, Path, Path]) -> list[str | Path]:
    return ["--corpus", paths[0], "--queries", paths[1], "--qrels", paths[2]]


def test_a_refusal_is_a_sentence_and_exit_code_1(tmp_path: Path) -> None:
    code, out, err = parley(*named(files(tmp_path, corpus="nonsense")))
    assert (code, out) == (1, "")
    assert err.startswith("Line 1 of corpus.jsonl does not fit")
    assert "Traceback" not in err


def test_an_unknown_stage_is_refused(tmp_path: Path) -> None:
    code, _, err = parley(*named(files(tmp_path)), "--stages", "dense,magic")
    assert code == 1
    assert err == "There is no stage 'magic' to measure; choose from dense, sparse, fusion, rerank.\n"


def test_the_rerank_stage_needs_a_model(tmp_path: Path) -> None:
    code, out, err = parley(*named(files(tmp_path)), "--stages", "rerank")
    assert (code, out) == (1, "")
    assert "retrieval.reranker" in err


def test_the_reranked_search_is_a_stage_of_its_own(tmp_path: Path, save_cross_encoder: Callable[..., Path]) -> None:
    """Its weights are random, so it spoils what fusion gets right."""
    words = [f"word{number}" for number in range(12)]
    held = collection(
        tmp_path,
        corpus="\n".join(json.dumps({"_id": word, "text": f"{word} leave"}) for word in words),
        queries="\n".join(json.dumps({"_id": word, "text": f"{word} leave"}) for word in words),
        qrels="query-id\tcorpus-id\tscore\n" + "".join(f"{word}\t{word}\t1\n" for word in words),
    )
    model = save_cross_encoder(tmp_path / "model", ["leave", *words])
    settings = RetrievalSettings(reranker=str(model), rerank_timeout_s=60)
    searched = Trial(tmp_path / "data", settings, HashingEmbedder(), Progress(disable=True))
    searched.publish(held.documents, IngestSettings())
    assert searched.measure(held, "fusion")["mrr@10"] == 1
    assert searched.measure(held, "rerank")["mrr@10"] < 1


@pytest.mark.model
def test_the_command_prints_the_whole_search_or_each_stage(tmp_path: Path) -> None:
    paths = named(files(tmp_path))
    code, out, _ = parley(*paths, "--json")
    assert code == 0
    assert list(json.loads(out)) == KEYS
    code, out, err = parley(*paths, "--json", "--stages", "dense,sparse,fusion,rerank")
    assert code == 0
    assert list(json.loads(out)) == ["dense", "sparse", "fusion"]
    assert "rerank is left out" in err
    code, out, _ = parley(*paths)
    assert code == 0
    assert all(key in out for key in KEYS)


def test_the_other_commands_do_not_load_it() -> None:
    code = "import app.cli, sys; print([name for name in sys.modules if name.split('.')[0] == 'evals'])"
    shown = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert shown.stdout.strip() == "[]"
