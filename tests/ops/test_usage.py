"""Usage as providers, LangChain and the SDK's wrappers write it, and as nobody should."""

from __future__ import annotations

import json
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.ops.store.costs.usage import LARGEST_TOKENS, LARGEST_USD, read_usage, reported_usage, usage_in
from app.ops.store.models import Usage

GOLDEN = sorted((Path(__file__).parent / "fixtures" / "usage").glob("*.json"))
HALVES = ("prompt_tokens", "completion_tokens", "total_tokens", "prompt_cost", "completion_cost", "total_cost")
NAMES = (
    *("input_tokens", "output_tokens", "prompt_tokens", "total_tokens", "total_cost", "input_cost", "output_cost"),
    *(
        "input_token_details",
        "prompt_tokens_details",
        "cache_read_input_tokens",
        "cache_creation",
        "thoughts_token_count",
    ),
    *("billed_units", "usage", "usage_metadata", "generations", "message", "llm_output", "output", "eval_count"),
    *("cached_tokens", "reasoning_tokens", "output_cost_details", "candidates_token_count", "x"),
    "thoughts_token_count",
)
numbers = st.one_of(st.integers(), st.floats(), st.booleans(), st.integers(0, 10_000))
anything = st.recursive(
    st.one_of(st.none(), st.text(max_size=5), numbers),
    lambda inner: st.one_of(st.lists(inner, max_size=3), st.dictionaries(st.sampled_from(NAMES), inner, max_size=6)),
    max_leaves=30,
)
counts = st.integers(0, 10**6)


@pytest.mark.parametrize("path", GOLDEN, ids=lambda path: path.stem)
def test_usage_is_read_from_what_is_recorded(path: Path) -> None:
    case = json.loads(path.read_text())
    found = reported_usage(case["run_type"], case["metadata"], json.dumps(case["outputs"]))
    assert found == (None if case["expected"] is None else Usage.model_validate(case["expected"]))


@pytest.mark.parametrize(
    "hostile", [-1, float("nan"), float("inf"), 10**30, True, "12", None, [], {}, LARGEST_TOKENS], ids=str
)
def test_what_is_no_amount_is_not_counted(hostile: Any) -> None:
    details = {"cache_read": hostile}
    found = read_usage({"input_tokens": hostile, "output_tokens": 5, "input_token_details": details})
    assert found == Usage(completion_tokens=5, total_tokens=5)
    assert read_usage({"total_cost": hostile}) is None


def test_costs_are_exact() -> None:
    found = read_usage({"input_cost": 0.1, "output_cost": 0.2})
    assert found is not None
    assert found.total_cost == Decimal("0.3")


def test_outputs_that_speak_of_no_usage_are_not_parsed() -> None:
    assert reported_usage("llm", {}, "{this is not JSON, and nobody tries") is None


def test_a_report_as_deep_as_json_goes_is_found() -> None:
    outputs: dict[str, Any] = {"usage": {"input_tokens": 3}}
    for _ in range(180):
        outputs = {"output": outputs}
    assert reported_usage("llm", {}, json.dumps(outputs)) == Usage(prompt_tokens=3, total_tokens=3)


@given(anything)
def test_whatever_is_sent_no_amount_is_negative_endless_or_not_a_number(outputs: Any) -> None:
    found = usage_in(outputs)
    if found is None:
        return
    values = found.model_dump()
    for name in HALVES:
        assert values[name] is None or 0 <= values[name] < 100 * max(LARGEST_TOKENS, LARGEST_USD)
    for name in ("prompt_token_details", "completion_token_details", "prompt_cost_details", "completion_cost_details"):
        assert all(0 <= amount < 100 * LARGEST_TOKENS for amount in values[name].values())


@given(prompt=counts, completion=counts, cached=counts, created=counts)
def test_cached_tokens_are_counted_once_whoever_counts_them(
    prompt: int, completion: int, cached: int, created: int
) -> None:
    apart = {
        "input_tokens": prompt,
        "cache_read_input_tokens": cached,
        "cache_creation_input_tokens": created,
        "output_tokens": completion,
    }
    within = {
        "input_tokens": prompt + cached + created,
        "output_tokens": completion,
        "total_tokens": prompt + cached + created + completion,
        "input_token_details": {"cache_read": cached, "cache_creation": created},
    }
    assert read_usage(apart) == read_usage(within)


@given(prompt=counts, answer=counts, reasoning=st.integers(1, 10**6))
def test_reasoning_is_a_part_of_the_completion_whoever_counts_it(prompt: int, answer: int, reasoning: int) -> None:
    total = prompt + answer + reasoning
    inside = {"reasoning_tokens": reasoning}
    reports: list[dict[str, Any]] = [
        {"prompt_tokens": prompt, "completion_tokens": answer + reasoning, "completion_tokens_details": inside},
        {
            "prompt_tokens": prompt,
            "completion_tokens": answer,
            "completion_tokens_details": inside,
            "total_tokens": total,
        },
        {"prompt_token_count": prompt, "candidates_token_count": answer, "thoughts_token_count": reasoning},
    ]
    for report in reports:
        found = read_usage(report)
        assert found is not None
        assert (found.completion_tokens, found.total_tokens) == (answer + reasoning, total)
        assert found.completion_token_details == {"reasoning": reasoning}


@given(candidates=st.integers(1, 5), prompts=st.integers(1, 5))
def test_candidates_share_one_call_and_prompts_do_not(candidates: int, prompts: int) -> None:
    usage = {"input_tokens": 7, "output_tokens": 3, "total_tokens": 10, "input_token_details": {"cache_read": 2}}
    generation = {"message": {"kwargs": {"usage_metadata": usage}}}
    found = usage_in({"generations": [[generation] * candidates] * prompts})
    assert found == Usage(
        prompt_tokens=7 * prompts,
        completion_tokens=3 * prompts,
        total_tokens=10 * prompts,
        prompt_token_details={"cache_read": 2 * prompts},
    )
