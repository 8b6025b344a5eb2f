"""The schema, the same on SQLite and PostgreSQL: one file for each area, all on one `metadata`."""

from __future__ import annotations

from app.ops.store.tables.base import metadata
from app.ops.store.tables.complaints import complaints
from app.ops.store.tables.datasets import (
    comparison_projects,
    comparisons,
    dataset_tags,
    dataset_versions,
    datasets,
    example_labels,
    example_versions,
    examples,
)
from app.ops.store.tables.feedback import feedback
from app.ops.store.tables.feedback_forms import feedback_configs, feedback_tokens
from app.ops.store.tables.prices import prices
from app.ops.store.tables.prompts import prompt_commits, prompt_tag_moves, prompt_tags, prompt_webhooks, prompts
from app.ops.store.tables.queues import annotation_queues, queue_items, queue_reviews
from app.ops.store.tables.rules import evaluators, rule_applications, run_rules, unfinished_runs
from app.ops.store.tables.runs import counters, projects, run_bodies, run_labels, run_tags, runs, turns
from app.ops.store.tables.saved_filters import saved_filters
from app.ops.store.tables.shares import shares
from app.ops.store.tables.signing import signing_keys
from app.ops.store.tables.workspaces import api_keys, workspaces

__all__ = [
    "annotation_queues",
    "api_keys",
    "comparison_projects",
    "comparisons",
    "complaints",
    "counters",
    "dataset_tags",
    "dataset_versions",
    "datasets",
    "evaluators",
    "example_labels",
    "example_versions",
    "examples",
    "feedback",
    "feedback_configs",
    "feedback_tokens",
    "metadata",
    "prices",
    "projects",
    "prompt_commits",
    "prompt_tag_moves",
    "prompt_tags",
    "prompt_webhooks",
    "prompts",
    "queue_items",
    "queue_reviews",
    "rule_applications",
    "run_bodies",
    "run_labels",
    "run_rules",
    "run_tags",
    "runs",
    "saved_filters",
    "shares",
    "signing_keys",
    "turns",
    "unfinished_runs",
    "workspaces",
]
