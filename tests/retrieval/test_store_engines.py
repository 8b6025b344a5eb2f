"""What is particular to folders of Qdrant Edge, and to a server that cannot be reached."""

from __future__ import annotations

import json
import os
import threading
import uuid
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import ClassVar

import numpy as np
import pytest
import qdrant_edge as edge

from retrieval.errors import StoreUnavailable
from retrieval.passages import EVERYONE, Passage
from retrieval.settings import RetrievalSettings
from retrieval.store.base import DENSE, SPARSE, Entry, PassageStore, Question
from retrieval.store.factory import build_stores
from retrieval.store.folders import copy_folder, sync_folder
from retrieval.word_encoder import SparseVector


def entries(count: int, dimension: int, topics: int = 1) -> list[Entry]:
    """Passages with random vectors, around as many centres as there are topics."""
    chance = np.random.default_rng(0)
    centres = chance.normal(size=(topics, dimension)) if topics > 1 else np.zeros((1, dimension))
    vectors = (centres[chance.integers(0, topics, count)] + chance.normal(size=(count, dimension))).astype(np.float32)
    vectors /= np.linalg.norm(vectors, axis=1, keepdims=True)
    return [
        Entry(
            Passage(
                id=f"p{i}",
                document_id="d",
                document="d.md",
                title="d",
                page=None,
                heading="",
                text=f"text {i}",
                position=i,
            ),
            1,
            vector,
            SparseVector([i % 7], [1.0]),
        )
        for i, vector in enumerate(vectors)
    ]


def find(store: PassageStore, question: Question) -> set[str]:
    found = store.search(question, 5)
    return {held.passage.id for held in store.read([each.point for each in found]).values()}


class EntryOfOld(Entry):
    """A passage as earlier versions stored it."""

    @property
    def point_id(self) -> str:  # type: ignore[override]
        return str(uuid.uuid5(uuid.NAMESPACE_OID, self.passage.id))


@pytest.mark.filterwarnings("ignore:Payload indexes have no effect in the local Qdrant")
@pytest.mark.parametrize("url", ["", ":memory:"], ids=["edge", "server"])
def test_an_index_whose_points_are_uuids_is_still_searched(url: str, tmp_path: Path) -> None:
    """Each ranking holds points that the other lacks, which are asked for by their ids."""
    stores = build_stores(RetrievalSettings(url=url), tmp_path, owner="test")
    _, store = stores.fork(None, 1, 32)
    batch = entries(60, 32)
    store.add([EntryOfOld(each.passage, each.valid_from, each.dense, each.sparse) for each in batch])
    question = Question(batch[5].dense, SparseVector([6], [1.0]), 1, [EVERYONE])
    assert "p5" in find(store, question)
    store.close()
    stores.close()


def test_a_big_draft_is_optimised_and_finds_the_same(tmp_path: Path) -> None:
    settings = RetrievalSettings(optimize_above=1500)
    stores = build_stores(settings, tmp_path, owner="test")
    name, store = stores.fork(None, 1, 32)
    batch = entries(2000, 32)
    store.add(batch)
    question = Question(batch[5].dense, SparseVector([5], [1.0]), 1, [EVERYONE])
    before = find(store, question)
    store.flush()
    store.close()
    reader = stores.open(name)
    assert before & find(reader, question) >= {"p5"}
    assert reader.count(1) == 2000


def test_a_release_is_searched_without_a_pool_of_threads(tmp_path: Path) -> None:
    """One made by an earlier version is too, from its next draft on."""
    stores = build_stores(RetrievalSettings(), tmp_path, owner="test")
    (tmp_path / "1").mkdir(parents=True)
    pooled = edge.EdgeConfig(
        vectors={DENSE: edge.EdgeVectorParams(size=32, distance=edge.Distance.Cosine)},
        sparse_vectors={SPARSE: edge.EdgeSparseVectorParams(modifier=edge.Modifier.Idf)},
        wal_enabled=False,
    )
    edge.EdgeShard.create(str(tmp_path / "1"), pooled).close()
    name, draft = stores.fork("1", 2, 32)
    draft.add(entries(10, 32))
    draft.flush()
    draft.close()
    before = threads()
    reader = stores.open(name)
    assert find(reader, Question(entries(1, 32)[0].dense, SparseVector([0], [1.0]), 1, [EVERYONE]))
    assert threads() - before <= 1
    reader.close()


def threads() -> int:
    return len(os.listdir("/proc/self/task"))


def test_a_reader_keeps_working_when_its_folder_is_pruned(tmp_path: Path) -> None:
    stores = build_stores(RetrievalSettings(), tmp_path, owner="test")
    name, store = stores.fork(None, 1, 32)
    batch = entries(500, 32)
    store.add(batch)
    store.flush()
    store.close()
    reader = stores.open(name)
    stores.prune(set())
    assert not (tmp_path / name).exists()
    question = Question(batch[5].dense, SparseVector([5], [1.0]), 1, [EVERYONE])
    assert "p5" in find(reader, question)
    assert reader.passage("p499", 1) == batch[499].passage
    reader.close()
    assert not (tmp_path / name).exists()


def test_a_missing_folder_says_what_to_do(tmp_path: Path) -> None:
    with pytest.raises(StoreUnavailable, match="backup"):
        build_stores(RetrievalSettings(), tmp_path, owner="test").open("1")


def test_a_damaged_folder_says_what_to_do(tmp_path: Path) -> None:
    stores = build_stores(RetrievalSettings(), tmp_path, owner="test")
    name, store = stores.fork(None, 1, 32)
    store.close()
    for path in (tmp_path / name).rglob("segment.json"):
        path.write_text("{")
    with pytest.raises(StoreUnavailable, match="backup"):
        stores.open(name)


def test_copies_keep_holes_and_content(tmp_path: Path) -> None:
    source = tmp_path / "source"
    (source / "inner").mkdir(parents=True)
    with open(source / "inner" / "sparse", "wb") as file:
        file.seek(8 << 20)
        file.write(b"end")
        file.truncate(16 << 20)
    (source / ".atomicwriteXYZ").mkdir()
    copy_folder(source, tmp_path / "target")
    sync_folder(tmp_path / "target")
    copied = tmp_path / "target" / "inner" / "sparse"
    assert copied.read_bytes() == (source / "inner" / "sparse").read_bytes()
    assert os.stat(copied).st_blocks * 512 < 2 << 20
    assert not (tmp_path / "target" / ".atomicwriteXYZ").exists()


def test_a_server_that_is_down_says_what_to_do(tmp_path: Path) -> None:
    stores = build_stores(RetrievalSettings(url="http://127.0.0.1:9"), tmp_path, owner="test")
    with pytest.raises(StoreUnavailable, match=r"retrieval\.url"):
        stores.fork(None, 1, 32)


def test_another_stores_release_is_not_looked_for_on_the_server(tmp_path: Path) -> None:
    stores = build_stores(RetrievalSettings(url=":memory:"), tmp_path, owner="test")
    with pytest.raises(StoreUnavailable, match=r"Set retrieval\.url"):
        stores.open("1")


@pytest.mark.filterwarnings("ignore:Payload indexes have no effect in the local Qdrant")
def test_a_collection_of_something_else_is_left_alone(tmp_path: Path) -> None:
    from qdrant_client import QdrantClient, models

    from retrieval.store.server import ServerStores

    client = QdrantClient(":memory:")
    client.create_collection("parley-1", vectors_config=models.VectorParams(size=4, distance=models.Distance.DOT))
    with pytest.raises(StoreUnavailable, match="belongs to something else"):
        ServerStores(client, "parley", "mine").fork(None, 1, 32)
    ServerStores(client, "mine", "mine").fork(None, 1, 32)
    with pytest.raises(StoreUnavailable, match="belongs to something else"):
        ServerStores(client, "mine", "theirs").fork(None, 1, 32)


@pytest.mark.parametrize(("quantization", "recall"), [("scalar", 0.98), ("binary", 0.9)])
def test_a_changed_compression_takes_effect_with_the_next_graph_and_misses_little(
    tmp_path: Path, quantization: str, recall: float
) -> None:
    batch = entries(2800, 1024, topics=100)  # a graph is built from about 10 MB on
    name, store = build_stores(RetrievalSettings(), tmp_path, owner="test").fork(None, 1, 1024)
    store.add(batch)
    store.flush()
    store.close()
    settings = RetrievalSettings(optimize_above=0, quantization=quantization)
    name, store = build_stores(settings, tmp_path, owner="test").fork(name, 2, 1024)
    store.flush()
    assert list((tmp_path / name).rglob("quantized.*"))
    vectors = np.stack([each.dense for each in batch])
    hits = 0
    for each in batch[:50]:
        nearest = {f"p{i}" for i in np.argsort(-vectors @ each.dense)[:5]}
        hits += len(nearest & find(store, Question(each.dense, SparseVector([], []), 1, [EVERYONE])))
    assert hits / 250 >= recall
    store.close()


class Recorder(BaseHTTPRequestHandler):
    """Answers like a Qdrant server that stumbles over two uploads and is busy with its index for a while."""

    seen: ClassVar[list[tuple[str, str, dict]]] = []
    m: ClassVar[int] = 16
    stumbles: ClassVar[int] = 2
    busy: ClassVar[int] = 2

    def answer(self) -> None:
        body = json.loads(self.rfile.read(int(self.headers.get("Content-Length") or 0)) or b"{}")
        path = self.path.split("?")[0]
        self.seen.append((self.command, path, body))
        cls = type(self)
        cls.m = body.get("hnsw_config", {}).get("m", cls.m)
        stumble = self.command == "PUT" and path.endswith("/points") and cls.stumbles > 0
        cls.stumbles -= stumble
        self.reply(503 if stumble else 200, self.result(path))

    def result(self, path: str) -> object:
        cls = type(self)
        if path.endswith("/exists"):
            return {"exists": False}
        if self.command == "GET":
            status = "yellow" if cls.busy > 0 else "green"
            cls.busy -= 1
            return {
                "status": status,
                "optimizer_status": "ok",
                "segments_count": 1,
                "payload_schema": {},
                "config": {
                    "params": {},
                    "hnsw_config": {"m": cls.m, "ef_construct": 100, "full_scan_threshold": 10000},
                    "optimizer_config": {
                        "deleted_threshold": 0.2,
                        "vacuum_min_vector_number": 1000,
                        "default_segment_number": 0,
                        "flush_interval_sec": 5,
                    },
                },
            }
        return {"operation_id": 1, "status": "completed"} if "/points" in path or "/index" in path else True

    def reply(self, status: int, result: object) -> None:
        data = json.dumps({"result": result, "status": "ok", "time": 0.0}).encode()
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(data)))
        self.end_headers()
        self.wfile.write(data)

    do_GET = do_PUT = do_POST = do_PATCH = do_DELETE = answer

    def log_message(self, format: str, *args: object) -> None:
        """Say nothing."""


@pytest.fixture
def recorder() -> Iterator[tuple[str, type[Recorder]]]:
    handler = type("Fresh", (Recorder,), {"seen": []})
    server = ThreadingHTTPServer(("127.0.0.1", 0), handler)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield f"http://127.0.0.1:{server.server_port}", handler
    server.shutdown()
    server.server_close()


def test_a_first_load_builds_the_graph_at_the_end_and_is_patient(tmp_path: Path, recorder) -> None:
    url, handler = recorder
    stores = build_stores(RetrievalSettings(url=url, quantization="scalar"), tmp_path, owner="test")
    _, store = stores.fork(None, 1, 32)
    store.add(entries(256, 32))
    store.flush()
    stores.close()
    created = next(body for verb, path, body in handler.seen if (verb, path) == ("PUT", "/collections/parley-1"))
    assert created["hnsw_config"] == {"m": 0}
    assert created["quantization_config"]["scalar"]["type"] == "int8"
    uploads = [body["points"] for verb, path, body in handler.seen if (verb, path[-7:]) == ("PUT", "/points")]
    assert len(uploads) == 6
    assert {len(points) for points in uploads} == {64}
    assert len({point["id"] for points in uploads for point in points}) == 256
    after = handler.seen[-4:]
    assert [(verb, path) for verb, path, _ in after[:2]] == [
        ("GET", "/collections/parley-1"),
        ("PATCH", "/collections/parley-1"),
    ]
    assert after[1][2]["hnsw_config"]["m"] == 16
    assert handler.busy < 0


def test_what_a_server_refuses_is_not_sent_again(tmp_path: Path, recorder) -> None:
    url, handler = recorder
    stores = build_stores(RetrievalSettings(url=url), tmp_path, owner="test")
    _, store = stores.fork(None, 1, 32)
    handler.seen.clear()
    handler.reply = lambda self, status, result: Recorder.reply(self, 400, None)
    with pytest.raises(StoreUnavailable, match="The Qdrant server failed"):
        store.add(entries(10, 32))
    assert len(handler.seen) == 1
