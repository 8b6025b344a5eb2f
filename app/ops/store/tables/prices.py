"""Prices of models, as the workspace sets them; list prices are not kept here."""

from __future__ import annotations

from sqlalchemy import BigInteger, Column, Table, Text, Uuid

from app.ops.store.tables.base import Json, Moment, Usd, metadata

prices = Table(
    "prices",
    metadata,
    Column("id", Uuid, primary_key=True),
    Column("name", Text, nullable=False),
    Column("provider", Text),  # in lower case; null is any
    Column("match_pattern", Text, nullable=False),
    Column("match_path", Json, nullable=False),
    Column("prompt_cost", Usd, nullable=False),  # of one token
    Column("completion_cost", Usd, nullable=False),
    Column("prompt_cost_details", Json, nullable=False),  # kind of token -> of one token, as decimal text
    Column("completion_cost_details", Json, nullable=False),
    Column("prompt_tokens_above", BigInteger),  # holds for calls with more prompt tokens than this
    Column("effective_from", Moment),
    Column("effective_until", Moment),
    Column("created_at", Moment, nullable=False),
)
