"""The objects of a bucket, of Amazon S3 or of a store that speaks its protocol."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import closing
from dataclasses import dataclass
from functools import lru_cache
from typing import Any
from urllib.parse import quote

import boto3
from botocore.config import Config
from botocore.exceptions import BotoCoreError, ClientError

from ingest.errors import Gone, IngestError, RefusedFile
from ingest.sources.base import Content, Discovery, Found, Patterns, came_through, too_large
from ingest.sources.settings import S3Settings

_GONE = {"NoSuchKey", "404"}
_PATIENT = Config(
    connect_timeout=10,
    read_timeout=60,
    retries={"mode": "standard", "total_max_attempts": 4},  # with pauses that grow, and differ by chance
    request_checksum_calculation="when_required",  # what other stores than Amazon's need not know
    response_checksum_validation="when_required",
)


@dataclass(frozen=True, slots=True)
class S3Object(Found):
    """An object; its version is its ETag."""

    settings: S3Settings
    key: str
    size: int

    def read(self, max_bytes: int, known: str = "") -> Content | None:
        if self.version == known:
            return None
        if self.size > max_bytes:
            raise too_large(self.size, max_bytes)
        try:
            answer = _client(self.settings).get_object(Bucket=self.settings.bucket, Key=self.key)
            with closing(answer["Body"]) as body:
                data = body.read(max_bytes + 1)
        except ClientError as error:
            raise _refusal(error) from error
        except (BotoCoreError, OSError) as error:
            raise RefusedFile("unreachable", f"The store cannot be reached ({type(error).__name__}).") from error
        if len(data) > max_bytes:
            raise too_large(answer["ContentLength"], max_bytes)
        return Content(data, self.name, answer["ETag"])


@dataclass(frozen=True, slots=True)
class S3Source:
    """The objects whose keys begin with a prefix."""

    settings: S3Settings
    name: str = ""

    def discover(self) -> Discovery:
        """Raises IngestError where the bucket cannot be listed."""
        discovery = Discovery(would_find=came_through(self.name))
        patterns = Patterns(self.settings.include, self.settings.exclude)
        endpoint, bucket = self.settings.endpoint_url, self.settings.bucket
        place = f"s3+{endpoint.rstrip('/')}/{bucket}" if endpoint else f"s3://{bucket}"
        folder = self.settings.prefix.rpartition("/")[0]
        for entry in self._entries():
            key = entry["Key"]
            name = key.removeprefix(folder).lstrip("/")
            if not key.endswith("/") and patterns.want(name):
                found = S3Object(
                    f"{place}/{quote(key)}", name, self.settings, key, entry["Size"], version=entry["ETag"]
                )
                discovery.take(found)
        return discovery

    def _entries(self) -> Iterator[Mapping[str, Any]]:
        """Key, size and ETag of every object, page after page."""
        try:
            pages = _client(self.settings).get_paginator("list_objects_v2")
            for page in pages.paginate(Bucket=self.settings.bucket, Prefix=self.settings.prefix):
                yield from page.get("Contents", ())
        except ClientError as error:
            finding = f"The store answers {error.response['Error']['Code']}."
            raise IngestError(self._failed(finding)) from error
        except (BotoCoreError, ValueError) as error:
            raise IngestError(self._failed(str(error))) from error

    def _failed(self, finding: str) -> str:
        return f"The bucket {self.settings.bucket} cannot be listed, and nothing was changed. {finding}"


def _refusal(error: ClientError) -> RefusedFile:
    """What an answer other than the object means for it."""
    code, status = error.response["Error"]["Code"], error.response["ResponseMetadata"]["HTTPStatusCode"]
    if code in _GONE:
        return Gone("The bucket has it no more.")
    return RefusedFile("unreachable" if status >= 500 else "unreadable", f"The store answers {code}.")


@lru_cache(maxsize=16)
def _client(settings: S3Settings) -> Any:
    """The client of a source, one in each process; safe to use from many threads."""
    secret = settings.secret_access_key
    return boto3.client(
        "s3",
        endpoint_url=settings.endpoint_url,
        region_name=settings.region,
        aws_access_key_id=settings.access_key_id,
        aws_secret_access_key=secret.get_secret_value() if secret else None,
        config=_PATIENT,
    )
