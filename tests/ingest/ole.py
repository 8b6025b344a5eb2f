"""Writes small OLE containers, which Outlook's messages are: storages and streams in one file."""

from __future__ import annotations

import struct

SECTOR, MINI = 512, 64
FREE, END, FAT = 0xFFFFFFFF, 0xFFFFFFFE, 0xFFFFFFFD

Storage = dict[str, "bytes | Storage"]


def container(root: Storage) -> bytes:
    """The bytes of a container; no stream may be 4096 bytes or longer, so that all lie in the small-stream area."""
    streams, entries = bytearray(), []
    minifat: list[int] = []
    add_entry(entries, "Root Entry", root, streams, minifat, kind=5)
    entries[0][3:5] = [0, len(streams)]
    directory = b"".join(pack(entry) for entry in entries)
    areas = [padded(directory), padded(struct.pack(f"<{len(minifat)}I", *minifat), b"\xff"), padded(bytes(streams))]
    starts, fat = [], [FAT]
    for area in areas:
        starts.append(len(fat))
        fat += [*range(len(fat) + 1, len(fat) + len(area) // SECTOR), END]
    directory = bytearray(areas[0])
    struct.pack_into("<I", directory, 116, starts[2])
    fat += [FREE] * (SECTOR // 4 - len(fat))
    header = struct.pack(
        "<8s16xHHHHH6x9I",
        *(b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1", 62, 3, 0xFFFE, 9, 6, 0, 1, starts[0], 0, 4096),
        *(starts[1], len(areas[1]) // SECTOR, END, 0),
    )
    header += struct.pack("<109I", 0, *[FREE] * 108)
    return header + struct.pack(f"<{SECTOR // 4}I", *fat) + bytes(directory) + areas[1] + areas[2]


def add_entry(entries: list, name: str, content: bytes | Storage, streams: bytearray, minifat: list, kind: int) -> int:
    """Append a directory entry with all that is below it; returns its number."""
    number = len(entries)
    entry = [name, kind, [FREE, FREE, FREE], END, 0]
    entries.append(entry)
    if isinstance(content, bytes):
        entry[3:5] = [len(minifat), len(content)]
        sectors = max(1, -(-len(content) // MINI))
        minifat += [*range(len(minifat) + 1, len(minifat) + sectors), END]
        streams += content.ljust(sectors * MINI, b"\x00")
        return number
    before = None
    for key in sorted(content, key=lambda key: (len(key), key)):
        below = content[key]
        child = add_entry(entries, key, below, streams, minifat, kind=2 if isinstance(below, bytes) else 1)
        if before is None:
            entry[2][2] = child
        else:
            entries[before][2][1] = child
        before = child
    return number


def pack(entry: list) -> bytes:
    name, kind, (left, right, child), start, size = entry
    encoded = f"{name}\x00".encode("utf-16-le")
    return struct.pack("<64sHBBIII36xIQ", encoded, len(encoded), kind, 1, left, right, child, start, size)


def padded(data: bytes, filler: bytes = b"\x00") -> bytes:
    return data.ljust(-(-len(data) // SECTOR) * SECTOR, filler)
