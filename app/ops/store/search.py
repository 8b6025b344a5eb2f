"""Full-text search over runs: FTS5 on SQLite, a GIN index on PostgreSQL.

`turn` holds the words of root runs and `step` those of the runs below them, so that a search of the turns doesn't read
the many postings of their steps.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from typing import Any

from pydantic_core import from_json
from sqlalchemy import ColumnElement, Connection, bindparam, column, select, table, text

TEXT_CHARS = 20_000
"""Of each run, that much is searchable."""
_SPACES = (r"\n", r"\t", r"\r", r"\"")
# Writing without spaces between words: each character is a word of its own, and a search for several a phrase.
_UNSPACED = re.compile(r"([\u0e00-\u0eff\u1780-\u17ff\u3040-\u30ff\u3400-\u9fff\uf900-\ufaff])")
_WORD = re.compile(r"\w+")

run_search = table("run_search", column("num"), column("turn"), column("step"))


def create(db: Connection) -> None:
    """Make the index."""
    if db.dialect.name == "sqlite":
        db.execute(
            text(
                "CREATE VIRTUAL TABLE run_search USING fts5"
                " (turn, step, columnsize = 0, tokenize = 'unicode61 remove_diacritics 2')"
            )
        )
    else:
        db.execute(text("CREATE TABLE run_search (num BIGINT PRIMARY KEY, turn TSVECTOR, step TSVECTOR)"))
        db.execute(text("CREATE INDEX run_search_turn ON run_search USING gin (turn)"))
        db.execute(text("CREATE INDEX run_search_step ON run_search USING gin (step)"))


def searchable(name: str, error: str | None, *documents: str | None) -> str:
    """The words of a run: its name, its error, and JSON documents with their escapes undone."""
    words = " ".join([name, *(_plain(document) for document in documents if document), error or ""])
    return _UNSPACED.sub(r" \1 ", words[:TEXT_CHARS]).replace("\x00", " ")


def put(db: Connection, rows: Iterable[Mapping[str, Any]]) -> None:
    """Index runs anew; a row has `num`, `is_root` and `text`."""
    values = [
        {
            "num": row["num"],
            "turn": row["text"] if row["is_root"] else None,
            "step": None if row["is_root"] else row["text"],
        }
        for row in rows
    ]
    if not values:
        return
    if db.dialect.name == "sqlite":
        db.exec_driver_sql(
            "INSERT OR REPLACE INTO run_search (rowid, turn, step) VALUES (?, ?, ?)",
            [tuple(row.values()) for row in values],
        )
    else:
        db.execute(
            text(
                "INSERT INTO run_search (num, turn, step)"
                " VALUES (:num, to_tsvector('simple', :turn), to_tsvector('simple', :step))"
                " ON CONFLICT (num) DO UPDATE SET turn = excluded.turn, step = excluded.step"
            ),
            values,
        )


def delete(db: Connection, nums: Iterable[int]) -> None:
    """Forget these runs."""
    key = "rowid" if db.dialect.name == "sqlite" else "num"
    rows = [{"num": num} for num in nums]
    if rows:
        db.execute(text(f"DELETE FROM run_search WHERE {key} = :num"), rows)  # noqa: S608


def matching(dialect: str, words: str, *, roots_only: bool = False) -> ColumnElement[int] | Any:
    """A subquery of the numbers of runs that hold all the words; the last word may be a beginning."""
    terms = _terms(words)
    if dialect == "sqlite":
        phrases = [f'"{term}"' for term in terms]
        query = " ".join([*phrases[:-1], f"{phrases[-1]} *"]) if phrases else '""'
        query = f"{{turn}} : ({query})" if roots_only else query
        return (
            text("SELECT rowid AS num FROM run_search WHERE run_search MATCH :words")
            .bindparams(bindparam("words", query, unique=True))
            .columns(column("num"))
        )
    query = " & ".join("(" + " <-> ".join(term.split()) + ")" for term in terms)
    where = "turn @@ to_tsquery('simple', :words)"
    where = where if roots_only else f"({where} OR step @@ to_tsquery('simple', :words))"
    return (
        text(f"SELECT num FROM run_search WHERE {where}")
        .bindparams(  # noqa: S608
            bindparam("words", f"{query}:*" if query and len(terms[-1].split()) == 1 else query, unique=True)
        )
        .columns(column("num"))
    )


def rows_exist(subquery: Any) -> Any:
    """`subquery` as something to select from."""
    return select(subquery.subquery().c.num)


def _terms(words: str) -> list[str]:
    """What was typed, as words; characters of unspaced writing that stand together stay together as a phrase."""
    terms = []
    for chunk in words.replace("\x00", " ").split():
        spaced = _WORD.findall(_UNSPACED.sub(r" \1 ", chunk))
        if spaced:
            terms.append(" ".join(spaced))
    return terms


def _plain(document: str) -> str:
    """The text of a JSON document; unescaping is cheap where there is little to undo."""
    if r"\u" in document:
        return " ".join(_strings(from_json(document)))
    for escape in _SPACES:
        document = document.replace(escape, " ")
    return document


def _strings(value: Any) -> Iterable[str]:
    if isinstance(value, dict):
        for key, inner in value.items():
            yield str(key)
            yield from _strings(inner)
    elif isinstance(value, list):
        for inner in value:
            yield from _strings(inner)
    else:
        yield str(value)
