"""Which source is used for which settings."""

from __future__ import annotations

from pathlib import Path

from pydantic import TypeAdapter, ValidationError

from ingest.errors import IngestError
from ingest.settings import IngestSettings
from ingest.sources.base import Patterns, Source
from ingest.sources.folder import FolderSource
from ingest.sources.settings import FolderSettings, GitSettings, S3Settings, SourceSettings

_SETTINGS: TypeAdapter[SourceSettings] = TypeAdapter(SourceSettings)


def build_source(settings: SourceSettings, data_dir: Path, name: str = "") -> Source:
    """The source of these settings; what it keeps between runs lies below `data_dir`. Raises IngestError."""
    if isinstance(settings, FolderSettings):
        return FolderSource((settings.path,), Patterns(settings.include, settings.exclude), name)
    if isinstance(settings, S3Settings):
        from ingest.sources.s3 import S3Source

        return S3Source(settings, name)
    if isinstance(settings, GitSettings):
        from ingest.sources.git import GitSource

        return GitSource(settings, data_dir / "git", name)
    from ingest.sources.web import WebSource

    return WebSource(settings, name)


def source_at(place: str, settings: IngestSettings, data_dir: Path) -> Source:
    """The source of a path, or of an address such as `https://…`, `s3://bucket/prefix` or `git+https://…`.

    Raises IngestError for an address of another kind.
    """
    scheme, separator, rest = place.partition("://")
    if not separator:
        return FolderSource((Path(place),), Patterns(settings.include, settings.exclude))
    wanted: dict[str, object] = {"include": settings.include, "exclude": settings.exclude}
    if scheme in {"http", "https"}:
        wanted |= {"kind": "sitemap", "url": place} if _is_sitemap(rest) else {"kind": "pages", "urls": [place]}
    elif scheme == "s3":
        bucket, _, prefix = rest.partition("/")
        wanted |= {"kind": "s3", "bucket": bucket, "prefix": prefix}
    elif scheme.startswith("git+"):
        wanted |= {"kind": "git", "url": place.removeprefix("git+")}
    else:
        raise IngestError(f"{scheme}:// cannot be ingested. Name a path, https://…, s3://… or git+https://….")
    try:
        return build_source(_SETTINGS.validate_python(wanted), data_dir)
    except ValidationError as error:
        problem = error.errors(include_input=False)[0]["msg"].removeprefix("Value error, ")
        raise IngestError(f"The address cannot be ingested: {problem}.") from None


def _is_sitemap(address: str) -> bool:
    name = address.rpartition("/")[2].lower()
    return "sitemap" in name and name.endswith((".xml", ".xml.gz"))
