"""Feedback links and feedback configs through the unmodified client; and what nobody should send."""

from __future__ import annotations

import uuid
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import httpx
import pytest
from fastapi import Request
from langsmith import Client
from langsmith.schemas import FeedbackConfig
from langsmith.utils import LangSmithConflictError, LangSmithError, LangSmithNotFoundError

from app.ops.langsmith import langsmith_app
from app.ops.store import OpsStore
from app.ops.store.feedback.tokens import FeedbackTokens, Lifetime, TokenFields

KEY = {"x-api-key": "a-key-for-tests"}
RATING: FeedbackConfig = {"type": "continuous", "min": 0, "max": 5}
TOPIC: FeedbackConfig = {
    "type": "categorical",
    "categories": [{"value": 0, "label": "billing"}, {"value": 1, "label": "shipping"}],
}


@pytest.fixture
def http(langsmith_url: str) -> Iterator[httpx.Client]:
    with httpx.Client(base_url=langsmith_url, headers=KEY, timeout=30) as opened:
        yield opened


@pytest.fixture
def stranger() -> Iterator[httpx.Client]:
    """Somebody without a key."""
    with httpx.Client(timeout=30) as opened:
        yield opened


def test_somebody_without_a_key_leaves_feedback_by_the_link(client: Client, stranger: httpx.Client) -> None:
    run_id = uuid.uuid4()
    token = client.create_presigned_feedback_token(run_id, "user_score")
    assert token.url.rsplit("/", 1)[1] == str(token.id)
    said = {"score": 1, "comment": "Good", "metadata": {"page": "chat"}}
    assert stranger.post(token.url, json=said).status_code == 200
    (left,) = client.list_feedback(run_ids=[run_id])
    assert (left.id, left.key, left.score, left.comment) == (token.id, "user_score", 1, "Good")
    assert left.feedback_source is not None
    assert left.feedback_source.metadata == {"page": "chat"}


def test_a_link_can_be_followed_like_any_other(client: Client, stranger: httpx.Client) -> None:
    run_id = uuid.uuid4()
    token = client.create_presigned_feedback_token(run_id, "user_score")
    fixed = {"score": "0", "comment": "Wrong", "correction": '{"answer": "4"}'}
    assert stranger.get(token.url, params=fixed).status_code == 200
    (left,) = client.list_feedback(run_ids=[run_id])
    assert (left.score, left.comment, left.correction) == (0, "Wrong", {"answer": "4"})
    assert stranger.get(token.url, params={"correction": "[1]"}).status_code == 422
    assert stranger.get(token.url, params={"correction": "{"}).status_code == 422
    assert stranger.get(token.url, params={"score": "high"}).status_code == 422


def test_the_client_leaves_feedback_with_a_token_or_its_address(client: Client) -> None:
    run_id, wanted = uuid.uuid4(), uuid.uuid4()
    token = client.create_presigned_feedback_token(run_id, "user_score", feedback_id=wanted)
    assert token.id == wanted
    client.create_feedback_from_token(token.id, score=1)
    client.create_feedback_from_token(token.url, score=0.5, value="fair")
    (left,) = client.list_feedback(run_ids=[run_id])  # the second word replaced the first
    assert (left.score, left.value) == (0.5, "fair")


def test_several_tokens_are_made_at_once_and_listed(client: Client) -> None:
    run_id = uuid.uuid4()
    tokens = client.create_presigned_feedback_tokens(run_id, ["a", "b"], expiration=timedelta(days=2, minutes=5))
    assert len({token.id for token in tokens}) == 2
    assert all(
        timedelta(days=2) < token.expires_at - datetime.now(UTC) < timedelta(days=2, hours=1) for token in tokens
    )
    assert {token.id for token in client.list_presigned_feedback_tokens(run_id)} == {token.id for token in tokens}
    assert len(list(client.list_presigned_feedback_tokens(run_id, limit=1))) == 1
    assert list(client.list_presigned_feedback_tokens(uuid.uuid4())) == []


def test_an_expired_or_invented_token_leaves_nothing(store: OpsStore, http: httpx.Client, client: Client) -> None:
    long_ago = FeedbackTokens(store.database, lambda: datetime(2026, 1, 1, tzinfo=UTC))
    run_id = uuid.uuid4()
    (old,) = long_ago.create([TokenFields(run_id=run_id, feedback_key="user_score", expires_in=Lifetime(hours=1))])
    expired = http.post(f"/feedback/tokens/{old.id}", json={"score": 1})
    assert (expired.status_code, "expired" in expired.json()["detail"]) == (404, True)
    with pytest.raises(LangSmithNotFoundError):
        client.create_feedback_from_token(uuid.uuid4(), score=1)
    assert store.feedback.find(run_ids=[run_id]) == []


def test_a_token_id_is_taken_once_and_a_refused_batch_makes_none(client: Client, http: httpx.Client) -> None:
    run_id, taken = uuid.uuid4(), uuid.uuid4()
    client.create_presigned_feedback_token(run_id, "a", feedback_id=taken)
    with pytest.raises(LangSmithConflictError):
        client.create_presigned_feedback_token(run_id, "b", feedback_id=taken)
    batch = [
        {"run_id": str(run_id), "feedback_key": "c", "feedback_config": RATING},
        {"run_id": str(run_id), "feedback_key": "d", "id": str(taken)},
    ]
    assert http.post("/feedback/tokens", json=batch).status_code == 409
    assert [token.id for token in client.list_presigned_feedback_tokens(run_id)] == [taken]
    assert list(client.list_feedback_configs()) == []


def test_a_score_by_link_must_fit_the_config(client: Client, stranger: httpx.Client) -> None:
    run_id = uuid.uuid4()
    token = client.create_presigned_feedback_token(run_id, "rating", feedback_config=RATING)
    refused = stranger.post(token.url, json={"score": 6})
    assert (refused.status_code, refused.json()["detail"]) == (422, "The score 6 of 'rating' is more than 5.")
    assert list(client.list_feedback(run_ids=[run_id])) == []
    assert stranger.post(token.url, json={"score": 5}).status_code == 200
    topic = client.create_presigned_feedback_token(run_id, "topic", feedback_config=TOPIC)
    assert stranger.post(topic.url, json={"score": 0.5}).status_code == 422
    assert stranger.post(topic.url, json={"score": True}).status_code == 200


def test_configs_are_made_found_changed_and_deleted(client: Client) -> None:
    made = client.create_feedback_config("rating", feedback_config=RATING, is_lower_score_better=True)
    assert client.create_feedback_config("rating", feedback_config=RATING).id == made.id
    with pytest.raises(LangSmithError, match="already exists"):
        client.create_feedback_config("rating", feedback_config={"type": "freeform"})
    client.create_feedback_config("topic", feedback_config=TOPIC)
    assert [one.feedback_key for one in client.list_feedback_configs()] == ["rating", "topic"]
    assert [one.feedback_key for one in client.list_feedback_configs(name_contains="TOP")] == ["topic"]
    assert [one.feedback_key for one in client.list_feedback_configs(feedback_key=["rating"])] == ["rating"]
    changed = client.update_feedback_config("rating", is_lower_score_better=False)
    assert (changed.is_lower_score_better, changed.feedback_config["max"]) == (False, 5)
    wider = client.update_feedback_config("rating", feedback_config={"type": "continuous", "min": 0, "max": 10})
    assert wider.feedback_config["max"] == 10
    client.delete_feedback_config("rating")
    client.delete_feedback_config(config_id=client.create_feedback_config("other", feedback_config=RATING).id)
    assert [one.feedback_key for one in client.list_feedback_configs()] == ["topic"]
    everything = client.list_feedback_configs(include_all_configs=True)
    assert [one.feedback_key for one in everything if one.is_deleted] == ["other", "rating"]
    with pytest.raises(LangSmithNotFoundError):
        client.update_feedback_config("rating", is_lower_score_better=True)
    again = client.create_feedback_config("rating", feedback_config={"type": "freeform"})
    assert (again.id, again.feedback_config["type"]) == (made.id, "freeform")


def test_categories_are_added_and_removed(client: Client) -> None:
    client.create_feedback_config("topic", feedback_config=TOPIC)
    added = client.add_feedback_categories("topic", [{"value": 2, "label": "returns"}])
    assert [one["label"] for one in added.feedback_config["categories"] or []] == ["billing", "shipping", "returns"]
    removed = client.remove_feedback_categories("topic", [0])
    assert [one["value"] for one in removed.feedback_config["categories"] or []] == [1, 2]
    with pytest.raises(LangSmithError, match="at least two"):
        client.remove_feedback_categories("topic", [1])
    with pytest.raises(LangSmithError, match="differ"):
        client.add_feedback_categories("topic", [{"value": 3, "label": "returns"}])
    client.create_feedback_config("rating", feedback_config=RATING)
    with pytest.raises(LangSmithError, match="not categorical"):
        client.add_feedback_categories("rating", [{"value": 3, "label": "x"}])


def test_an_enforced_config_is_made_once(client: Client) -> None:
    client.create_feedback_config("rating", feedback_config=RATING)
    assert client.create_feedback_config("rating", feedback_config=RATING, is_enforced=True).is_enforced
    assert [one.feedback_key for one in client.list_feedback_configs(is_enforced=True)] == ["rating"]
    assert list(client.list_feedback_configs(is_enforced=False)) == []
    with pytest.raises(LangSmithConflictError, match="enforced"):
        client.create_feedback_config("rating", feedback_config=RATING, is_enforced=True)


async def test_a_link_finds_its_own_workspace(tmp_path: Path) -> None:
    stores = [OpsStore.open(tmp_path / name) for name in ("one", "two")]

    async def authorize(request: Request) -> OpsStore:
        return stores[1]

    app = langsmith_app(authorize, workspaces=lambda: stores)
    run_id = uuid.uuid4()
    async with httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://ops/api/v1") as http:
        token = (await http.post("/feedback/tokens", json={"run_id": str(run_id), "feedback_key": "thumb"})).json()
        assert token["url"] == f"http://ops/api/v1/feedback/tokens/{token['id']}"
        assert (await http.post(token["url"], json={"score": 1})).status_code == 200
    assert [len(store.feedback.find(run_ids=[run_id])) for store in stores] == [0, 1]
    for store in stores:
        store.close()


TOKEN = '{"run_id": "00000000-0000-0000-0000-000000000001", "feedback_key": "k"'


ODD_REQUESTS = [
    ("POST", "/feedback/tokens", "{}", 422),
    ("POST", "/feedback/tokens", "[]", 422),
    ("POST", "/feedback/tokens", "5", 422),
    ("POST", "/feedback/tokens", TOKEN + ', "expires_in": {"days": -1}}', 422),
    ("POST", "/feedback/tokens", TOKEN + ', "expires_in": {"days": 1000}}', 422),
    ("POST", "/feedback/tokens", TOKEN + ', "expires_in": {"days": 1e300}}', 422),
    ("POST", "/feedback/tokens", TOKEN + ', "expires_at": "2020-01-01T00:00:00Z"}', 422),
    ("POST", "/feedback/tokens", TOKEN + ', "expires_at": "9999-12-31T23:59:59-23:00"}', 422),
    ("POST", "/feedback/tokens", TOKEN + ', "id": "1"}', 422),
    ("POST", "/feedback/tokens", TOKEN + ', "feedback_config": {"type": "mood"}}', 422),
    ("GET", "/feedback/tokens", None, 422),
    ("GET", "/feedback/tokens?run_id=x", None, 422),
    ("POST", "/feedback/tokens/not-a-uuid", "{}", 422),
    ("POST", "/feedback-configs", '{"feedback_key": "k"}', 422),
    ("POST", "/feedback-configs", '{"feedback_key": "k", "feedback_config": {"type": "categorical"}}', 422),
    (
        "POST",
        "/feedback-configs",
        '{"feedback_key": "k", "feedback_config": {"type": "continuous", "min": 2, "max": 1}}',
        422,
    ),
    (
        "POST",
        "/feedback-configs",
        '{"feedback_key": "k", "feedback_config": {"type": "continuous", "min": NaN}}',
        422,
    ),
    ("GET", "/feedback-configs?key=%00&name_contains=%00", None, 200),
    ("PATCH", "/feedback-configs", '{"feedback_key": "nobody"}', 404),
    ("DELETE", "/feedback-configs", None, 422),
    ("DELETE", "/feedback-configs?feedback_key=%00", None, 404),
]


def test_what_nobody_should_send_gets_a_sentence(http: httpx.Client, subtests: pytest.Subtests) -> None:
    for method, path, body, status in ODD_REQUESTS:
        with subtests.test(method=method, path=path, body=body):
            answer = http.request(method, path, content=body)
            assert answer.status_code == status, answer.text
            if status >= 400:
                assert answer.json()["detail"].endswith(".")
            assert http.get("/feedback-configs").json() == []


NO_FEEDBACK = [
    '{"score": 1e999}',
    '{"score": "high"}',
    '{"comment": 5}',
    '{"comment": "' + "x" * 10_001 + '"}',
    '{"correction": "text"}',
    "[]",
    "",
    '{"comment": "\\ud800"}',
]


def test_a_stranger_cannot_send_just_anything(
    client: Client, stranger: httpx.Client, subtests: pytest.Subtests
) -> None:
    for said in NO_FEEDBACK:
        with subtests.test(said=said):
            run_id = uuid.uuid4()
            token = client.create_presigned_feedback_token(run_id, "user_score")
            assert stranger.post(token.url, content=said).status_code == 422
            assert list(client.list_feedback(run_ids=[run_id])) == []
            assert stranger.post(token.url, json={"comment": "a\x00b"}).status_code == 200


def test_making_and_listing_tokens_needs_the_key(client: Client, langsmith_url: str, stranger: httpx.Client) -> None:
    client.create_presigned_feedback_token(uuid.uuid4(), "user_score")
    assert stranger.get(f"{langsmith_url}/feedback/tokens", params={"run_id": str(uuid.uuid4())}).status_code == 401
    assert stranger.post(f"{langsmith_url}/feedback/tokens", json={}).status_code == 401
    assert stranger.get(f"{langsmith_url}/feedback-configs").status_code == 401
