"""Folders of Qdrant Edge that are deleted while something else still works in them."""

from __future__ import annotations

import threading
from contextlib import suppress
from itertools import count
from pathlib import Path

from retrieval.settings import RetrievalSettings
from retrieval.store.factory import build_stores


def test_a_folder_is_pruned_while_files_come_up_in_it(tmp_path: Path) -> None:
    """As they do while an engine opens it."""
    passages = tmp_path / "passages"
    stores = build_stores(RetrievalSettings(), passages, owner="test")
    for number in range(20):
        segments = passages / str(number) / "segments"
        segments.mkdir(parents=True)
        opening = threading.Event()

        def open_for_ever(segments: Path = segments, opening: threading.Event = opening) -> None:
            with suppress(FileNotFoundError):
                for file in count():
                    (segments / f".atomicwrite{file}").write_bytes(b"")
                    opening.set()

        engine = threading.Thread(target=open_for_ever)
        engine.start()
        opening.wait()
        stores.prune(set())
        engine.join()
        assert not (passages / str(number)).exists()
    stores.prune(set())
    assert list(passages.iterdir()) == []


def test_what_an_earlier_deletion_had_to_leave_is_deleted_by_the_next(tmp_path: Path) -> None:
    (tmp_path / ".3-left").mkdir()
    (tmp_path / ".3-left" / "file").write_bytes(b"?")
    (tmp_path / "4").mkdir()
    build_stores(RetrievalSettings(), tmp_path, owner="test").prune({"4"})
    assert [path.name for path in tmp_path.iterdir()] == ["4"]
