"""Full-text search over runs: FTS5 on SQLite, a GIN index on PostgreSQL.

`turn` holds the words of root runs and `step` those of the runs below them, so that a search of the turns doesn't read
the many postings of their steps.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from typing import Any

from pydantic_core import from_json
from sqlalchemy import Connection, bindparam, column, text

TEXT_CHARS = 20_000
"""Of each run, that much is searchable."""
MAX_TERMS = 50
"""Of a search, so many words count."""
_SPACES = (r"\n", r"\t", r"\r", r"\"")
# Writing without spaces between words: each character is a word of its own, and a search for several a phrase.
_UNSPACED = re.compile(r"([\u0e00-\u0eff\u1780-\u17ff\u3040-\u30ff\u3400-\u9fff\uf900-\ufaff])")
_WORD = re.compile(r"\w+")


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


def tidy(db: Connection) -> None:
    """Let go of the words of runs that were deleted: SQLite only marks them until then."""
    if db.dialect.name == "sqlite":
        db.exec_driver_sql("INSERT INTO run_search (run_search) VALUES ('optimize')")


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


def matching(dialect: str, words: str, *, roots_only: bool = False) -> Any:
    """A select of the numbers of runs that hold all the words; the last word may be a beginning."""
    terms = _terms(words)
    if dialect == "sqlite":
        sql = "SELECT rowid AS num FROM run_search WHERE run_search MATCH :words"
        query = _fts5(terms, roots_only)
    else:
        columns = ["turn"] if roots_only else ["turn", "step"]
        held = " OR ".join(f"{column} @@ to_tsquery('simple', :words)" for column in columns)
        sql = f"SELECT num FROM run_search WHERE {held}"  # noqa: S608 (this module's own columns)
        query = _tsquery(terms)
    return text(sql).bindparams(bindparam("words", query, unique=True)).columns(column("num"))


def _fts5(terms: list[list[str]], roots_only: bool) -> str:
    phrases = " ".join(f'"{" ".join(term)}"' for term in terms)
    if not phrases:
        return '""'
    return f"{{turn}} : ({phrases} *)" if roots_only else f"{phrases} *"


def _tsquery(terms: list[list[str]]) -> str:
    phrases = " & ".join(" <-> ".join(f"'{word}'" for word in term) for term in terms)
    return f"{phrases}:*" if phrases else ""


def _terms(words: str) -> list[list[str]]:
    """What was typed, term by term; what stands together without a space, such as `a-b` or 你好, is a phrase."""
    chunks = (_WORD.findall(_UNSPACED.sub(r" \1 ", chunk)) for chunk in words.split())
    return [words for words in chunks if words][:MAX_TERMS]


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
