"""What the answer cache hears of the documents, and what the metrics say of it."""

from __future__ import annotations

from pathlib import Path
from uuid import uuid4

from prometheus_client.parser import text_string_to_metric_families

from agents.arms import Arm
from agents.cache.basis import Basis, Piece
from agents.cache.cache import AnswerCache, Asking, Reused
from agents.cache.settings import CacheSettings
from agents.cache.store import Answer
from agents.models.settings import ModelSettings
from agents.prompts import load_prompt
from agents.turn import Asker, Citation, TurnResult
from app.evidence import Ledger, Watch
from app.metrics import Metrics
from ingest.pipeline import ingest
from ingest.settings import IngestSettings
from retrieval.corpus import Corpus
from retrieval.embedding import HashingEmbedder
from retrieval.passages import EVERYONE, Passage
from retrieval.settings import RetrievalSettings

FIVE = "# Leave\n\nAt most five days of leave may be carried over.\n"
LUNCH = "# Canteen\n\nLunch is served at noon.\n"
SAID = Answer(("So it is. [1] ",), "scripted", "answer@1", tokens=20, cost_usd=0.5, seconds=1.5)


def result(**more: object) -> TurnResult:
    return TurnResult(turn_id=uuid4(), thread_id="t", status="answered", question="So?", text="So it is. [1]", **more)


async def test_a_source_that_changes_or_goes_takes_along_the_answers_that_rest_on_it(tmp_path: Path) -> None:
    folder = tmp_path / "handbook"
    folder.mkdir()
    corpus = Corpus.open(RetrievalSettings(), tmp_path, HashingEmbedder())
    ledger = Ledger.open(tmp_path / "evidence.db")
    cache = AnswerCache(CacheSettings())

    def publish(**texts: str) -> None:
        for name, text in texts.items():
            (folder / f"{name}.md").write_text(text)
        ingest([folder], corpus, IngestSettings())
        Watch(ledger, corpus, on_stale=cache.drop).compare()

    async def asked(passage: Passage) -> Reused | Asking:
        basis = Basis(
            evidence=(Piece(1, passage.id, "hash"),),
            prompt=load_prompt("answer@1"),
            model=ModelSettings(),
            release=1,
            arm=Arm(),
            groups=frozenset({EVERYONE}),
        )
        return await cache.find(basis, "So?", wait_s=0)

    publish(leave=FIVE, canteen=LUNCH)
    found = [corpus.search_now(words, groups=[EVERYONE])[0].passage for words in ("leave carried", "lunch served")]
    ledger.record(Asker(user_hash="ann"), result(citations=[Citation(number=1, passage=one) for one in found]))
    for passage in found:
        asking = await asked(passage)
        assert isinstance(asking, Asking)
        cache.end(asking, SAID)
    publish(menu="# Menu\n\nSoup.\n")
    assert len(cache) == 2
    publish(leave=FIVE.replace("five", "ten"))
    assert [isinstance(await asked(passage), Reused) for passage in found] == [False, True]
    (folder / "canteen.md").unlink()
    publish()
    assert len(cache) == 0
    ledger.close()
    corpus.close()


def test_metrics_say_how_often_an_answer_was_reused_and_what_that_spared() -> None:
    metrics = Metrics()
    saved = {"saved_usd": 0.5, "saved_s": 1.5, "saved_tokens": 20}
    for turn in (result(), result(cache="exact", **saved), result(cache="semantic", **saved)):
        metrics.observe(turn)
    families = text_string_to_metric_families(metrics.render().decode())
    shown = {(one.name, *one.labels.values()): one.value for family in families for one in family.samples}
    assert shown["parley_reused_answers_total", "exact"] == shown["parley_reused_answers_total", "semantic"] == 1
    assert shown["parley_saved_usd_total",] == 1.0
    assert shown["parley_saved_seconds_total",] == 3.0
    assert shown["parley_saved_tokens_total",] == 40
