"""The charts that LangSmith makes of every project: traces, model calls, cost, tools, types of runs, feedback."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from datetime import UTC, datetime, timedelta
from functools import partial
from operator import attrgetter
from typing import Any, NamedTuple
from uuid import UUID, uuid5

from fastapi import APIRouter, Request
from fastapi.concurrency import run_in_threadpool
from pydantic import BaseModel, ConfigDict, Field

from app.ops.langsmith.errors import Unprocessable
from app.ops.langsmith.request import Store, read_json
from app.ops.langsmith.wire import number
from app.ops.store import OpsStore, RunQuery
from app.ops.store.models import GroupBy, Moment, RunStats
from app.ops.store.tables.base import json_text

router = APIRouter()

_LAST = timedelta(days=7)
_POINTS = 84
"""How many points a series has, unless a stride is asked for."""
_MOST_POINTS = 1000
_TOP = 5
_Figure = Callable[[RunStats], Any]


class Stride(BaseModel):
    """How long each point lasts."""

    model_config = ConfigDict(extra="ignore")

    days: int = Field(default=0, ge=0, le=366)
    hours: int = Field(default=0, ge=0, le=10_000)
    minutes: int = Field(default=0, ge=0, le=600_000)

    @property
    def length(self) -> timedelta:
        """All of it together."""
        return timedelta(days=self.days, hours=self.hours, minutes=self.minutes)


class DashboardQuery(BaseModel):
    """The body of `/sessions/{id}/dashboard`; times are UTC, whatever `timezone` says."""

    model_config = ConfigDict(extra="ignore")

    start_time: Moment | None = None
    end_time: Moment | None = None
    stride: Stride = Stride()
    group_by: GroupBy | None = None
    omit_data: bool = False

    def span(self) -> tuple[datetime, datetime, timedelta]:
        """From when until when, and how long each point lasts. Raises Unprocessable."""
        end = self.end_time or datetime.now(UTC)
        start = self.start_time or end - _LAST
        stride = self.stride.length or max((end - start) / _POINTS, timedelta(seconds=1))
        if start >= end or (end - start) / stride > _MOST_POINTS:
            raise Unprocessable(f"Ask for at most {_MOST_POINTS} points: a longer stride, or an end after the start.")
        return start, end, stride


class _Chart(NamedTuple):
    title: str
    metrics: tuple[str, ...]
    """Fields of `RunStats`, each a series, or each a series for every group."""
    runs: Mapping[str, Any]
    """Which runs it is about."""
    by: GroupBy | None = None


_ROOTS = {"is_root": True}
_CALLS = {"run_type": "llm"}
_BY_NAME = GroupBy(attribute="name", max_groups=_TOP)
_BY_TYPE = GroupBy(attribute="run_type", max_groups=_TOP)
_SECTIONS: Mapping[str, tuple[_Chart, ...]] = {
    "Traces": (
        _Chart("Trace Count", ("run_count",), _ROOTS),
        _Chart("Trace Latency", ("latency_p50", "latency_p99"), _ROOTS),
        _Chart("Trace Error Rate", ("error_rate",), _ROOTS),
    ),
    "LLM Calls": (
        _Chart("LLM Count", ("run_count",), _CALLS),
        _Chart("LLM Latency", ("latency_p50", "latency_p99"), _CALLS),
        _Chart("LLM Error Rate", ("error_rate",), _CALLS),
    ),
    "Cost & Tokens": (
        _Chart("Total Cost", ("total_cost", "prompt_cost", "completion_cost"), _ROOTS),
        _Chart("Tokens", ("total_tokens", "prompt_tokens", "completion_tokens"), _ROOTS),
        _Chart("Time to First Token", ("first_token_p50", "first_token_p99"), _CALLS),
    ),
    "Tools": (
        _Chart("Run Count by Tool", ("run_count",), {"run_type": "tool"}, _BY_NAME),
        _Chart("Median Latency by Tool", ("latency_p50",), {"run_type": "tool"}, _BY_NAME),
        _Chart("Error Rate by Tool", ("error_rate",), {"run_type": "tool"}, _BY_NAME),
    ),
    "Run Types": (
        _Chart("Run Count by Type", ("run_count",), {}, _BY_TYPE),
        _Chart("Median Latency by Type", ("latency_p50",), {}, _BY_TYPE),
        _Chart("Error Rate by Type", ("error_rate",), {}, _BY_TYPE),
    ),
}


@router.post("/sessions/{session_id}/dashboard")
async def project_dashboard(session_id: UUID, request: Request, store: Store) -> dict[str, Any]:
    """The charts of a project."""
    body = await read_json(request, DashboardQuery)
    return await run_in_threadpool(_dashboard, store, session_id, body)


def _dashboard(store: OpsStore, project_id: UUID, asked: DashboardQuery) -> dict[str, Any]:
    project = store.projects.get(project_id)
    reader = _Reader(store, project_id, asked)
    sections = [
        _section(project_id, place, title, [reader.chart(chart, index) for index, chart in enumerate(charts)])
        for place, (title, charts) in enumerate(_SECTIONS.items())
    ]
    sections.append(_section(project_id, len(sections), "Feedback Scores", list(reader.feedback_charts())))
    return {
        "id": str(uuid5(project_id, "dashboard")),
        "title": project.name,
        "session_id": str(project_id),
        "charts": [],
        "sub_sections": sections,
    }


class _Reader:
    """Charts of one project over one span of time; what several of them show is read once."""

    def __init__(self, store: OpsStore, project_id: UUID, asked: DashboardQuery) -> None:
        self._store = store
        self._project_id = project_id
        self._asked = asked
        self._start, self._end, self._stride = asked.span()
        self._read: dict[str, dict[datetime, RunStats]] = {}

    def chart(self, chart: _Chart, index: int) -> dict[str, Any]:
        """One chart, of runs."""
        by = chart.by or self._asked.group_by
        series, data = [], []
        for group, wanted in self._groups(self._query(**chart.runs), by):
            for metric in chart.metrics:
                one = self._series(chart.title, metric, group, {"metric": metric, "group_by": by and by.model_dump()})
                series.append(one)
                data += self._points(one["id"], wanted, group, attrgetter(metric))
        return self._drawn(chart.title, index, series, data)

    def feedback_charts(self) -> Iterator[dict[str, Any]]:
        """One chart for each of the keys that most was judged by."""
        roots = self._query(**_ROOTS)
        judged = self._store.runs.stats(roots.model_copy(update={"started_from": self._start})).feedback_stats
        for index, key in enumerate(sorted(judged, key=lambda one: (-judged[one].n, one))[:_TOP]):
            one = self._series(key, "feedback_score_avg", None, {"metric": "feedback_score_avg", "feedback_key": key})
            yield self._drawn(key, index, [one], self._points(one["id"], roots, None, partial(_average, key)))

    def _query(self, **narrower: Any) -> RunQuery:
        return RunQuery(project_ids=[self._project_id], started_before=self._end, **narrower)

    def _groups(self, wanted: RunQuery, by: GroupBy | None) -> Iterator[tuple[str | None, RunQuery]]:
        if by is None:
            yield None, wanted
            return
        within = wanted.model_copy(update={"started_from": self._start})
        for group in self._store.runs.grouped_stats(within, by.model_copy(update={"max_groups": _TOP})):
            yield group, wanted.model_copy(update={"filter": _in_group(by, group)})

    def _points(self, series_id: str, wanted: RunQuery, group: str | None, figure: _Figure) -> list[dict[str, Any]]:
        if self._asked.omit_data:
            return []
        known = wanted.model_dump_json()
        if known not in self._read:
            self._read[known] = self._store.runs.stats_over_time(wanted, self._start, self._stride)
        return [
            {"series_id": series_id, "timestamp": moment.isoformat(), "value": number(figure(stats)), "group": group}
            for moment, stats in self._read[known].items()
        ]

    def _series(self, title: str, metric: str, group: str | None, said: Mapping[str, Any]) -> dict[str, Any]:
        name = f"{metric} {group}" if group is not None else metric
        return {"id": str(uuid5(self._project_id, f"{title}/{name}")), "name": group or metric, **said}

    def _drawn(self, title: str, index: int, series: list[Any], data: list[Any]) -> dict[str, Any]:
        chart_id = str(uuid5(self._project_id, title))
        return {"id": chart_id, "title": title, "index": index, "chart_type": "line", "series": series, "data": data}


def _section(project_id: UUID, index: int, title: str, charts: list[Any]) -> dict[str, Any]:
    return {"id": str(uuid5(project_id, f"section/{title}")), "title": title, "index": index, "charts": charts}


def _average(key: str, stats: RunStats) -> float | None:
    return stats.feedback_stats[key].avg if key in stats.feedback_stats else None


def _in_group(by: GroupBy, group: str) -> str:
    value = json_text(group)
    if by.attribute == "metadata":
        return f"and(eq(metadata_key, {json_text(by.path)}), eq(metadata_value, {value}))"
    return f"has(tags, {value})" if by.attribute == "tag" else f"eq({by.attribute}, {value})"
