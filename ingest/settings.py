"""Settings of ingest: what is read, how large a passage is, and what one file may cost."""

from __future__ import annotations

from typing import Literal

from pydantic import BaseModel, ConfigDict, Field

from retrieval.passages import EVERYONE


class IngestSettings(BaseModel):
    """How files become passages. Environment: `PARLEY_INGEST__...`."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    include: tuple[str, ...] = ("*",)
    """Patterns of the files to read, matched against the path below the ingested folder; `*` matches `/` too."""
    exclude: tuple[str, ...] = ()
    """Patterns of files to leave out; they win over `include`. Hidden files are always left out."""
    groups: tuple[str, ...] = (EVERYONE,)
    """Reader groups of newly ingested documents, where the command names none."""
    owner: str = ""
    """Who looks after newly ingested documents, where the command names nobody."""
    gate: str = ""
    """File of questions that a new release must find the answers to before it is published; empty for none."""
    gate_recall: float = Field(default=0.8, ge=0, le=1)
    """Share of the gate's questions that must be found."""
    max_file_bytes: int = Field(default=50_000_000, gt=0)
    """Larger files are refused."""
    max_unpacked_bytes: int = Field(default=200_000_000, gt=0)
    """A zipped format (ZIP, DOCX, EPUB, ...) that claims to unpack to more is refused before it is unpacked."""
    max_pages: int = Field(default=2_000, gt=0)
    """Longer PDFs are refused."""
    max_cells: int = Field(default=1_000_000, gt=0)
    """A table file (CSV), or a sheet of a workbook, with more filled cells is refused."""
    parse_timeout_s: float = Field(default=60.0, gt=0)
    """A file that takes longer to parse is refused; pages whose text is recognised come on top."""
    parse_memory_bytes: int = Field(default=2_000_000_000, gt=0)
    """Address space of the process that parses; a file that needs more is refused."""
    ocr_languages: tuple[str, ...] = ("eng",)
    """Languages of scanned pages and pictures, as Tesseract calls its models; none turns text recognition off."""
    ocr_models: str = ""
    """Folder of Tesseract's models; empty for those that come inside a package, which read English."""
    ocr_max_pages: int = Field(default=500, ge=0)
    """A file with more pages that need text recognition is refused."""
    ocr_page_timeout_s: float = Field(default=30.0, gt=0)
    """What each page that is recognised may take; it is added to `parse_timeout_s`."""
    passage_tokens: int = Field(default=200, ge=32)
    """Size that passages are packed up to, in estimated word pieces of the encoder."""
    passage_min_tokens: int = Field(default=40, ge=0)
    """A section that is shorter joins its neighbour under the same top heading, which may grow by as much."""
    engine: Literal["local", "ray"] = "local"
    """What runs the stages: `local` threads and child processes, or a `ray` cluster (`pip install 'parley[ray]'`)."""
    parsers: int = Field(default=2, ge=1)
    """Files that the local engine parses at the same time while the encoder has to wait; each in its own process."""
    read_ahead_bytes: int = Field(default=64_000_000, gt=0)
    """Memory for the files that the local engine has parsed ahead of the encoder."""
    ray_address: str = ""
    """Ray cluster to use, `auto` for the one of this machine; empty starts one here for as long as the ingest takes."""
    ray_encoders: int = Field(default=0, ge=0)
    """Processes that encode on Ray; 0 is one for each GPU or, where there is none, for most of the CPUs."""
