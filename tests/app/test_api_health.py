"""Alive, ready, and what is counted."""

from __future__ import annotations

import httpx
from openai import OpenAI
from prometheus_client.parser import text_string_to_metric_families


def scrape(served) -> dict[tuple[str, tuple[tuple[str, str], ...]], float]:
    response = httpx.get(f"{served.url}/metrics")
    assert response.headers["Content-Type"].startswith("text/plain; version=0.0.4")
    return {
        (sample.name, tuple(sorted(sample.labels.items()))): sample.value
        for family in text_string_to_metric_families(response.text)
        for sample in family.samples
    }


def test_alive_says_nothing_more(served) -> None:
    response = httpx.get(f"{served.url}/healthz")
    assert (response.status_code, response.json()) == (200, {"status": "alive"})


def test_not_ready_until_the_model_is_loaded(served) -> None:
    early = served.ready_before_loading
    assert early.status_code == 503
    assert (early.json()["ready"], early.json()["checks"]["model"]["ok"]) == (False, False)


def test_ready_names_every_part(served) -> None:
    body = httpx.get(f"{served.url}/readyz").json()
    assert body["ready"] is True
    assert set(body["checks"]) == {"model", "corpus", "traces"}
    assert body["checks"]["corpus"]["detail"] == "release 2"


def test_turns_are_counted_by_how_they_ended(served, wait_for) -> None:
    def turns(status: str) -> float:
        labels = (("experiment", ""), ("status", status), ("variant", ""))
        return scrape(served).get(("parley_turns_total", labels), 0.0)

    before = {status: turns(status) for status in ("answered", "abstained", "chatted")}
    tokens = scrape(served).get(("parley_tokens_total", (("direction", "completion"),)), 0.0)
    seconds = scrape(served)[("parley_turn_seconds_count", ())]
    client = OpenAI(base_url=f"{served.url}/v1", api_key=served.key(), max_retries=0)
    for question in ("How many days of unused leave may be carried over?", "Who won in 1990?", "Hello!"):
        client.chat.completions.create(model="parley", messages=[{"role": "user", "content": question}])
    assert {status: turns(status) - count for status, count in before.items()} == dict.fromkeys(before, 1.0)
    assert scrape(served)[("parley_tokens_total", (("direction", "completion"),))] > tokens
    assert scrape(served)[("parley_turn_seconds_count", ())] == seconds + 3
    assert ("parley_outbox_depth", ()) in scrape(served)
