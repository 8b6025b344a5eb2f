"""What `parley parse` shows: what would be indexed of one file, passage by passage, with page and heading."""

from __future__ import annotations

import json
from pathlib import Path

from rich.console import Console
from rich.text import Text

from ingest.errors import RefusedFile
from ingest.sandbox import Extract, Sandbox
from ingest.settings import IngestSettings
from ingest.sources.folder import FolderFile
from ingest.splitting import Piece


def run(
    path: Path,
    settings: IngestSettings,
    *,
    page: int | None = None,
    as_json: bool = False,
    out: Console | None = None,
    err: Console | None = None,
) -> int:
    """Print the passages of a file, or of one of its pages. Returns the exit code: 1 where the file is refused."""
    out, err = out or Console(), err or Console(stderr=True)
    try:
        extract = _extract(path, settings)
    except RefusedFile as refused:
        err.print(Text(f"{refused.reason}: {refused}", style="red"), soft_wrap=True)
        return 1
    numbered = [(number, piece) for number, piece in enumerate(extract.pieces) if page in {None, piece.page}]
    if as_json:
        out.file.write(json.dumps(_as_json(extract, numbered), ensure_ascii=False, indent=2) + "\n")
        return 0
    for number, piece in numbered:
        out.file.write(f"{_place(number, piece)}\n{piece.text}\n\n")
    for sentence in extract.left_out:
        err.print(Text(f"Left out: {sentence}", style="yellow"), soft_wrap=True)
    err.print(Text(_totals(extract, numbered, page)), soft_wrap=True)
    return 0


def _extract(path: Path, settings: IngestSettings) -> Extract:
    content = FolderFile(str(path), path.name).read(settings.max_file_bytes)
    with Sandbox(settings) as sandbox:
        return sandbox.extract(content.name, content.data)


def _as_json(extract: Extract, numbered: list[tuple[int, Piece]]) -> dict[str, object]:
    passages = [
        {"position": number, "page": piece.page, "heading": piece.heading, "text": piece.text}
        for number, piece in numbered
    ]
    return {**extract.model_dump(include={"title", "pages", "left_out"}), "passages": passages}


def _place(number: int, piece: Piece) -> str:
    """The line above a passage: its position, page and heading."""
    page = f"page {piece.page}" if piece.page else ""
    return "--- " + " · ".join(filter(None, [str(number), page, piece.heading]))


def _totals(extract: Extract, numbered: list[tuple[int, Piece]], page: int | None) -> str:
    if page is not None and not numbered:
        return f"Page {page} has no text. The file has {len(extract.pieces)} passages."
    return f"{extract.title}: {len(numbered)} of {len(extract.pieces)} passages."
