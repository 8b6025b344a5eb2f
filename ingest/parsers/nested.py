"""Files inside a file: the attachments of a mail, the members of an archive."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

from ingest.errors import RefusedFile
from ingest.parsers.base import Block, ParsedDocument, one_line

ParseFile = Callable[[str, bytes], ParsedDocument]
"""Reads a file inside another one by the parser of its own format. Raises RefusedFile."""


class NestedFiles:
    """Collects what the files inside a file yield; each stands below a heading with its name.

    One that cannot be read is left out and named. One that is over a limit refuses the file around it, because the
    limits are those of the whole.
    """

    def __init__(self, parse: ParseFile) -> None:
        self._parse = parse
        self._blocks: list[Block] = []
        self._refused: list[tuple[str, RefusedFile]] = []

    def read(self, name: str, data: bytes, above: tuple[str, ...] = ()) -> None:
        """Parse one file inside; its headings come below `above` and its name. Raises RefusedFile("too_large")."""
        name = one_line(name)
        try:
            document = self._parse(name, data)
        except RefusedFile as refused:
            if refused.reason == "too_large":
                raise
            self._refused.append((name, refused))
            return
        headings = (*above, name)
        self._blocks += [replace(block, headings=headings + block.headings) for block in document.blocks]
        self._refused += [(f"{name}/{inner}", why) for inner, why in document.left_out]

    def document(self, title: str, blocks: list[Block]) -> ParsedDocument:
        """The file around, whose own text is `blocks`. Raises RefusedFile where nothing in it could be read."""
        blocks = [*blocks, *self._blocks]
        if not blocks and self._refused:
            name, refused = self._refused[0]
            raise RefusedFile(refused.reason, f"{name} in it: {refused.finding}".strip())
        return ParsedDocument(title, blocks, left_out=tuple(self._refused))
