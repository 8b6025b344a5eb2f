"""Settings of the configured sources: one section `[sources.NAME]` each, of the kind that its `kind` names."""

from __future__ import annotations

import re
from datetime import timedelta
from pathlib import Path
from typing import Annotated, Any, Literal, Self
from urllib.parse import urlsplit

from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, Field, SecretStr, model_validator

_UNITS = {"s": "seconds", "m": "minutes", "h": "hours", "d": "days"}
_LENGTH = re.compile(r"(\d+)\s*([smhd])")


_REPOSITORY = r"^(https://[^@/]+/.*|ssh://[^-:]+.*|[\w.][\w.-]*@[\w.][\w.-]*:.+|file:///.+|/.+)$"
"""No password in the address: it would be shown with every document."""


def _length(value: Any) -> Any:
    """`15m` as a length of time; what is written otherwise is left to Pydantic."""
    match = _LENGTH.fullmatch(value.strip()) if isinstance(value, str) else None
    return timedelta(**{_UNITS[match[2]]: int(match[1])}) if match else value


def _web_address(value: str) -> str:
    parts = urlsplit(value)
    if parts.scheme not in {"http", "https"} or not parts.hostname:
        raise ValueError("it must begin with https:// or http://, and a host")
    if "@" in parts.netloc:
        raise ValueError("it must not hold a name or a password")
    return value


WebAddress = Annotated[str, AfterValidator(_web_address)]
Every = Annotated[timedelta, BeforeValidator(_length), Field(ge=timedelta(seconds=1))]


class AnySource(BaseModel):
    """What every source can say."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    include: tuple[str, ...] = ("*",)
    """Patterns of the names to read, below the source; `*` matches `/` too."""
    exclude: tuple[str, ...] = ()
    """Patterns of names to leave out; they win over `include`."""
    groups: tuple[str, ...] = ()
    """Who may read its documents; empty for the groups of `ingest.groups`."""
    owner: str = ""
    """Who looks after its documents; empty for the owner of `ingest.owner`."""
    every: Every = timedelta(hours=1)
    """How often `parley watch` runs it, as `15m`, `6h` or `1d`."""


class FolderSettings(AnySource):
    """A file or folder of this machine. `parley watch` runs a folder as soon as it changes, too."""

    kind: Literal["folder"]
    path: Path


class WebSettings(AnySource):
    """How pages are fetched. `include` and `exclude` are matched against the path behind the host."""

    hosts: tuple[str, ...] = ()
    """Further hosts that redirects and the sitemap may lead to, as `docs.example.com`; its own are always allowed."""
    allow_private: bool = False
    """Whether addresses of this machine and of private networks may be reached."""
    robots: bool = True
    """Whether what robots.txt forbids is left alone."""
    max_pages: int = Field(default=10_000, gt=0)
    """A source that lists more pages is not run."""
    requests_per_s: float = Field(default=5.0, gt=0)
    """Requests in a second at most."""
    timeout_s: float = Field(default=30.0, gt=0)
    """A page that takes longer counts as unreachable."""
    tries: int = Field(default=4, ge=1)
    """Tries of a page that cannot be reached, with growing pauses between them."""
    user_agent: str = "Parley"
    """How it introduces itself; the rules of robots.txt for this name apply."""


class PagesSettings(WebSettings):
    """Web pages and files, one by one."""

    kind: Literal["pages"]
    urls: tuple[WebAddress, ...] = Field(min_length=1)

    @property
    def addresses(self) -> tuple[str, ...]:
        """Where it begins."""
        return self.urls


class SitemapSettings(WebSettings):
    """Every page that a sitemap lists, or those that it leads to."""

    kind: Literal["sitemap"]
    url: WebAddress

    @property
    def addresses(self) -> tuple[str, ...]:
        """Where it begins."""
        return (self.url,)


class S3Settings(AnySource):
    """The objects of a bucket, of Amazon S3 or a store that speaks its protocol."""

    kind: Literal["s3"]
    bucket: str
    prefix: str = ""
    """Only keys that begin so; names are what follows its last `/`."""
    endpoint_url: str | None = None
    """Address of the store, where it is not Amazon's."""
    region: str | None = None
    access_key_id: str | None = None
    """Empty for what the AWS tools on this machine use."""
    secret_access_key: SecretStr | None = None


class GitSettings(AnySource):
    """The files of a branch of a git repository."""

    kind: Literal["git"]
    url: str = Field(pattern=_REPOSITORY)
    """`https://…`, `ssh://…`, `user@host:path`, or, with `allow_local`, a folder of this machine."""
    branch: str = ""
    """Empty for the repository's own."""
    folder: str = ""
    """Only files below this folder."""
    token: SecretStr | None = None
    """Password for `https://…`; SSH uses the keys of this machine."""
    allow_local: bool = False
    """Whether the repository may be a folder of this machine."""
    timeout_s: float = Field(default=600.0, gt=0)
    """A fetch that takes longer is ended."""

    @model_validator(mode="after")
    def _local_only_where_allowed(self) -> Self:
        if self.url.startswith(("/", "file://")) and not self.allow_local:
            raise ValueError("a folder of this machine needs allow_local = true")
        return self


SourceSettings = Annotated[
    FolderSettings | PagesSettings | SitemapSettings | S3Settings | GitSettings, Field(discriminator="kind")
]
SourceName = Annotated[str, Field(pattern=r"^[a-z0-9][a-z0-9_-]*$")]
