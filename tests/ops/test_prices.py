"""Prices: which one holds, what calls cost by it, and what changes when a price does."""

from __future__ import annotations

import time
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from itertools import permutations
from typing import Any
from uuid import UUID, uuid4

import httpx
import pytest
from hypothesis import given
from hypothesis import strategies as st
from langsmith import Client
from pydantic import TypeAdapter, ValidationError

from app.ops.store import Conflict, Ingest, NotFound, OpsStore
from app.ops.store.costs.book import PriceBook, called_model
from app.ops.store.costs.list_prices import every_list_price
from app.ops.store.costs.model_uses import model_uses
from app.ops.store.costs.models import Price, PriceFields, costs
from app.ops.store.costs.recosting import Recosted, Scope, recost
from app.ops.store.costs.usage import LARGEST_TOKENS, LARGEST_USD
from app.ops.store.models import RunFields, Usage

RUN: TypeAdapter[RunFields] = TypeAdapter(RunFields)
NOW = datetime(2026, 3, 10, 12, tzinfo=UTC)
DAY = timedelta(days=1)
CALL = Usage(prompt_tokens=1000, completion_tokens=100, total_tokens=1100)
KINDS = ("cache_read", "cache_creation", "reasoning", "audio", "ephemeral_5m_input_tokens", "unheard_of")

tokens = st.integers(0, LARGEST_TOKENS // 2**20)
kinds = st.dictionaries(st.sampled_from(KINDS), tokens)
usd_per_token = st.decimals(0, Decimal("0.01"), places=12)
per_kind = st.dictionaries(st.sampled_from(KINDS), usd_per_token)


def price_fields(**changes: Any) -> PriceFields:
    fields = {"name": "house", "match_pattern": "^house$", "prompt_cost": "0.001", "completion_cost": "0.002"}
    return PriceFields.model_validate(fields | changes)


def a_price(**changes: Any) -> Price:
    fields = price_fields(**{name: value for name, value in changes.items() if name != "created_at"})
    return Price(id=uuid4(), created_at=changes.get("created_at", NOW), **fields.model_dump())


def total(book: PriceBook, provider: str | None, model: str, at: datetime = NOW, usage: Usage = CALL) -> Decimal | None:
    return book.cost(usage, provider, model, at).total_cost


def a_call(
    model: str = "house",
    provider: str = "local",
    *,
    trace: UUID | None = None,
    started: datetime = NOW,
    **reported: Any,
) -> list[RunFields]:
    """A trace of two runs: a chain, and its one model call."""
    root = trace or uuid4()
    usage = {"input_tokens": 1000, "output_tokens": 100, "total_tokens": 1100} | reported
    metadata = {"ls_provider": provider, "ls_model_name": model, "usage_metadata": usage}
    chain = {"id": root, "name": "chain", "run_type": "chain", "start_time": started}
    call = {"id": uuid4(), "trace_id": root, "parent_run_id": root, "name": "call", "run_type": "llm"}
    call |= {"start_time": started, "extra": {"metadata": metadata}}
    stamp = f"{started:%Y%m%dT%H%M%S%f}Z"
    chain |= {"trace_id": root, "dotted_order": f"{stamp}{root}"}
    call |= {"dotted_order": f"{stamp}{root}.{stamp}{call['id']}"}
    return [RUN.validate_python(chain), RUN.validate_python(call)]


def finished(store: OpsStore, scope: Scope | None = None, *, apply: bool = True) -> Recosted:
    *_, last = recost(store.database, store.prices.book(), scope or Scope(), apply=apply)
    return last


def test_the_latest_price_at_the_time_of_the_call_holds() -> None:
    book = PriceBook(
        [
            a_price(prompt_cost="0.001", completion_cost="0"),
            a_price(prompt_cost="0.003", completion_cost="0", effective_from=NOW),
            a_price(prompt_cost="0.002", completion_cost="0", effective_from=NOW - DAY),
        ]
    )
    assert total(book, None, "house", NOW - 2 * DAY) == 1
    assert total(book, None, "house", NOW - DAY) == 2
    assert total(book, None, "house", NOW) == 3


def test_an_ended_price_gives_way_to_the_one_before_it() -> None:
    old = a_price(prompt_cost="0.001", completion_cost="0")
    new = a_price(prompt_cost="0.002", completion_cost="0", effective_from=NOW - DAY, effective_until=NOW)
    book = PriceBook([old, new])
    assert total(book, None, "house", NOW - DAY) == 2
    assert total(book, None, "house", NOW) == 1


def test_of_two_prices_from_the_same_time_the_one_that_says_more_holds() -> None:
    anybody = a_price(prompt_cost="0.001", completion_cost="0")
    one = a_price(prompt_cost="0.002", completion_cost="0", provider="Acme")
    long = a_price(prompt_cost="0.003", completion_cost="0", provider="acme", prompt_tokens_above=999)
    book = PriceBook([anybody, one])
    assert total(book, "ACME", "house") == 2
    assert total(book, "other", "house") == 1
    assert total(PriceBook([anybody, one, long]), "acme", "house") == 3
    short = Usage(prompt_tokens=999, completion_tokens=0)
    assert total(PriceBook([anybody, one, long]), "acme", "house", usage=short) == Decimal("1.998")


def test_the_workspace_s_price_wins_over_the_list_price() -> None:
    listed = PriceBook().price("openai", "gpt-4o", NOW)
    assert listed is not None
    assert listed.is_listed
    own = a_price(match_pattern="^gpt-4o$", provider="openai")
    assert PriceBook([own]).price("openai", "gpt-4o", NOW) == own
    assert PriceBook([own]).price("openai", "gpt-4o-mini", NOW) != own


def test_list_prices_know_kinds_of_tokens_and_sizes_of_prompts() -> None:
    cached = Usage(prompt_tokens=1_000_000, completion_tokens=0, prompt_token_details={"cache_read": 1_000_000})
    fresh = Usage(prompt_tokens=1_000_000, completion_tokens=0)
    book = PriceBook()
    assert total(book, "openai", "gpt-4o", usage=fresh) == Decimal("2.5")
    assert total(book, "openai", "gpt-4o", usage=cached) == Decimal("1.25")
    million, short = Usage(prompt_tokens=1_000_000), Usage(prompt_tokens=100_000)
    assert total(book, "google_genai", "gemini-2.5-pro", usage=million) == Decimal("2.5")
    assert total(book, "google_genai", "gemini-2.5-pro", usage=short) == Decimal("0.125")


@pytest.mark.parametrize(
    ("provider", "model"),
    [("local", "smollm2"), ("ollama", "llama3"), ("llama.cpp", "gpt-4o"), ("openai", "no-such-model"), (None, "?")],
)
def test_what_nobody_has_priced_costs_nobody_knows_what(provider: str | None, model: str) -> None:
    found = PriceBook().cost(CALL, provider, model, NOW)
    assert (found.prompt_cost, found.completion_cost, found.total_cost) == (None, None, None)
    assert (found.provider, found.model) == (provider, model)


def test_a_cost_names_the_list_price_that_it_follows() -> None:
    listed = {price.id: price for price in every_list_price()}
    for provider, model in (("openai", "gpt-4o"), ("anthropic", "claude-sonnet-4-5"), ("google", "gemini-2.5-pro")):
        found = PriceBook().cost(CALL, provider, model, NOW)
        assert found.price_id is not None
        assert listed[found.price_id].provider == provider


def test_a_local_model_costs_nothing_where_a_price_says_so() -> None:
    free = a_price(match_pattern=".", provider="local", prompt_cost=0, completion_cost=0)
    assert total(PriceBook([free]), "local", "smollm2") == 0


def test_costs_that_the_client_sent_stay() -> None:
    sent = CALL.model_copy(update={"total_cost": Decimal("0.5")})
    found = PriceBook([a_price()]).cost(sent, None, "house", NOW)
    assert (found.total_cost, found.prompt_cost, found.price_id) == (Decimal("0.5"), None, None)


def test_a_call_of_which_only_the_total_is_known_has_no_cost() -> None:
    assert total(PriceBook([a_price()]), None, "house", usage=Usage(total_tokens=10)) is None


def test_costs_beyond_all_measure_are_unknown() -> None:
    huge = Usage(prompt_tokens=LARGEST_TOKENS - 1, completion_tokens=0)
    assert total(PriceBook([a_price()]), None, "house", usage=huge) is None


def test_kinds_of_caches_and_tiers_cost_what_is_nearest() -> None:
    price = a_price(prompt_cost="0.001", prompt_cost_details={"cache_creation": "0.002", "cache_read": "0.0001"})
    details = {"ephemeral_5m_input_tokens": 10, "ephemeral_1h_input_tokens": 10, "cache_read_over_200k": 10}
    found = costs(price, Usage(prompt_tokens=100, prompt_token_details=details))
    assert found is not None
    assert found["prompt_cost"] == Decimal("0.111")  # 20 * 0.002 + 10 * 0.0001 + 70 * 0.001


@given(prompt=tokens, completion=tokens, details=kinds, each=usd_per_token, prices=per_kind)
def test_no_token_is_counted_twice(
    prompt: int, completion: int, details: dict[str, int], each: Decimal, prices: dict[str, Decimal]
) -> None:
    usage = Usage(
        prompt_tokens=prompt,
        completion_tokens=completion,
        prompt_token_details=details,
        completion_token_details=dict(reversed(details.items())),
    )
    fields = {"prompt_cost": each, "completion_cost": each}
    price = a_price(**fields, prompt_cost_details=prices, completion_cost_details=prices)
    found = costs(price, usage)
    if found is None:
        return
    dearest, cheapest = max([each, *prices.values()]), min([each, *prices.values()])
    slack = Decimal("1e-11")
    for half, count in (("prompt", prompt), ("completion", completion)):
        assert count * cheapest - slack <= found[f"{half}_cost"] <= count * dearest + slack
        assert found[f"{half}_cost"] >= 0
        assert sum(found[f"{half}_cost_details"].values()) <= found[f"{half}_cost"] + slack
    assert found["total_cost"] == found["prompt_cost"] + found["completion_cost"]
    same = a_price(**fields, prompt_cost_details=dict.fromkeys(KINDS, each))
    assert (costs(same, usage) or {"prompt_cost": prompt * each})["prompt_cost"] == prompt * each


@pytest.mark.parametrize(
    "wrong",
    [
        {"match_pattern": "("},
        {"match_pattern": "(?=a)b"},
        {"match_pattern": "x{1000}{1000}"},
        {"match_pattern": ""},
        {"prompt_cost": -1},
        {"prompt_cost": "NaN"},
        {"prompt_cost": "Infinity"},
        {"prompt_cost": 1},
        {"prompt_cost": None},
        {"prompt_cost_details": {"cache_read": -1}},
        {"match_path": ["anything"]},
        {"prompt_tokens_above": -1},
        {"name": ""},
    ],
    ids=str,
)
def test_a_price_that_cannot_be_is_refused(wrong: dict[str, Any]) -> None:
    with pytest.raises(ValidationError):
        price_fields(**wrong)


def test_a_pattern_made_to_take_forever_does_not() -> None:
    book = PriceBook([a_price(match_pattern="^(a+)+$")])
    began = time.monotonic()
    book.price(None, "a" * 199 + "!", NOW)
    assert time.monotonic() - began < 1


def test_the_model_is_named_by_metadata_or_else_by_the_invocation() -> None:
    params = {"model_name": "b", "model": 7, "endpoint_name": "c"}
    both = {"metadata": {"ls_provider": "acme", "ls_model_name": "a"}, "invocation_params": params}
    assert called_model(both) == ("acme", "a")
    assert called_model({"metadata": {"ls_model_name": 5}, "invocation_params": params}) == (None, "b")
    assert called_model({"metadata": "?", "invocation_params": ["?"]}) == (None, None)


def test_prices_are_set_changed_ended_and_forgotten(store: OpsStore) -> None:
    made = store.prices.create(price_fields(prompt_cost_details={"cache_read": "0.000000075"}, effective_from=NOW))
    assert store.prices.own() == [made]
    assert made.prompt_cost_details == {"cache_read": Decimal("0.000000075")}
    with pytest.raises(Conflict):
        store.prices.create(price_fields(effective_from=NOW))
    changed = store.prices.replace(made.id, price_fields(prompt_cost="0.005"))
    assert (changed.prompt_cost, changed.effective_from, changed.prompt_cost_details) == (Decimal("0.005"), None, {})
    assert store.prices.end(made.id, NOW).effective_until == NOW
    store.prices.delete(made.id)
    store.prices.delete(made.id)
    assert store.prices.own() == []
    with pytest.raises(NotFound):
        store.prices.replace(made.id, price_fields())


def test_a_changed_price_counts_at_once(store: OpsStore) -> None:
    assert store.prices.book().cost(CALL, None, "house", NOW).total_cost is None
    made = store.prices.create(price_fields())
    assert store.prices.book().cost(CALL, None, "house", NOW).total_cost == Decimal("1.2")
    store.prices.replace(made.id, price_fields(prompt_cost=0))
    assert store.prices.book().cost(CALL, None, "house", NOW).total_cost == Decimal("0.2")
    store.prices.delete(made.id)
    assert store.prices.book().cost(CALL, None, "house", NOW).total_cost is None


def test_costs_are_summed_up_the_tree_exactly(store: OpsStore) -> None:
    store.prices.create(price_fields(prompt_cost="0.0000001", completion_cost="0.0000002"))
    chain, call = a_call()
    store.ingest(Ingest(posts=[call, chain]))
    found = store.runs.get(chain["id"])
    assert (found.total_tokens, found.total_cost) == (1100, Decimal("0.00012"))


def test_a_new_price_reaches_old_runs_when_costs_are_worked_out_again(store: OpsStore) -> None:
    chain, call = a_call()
    paid, paid_call = a_call(total_cost=7)
    store.ingest(Ingest(posts=[chain, call, paid, paid_call]))
    assert store.runs.get(chain["id"]).total_cost is None
    store.prices.create(price_fields())
    looked = finished(store, apply=False)
    assert (looked.changed, looked.before, looked.after) == (1, 0, Decimal("1.2"))
    assert store.runs.get(chain["id"]).total_cost is None
    done = finished(store)
    assert (done.seen, done.total, done.changed, done.finished) == (2, 2, 1, True)
    assert store.runs.get(chain["id"]).total_cost == Decimal("1.2")
    assert store.runs.get(paid["id"]).total_cost == 7
    assert finished(store).changed == 0


def test_costs_become_unknown_when_the_price_is_forgotten(store: OpsStore) -> None:
    made = store.prices.create(price_fields())
    chain, call = a_call()
    store.ingest(Ingest(posts=[chain, call]))
    store.prices.delete(made.id)
    assert finished(store).changed == 1
    assert store.runs.get(chain["id"]).total_cost is None
    assert store.runs.get(chain["id"]).total_tokens == 1100


def test_only_the_model_and_the_time_that_were_asked_for_are_worked_out_again(store: OpsStore) -> None:
    calls = [a_call(started=NOW - DAY), a_call(started=NOW), a_call("other", started=NOW)]
    store.ingest(Ingest(posts=[run for call in calls for run in call]))
    store.prices.create(price_fields(match_pattern="."))
    assert finished(store, Scope(since=NOW, model="house"), apply=False).changed == 1
    assert finished(store, Scope(since=NOW), apply=False).changed == 2
    assert finished(store, Scope(until=NOW), apply=False).changed == 1
    assert finished(store, apply=False).changed == 3


def test_whatever_comes_first_the_costs_are_the_same(store: OpsStore) -> None:
    store.prices.create(price_fields())
    for order in permutations(range(3)):
        chain, call = a_call(trace=uuid4())
        identity = {name: call[name] for name in ("id", "trace_id", "parent_run_id", "dotted_order")}
        usage = {"usage_metadata": {"input_tokens": 1000, "output_tokens": 100, "total_tokens": 1100}}
        named = {"metadata": {"ls_model_name": "house"}}
        post = RUN.validate_python(identity | {"name": "call", "run_type": "llm", "start_time": NOW, "extra": named})
        patch = RUN.validate_python(identity | {"end_time": NOW + DAY, "outputs": usage})
        batches = [Ingest(posts=[chain]), Ingest(posts=[post]), Ingest(patches=[patch])]
        for number in order:
            store.ingest(batches[number])
        found = store.runs.get(chain["id"])
        assert (found.total_tokens, found.total_cost) == (1100, Decimal("1.2")), order


def test_other_writers_come_in_between_while_costs_are_worked_out_again(store: OpsStore) -> None:
    runs = [run for _ in range(1500) for run in a_call()]
    for start in range(0, len(runs), 500):
        store.ingest(Ingest(posts=runs[start : start + 500]))
    store.prices.create(price_fields())
    store.recosting.start(Scope(), apply=True)
    with pytest.raises(Conflict):
        store.recosting.start(Scope(), apply=True)
    turns = 0
    while store.recosting.is_running:
        with store.database.write():
            turns += 1
        time.sleep(0.005)
    progress = store.recosting.progress
    assert progress is not None
    assert progress.finished
    assert progress.changed == 1500
    assert turns >= 5


def test_a_trace_of_costs_beyond_all_measure_is_still_taken_in(store: OpsStore) -> None:
    chain, _ = a_call()
    calls = [a_call(trace=chain["id"], total_cost=LARGEST_USD - 1)[1] for _ in range(1000)]
    store.ingest(Ingest(posts=[chain, *calls]))
    assert store.runs.get(chain["id"]).total_cost > 9_000_000
    store.ingest(Ingest(posts=a_call()))
    assert store.database.settle() is True


def test_the_models_in_use_are_listed_with_what_they_lack(store: OpsStore) -> None:
    store.prices.create(price_fields())
    calls = [a_call(), a_call(), a_call("strange"), a_call("paid for", total_cost=2)]
    store.ingest(Ingest(posts=[run for call in calls for run in call]))
    strange, house, paid = model_uses(store.database)
    assert (strange.model, strange.provider, strange.unpriced, strange.prompt_tokens) == ("strange", "local", 1, 1000)
    assert (house.model, house.calls, house.unpriced, house.cost) == ("house", 2, 0, Decimal("2.4"))
    assert (paid.model, paid.cost) == ("paid for", 2)


@pytest.fixture
def api(langsmith_url: str) -> Iterator[httpx.Client]:
    with httpx.Client(base_url=f"{langsmith_url}/api/v1", headers={"x-api-key": "a-key-for-tests"}) as opened:
        yield opened


BODY = {"name": "house", "match_pattern": "^house$", "prompt_cost": 1e-6, "completion_cost": "0.000002"}


def test_prices_are_served_in_langsmith_s_words(api: httpx.Client, store: OpsStore) -> None:
    start = "2026-01-01T00:00:00+00:00"
    sent = BODY | {"start_time": start, "prompt_cost_details": {"cache_read": 7.5e-8}, "completion_cost_details": None}
    made = api.post("/model-price-map", json=sent).json()
    expected = {"prompt_cost": "0.000001", "completion_cost": "0.000002", "start_time": start, "provider": None}
    expected |= {"prompt_cost_details": {"cache_read": "0.000000075"}, "tenant_id": str(store.workspace.id)}
    assert expected.items() <= made.items()
    assert api.get("/model-price-map", params={"q": "HOUSE"}).json() == [made]
    changed = api.put(f"/model-price-map/{made['id']}", json=BODY | {"provider": "acme"}).json()
    assert (changed["id"], changed["provider"], changed["start_time"]) == (made["id"], "acme", None)
    assert api.delete(f"/model-price-map/{made['id']}").status_code == 200
    assert api.get("/model-price-map", params={"q": "house$"}).json() == []


def test_list_prices_are_served_but_not_changed(api: httpx.Client) -> None:
    answer = api.get("/model-price-map", params={"q": "gpt 4o", "provider": ["OpenAI"], "limit": 2, "offset": 1})
    found = answer.json()
    assert len(found) == 2
    assert int(answer.headers["x-pagination-total"]) > 2
    assert {(one["provider"], one["tenant_id"]) for one in found} == {("openai", None)}
    refused = api.put(f"/model-price-map/{found[0]['id']}", json=BODY)
    assert refused.status_code == 404
    newest = api.get("/model-price-map", params={"sort_by": "start_time", "limit": 2}).json()
    assert newest[0]["start_time"] >= newest[1]["start_time"]


BAD_PRICES = [
    ({}, 422),
    ([], 422),
    (BODY | {"match_pattern": "("}, 422),
    (BODY | {"prompt_cost": -1}, 422),
    (BODY | {"prompt_cost": "a"}, 422),
    (BODY | {"start_time": "never"}, 422),
    (BODY | {"prompt_cost_details": {"cache_read": None}}, 422),
    (BODY | {"prompt_tokens_above": 2**70}, 422),
    (BODY | {"name": "NUL \x00", "provider": "\x00"}, 200),
]


def test_bad_prices_are_refused_with_a_sentence(api: httpx.Client, subtests: pytest.Subtests) -> None:
    for body, status in BAD_PRICES:
        with subtests.test(body=body):
            answer = api.post("/model-price-map", json=body)
            assert answer.status_code == status, answer.text
            if status != 200:
                assert answer.json()["detail"].endswith(".")


def test_a_price_for_the_same_calls_is_a_conflict(api: httpx.Client) -> None:
    assert api.post("/model-price-map", json=BODY).status_code == 200
    assert api.post("/model-price-map", json=BODY).status_code == 409
    assert api.put(f"/model-price-map/{uuid4()}", json=BODY).status_code == 404
    assert api.put("/model-price-map/not-an-id", json=BODY).status_code == 422


def test_what_the_sdk_traces_is_priced(client: Client, store: OpsStore) -> None:
    store.prices.create(price_fields(provider="acme"))
    run_id = uuid4()
    client.create_run(
        "call",
        {"prompt": "?"},
        "llm",
        id=run_id,
        start_time=NOW,
        extra={"metadata": {"ls_provider": "acme", "ls_model_name": "house"}},
        outputs={"usage_metadata": {"input_tokens": 1000, "output_tokens": 100, "total_tokens": 1100}},
    )
    client.flush()
    found = client.read_run(run_id)
    assert (found.prompt_tokens, found.total_cost) == (1000, Decimal("1.2"))
