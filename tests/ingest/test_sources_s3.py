"""S3 sources, against a store that speaks the protocol on loopback."""

from __future__ import annotations

import pickle
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import boto3
import httpx
import pytest
from moto.server import ThreadedMotoServer

from ingest.errors import Gone, IngestError
from ingest.report import IngestReport
from ingest.settings import IngestSettings
from ingest.sources.configured import Sources
from ingest.sources.s3 import S3Source
from ingest.sources.settings import S3Settings
from retrieval.corpus import Corpus

BUCKET = "handbook"
Run = Callable[..., IngestReport]
ANY_SIZE = IngestSettings()


@pytest.fixture
def endpoint() -> Iterator[str]:
    server = ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
    server.start()
    host, port = server.get_host_and_port()
    yield f"http://{host}:{port}"
    httpx.post(f"http://{host}:{port}/moto-api/reset")  # all its servers in this process share their objects
    server.stop()


@pytest.fixture
def bucket(endpoint: str) -> Any:
    keys = {"aws_access_key_id": "ann", "aws_secret_access_key": "hunter2"}
    bucket = boto3.resource("s3", endpoint_url=endpoint, region_name="us-east-1", **keys).Bucket(BUCKET)
    bucket.create()
    return bucket


@pytest.fixture
def settings(endpoint: str) -> Callable[..., S3Settings]:
    def make(**more: object) -> S3Settings:
        values = {"kind": "s3", "bucket": BUCKET, "endpoint_url": endpoint, "region": "us-east-1"}
        keys = {"access_key_id": "ann", "secret_access_key": "hunter2"}
        return S3Settings.model_validate({**values, **keys, **more})

    return make


@pytest.fixture
def run(corpus: Corpus, settings: Callable[..., S3Settings], tmp_path: Path) -> Run:
    def run(ingest: IngestSettings = ANY_SIZE, **more: object) -> IngestReport:
        return Sources({"s3": settings(**more)}, ingest, tmp_path / "data").run("s3", corpus)

    return run


def statuses(report: IngestReport) -> dict[str, str]:
    return {file.name: file.reason or file.status for file in report.files}


def test_objects_changes_and_deletions_are_followed(corpus: Corpus, bucket: Any, endpoint: str, run: Run) -> None:
    bucket.put_object(Key="hr/leave.md", Body=b"# Leave\nFive days.")
    bucket.put_object(Key="hr/r\xe9sum\xe9 1.md", Body=b"By train.")
    bucket.put_object(Key="hr/", Body=b"")
    bucket.put_object(Key="it/keys.md", Body=b"Keys are blue.")
    assert statuses(run(prefix="hr/")) == {"leave.md": "added", "r\xe9sum\xe9 1.md": "added"}
    document = corpus.documents()[f"s3+{endpoint}/{BUCKET}/hr/leave.md"]
    assert (document.version, document.origin) == (bucket.Object("hr/leave.md").e_tag, "s3")
    bucket.put_object(Key="hr/leave.md", Body=b"# Leave\nSix days.")
    bucket.Object("hr/r\xe9sum\xe9 1.md").delete()
    assert statuses(run(prefix="hr/")) == {"leave.md": "changed", "r\xe9sum\xe9 1.md": "removed"}


def test_an_unchanged_object_is_not_read_again(bucket: Any, run: Run) -> None:
    bucket.put_object(Key="a.md", Body=b"One, and some more.")
    bucket.put_object(Key="old/b.md", Body=b"Two.")
    assert statuses(run(exclude=["old/*"])) == {"a.md": "added"}
    small = IngestSettings(max_file_bytes=1)
    assert statuses(run(small, exclude=["old/*"])) == {"a.md": "unchanged"}
    bucket.put_object(Key="a.md", Body=b"Two, and some more.")
    assert statuses(run(small, exclude=["old/*"])) == {"a.md": "too_large"}


def test_more_objects_than_one_answer_lists_are_all_found(
    bucket: Any, settings: Callable[..., S3Settings], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("MOTO_S3_DEFAULT_MAX_KEYS", "2")
    for number in range(5):
        bucket.put_object(Key=f"{number}.md", Body=b"Text.")
    assert len(S3Source(settings()).discover().files) == 5


def test_a_bucket_that_is_away_keeps_what_is_known(corpus: Corpus, bucket: Any, endpoint: str, run: Run) -> None:
    bucket.put_object(Key="a.md", Body=b"One.")
    run()
    bucket.Object("a.md").delete()
    bucket.delete()
    with pytest.raises(IngestError, match=r"nothing was changed\. The store answers NoSuchBucket"):
        run()
    assert len(corpus.documents()) == 1


def test_an_object_is_read_by_another_process_too_and_may_be_gone_by_then(
    bucket: Any, settings: Callable[..., S3Settings]
) -> None:
    bucket.put_object(Key="a.md", Body=b"One.")
    [found] = S3Source(settings()).discover().files
    there = pickle.loads(pickle.dumps(found))
    content = there.read(1000)
    assert (content.data, content.version) == (b"One.", found.version)
    assert there.read(1000, content.version) is None
    bucket.Object("a.md").delete()
    with pytest.raises(Gone):
        there.read(1000)


def test_a_store_that_cannot_be_named_or_reached_is_a_sentence_without_secrets(
    settings: Callable[..., S3Settings],
) -> None:
    for endpoint in ("nowhere", "http://127.0.0.1:9"):
        with pytest.raises(IngestError, match=r"cannot be listed, and nothing was changed\. \w+") as error:
            S3Source(settings(endpoint_url=endpoint)).discover()
        assert "hunter2" not in f"{error.value}{settings()!r}"
