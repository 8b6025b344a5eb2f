"""What is particular to folders of Qdrant Edge, and to a server that cannot be reached."""

from __future__ import annotations

import os
from pathlib import Path

import numpy as np
import pytest

from retrieval.embedding import SparseVector
from retrieval.errors import StoreUnavailable
from retrieval.passages import EVERYONE, Passage
from retrieval.settings import RetrievalSettings
from retrieval.store.base import Entry, PassageStore, Question
from retrieval.store.factory import build_stores
from retrieval.store.folders import copy_folder, sync_folder


def entries(count: int, dimension: int) -> list[Entry]:
    vectors = np.random.default_rng(0).normal(size=(count, dimension)).astype(np.float32)
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
    return {passage.id for passage in store.read([each.point for each in found]).values()}


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
    client.create_collection("parley", vectors_config=models.VectorParams(size=4, distance=models.Distance.DOT))
    with pytest.raises(StoreUnavailable, match="belongs to something else"):
        ServerStores(client, "parley", "mine").fork(None, 1, 32)
    ServerStores(client, "mine", "mine").fork(None, 1, 32)
    with pytest.raises(StoreUnavailable, match="belongs to something else"):
        ServerStores(client, "mine", "theirs").fork(None, 1, 32)
