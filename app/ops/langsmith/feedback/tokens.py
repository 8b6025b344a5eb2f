"""Routes of feedback tokens. Making and listing them needs the key; leaving feedback with one needs only the token."""

from __future__ import annotations

from typing import Annotated, Any
from uuid import UUID

from fastapi import APIRouter, Query, Request
from fastapi.concurrency import run_in_threadpool
from pydantic import Field, TypeAdapter, ValidationError
from pydantic_core import from_json

from app.ops.langsmith.errors import Unprocessable
from app.ops.langsmith.request import Store, explain, read_json, read_value, workspaces
from app.ops.store import NotFound
from app.ops.store.feedback.tokens import Answer, Token, TokenFields
from app.ops.store.models import FeedbackFields

router = APIRouter()
public_router = APIRouter()
"""Answered without a key: a token lies in one of the workspaces."""

_WANTED: TypeAdapter[TokenFields | list[TokenFields]] = TypeAdapter(
    TokenFields | Annotated[list[TokenFields], Field(min_length=1, max_length=1000)]
)


@router.post("/feedback/tokens")
async def create_tokens(request: Request, store: Store) -> Any:
    """Make one token, or several."""
    wanted = await read_value(request, _WANTED)
    several = wanted if isinstance(wanted, list) else [wanted]
    tokens = [_token(request, token) for token in await run_in_threadpool(store.feedback_tokens.create, several)]
    return tokens if isinstance(wanted, list) else tokens[0]


@router.get("/feedback/tokens")
def list_tokens(
    request: Request,
    store: Store,
    run_id: UUID,
    limit: Annotated[int, Query(ge=1, le=100)] = 100,
    offset: Annotated[int, Query(ge=0, le=2**31)] = 0,
) -> list[dict[str, Any]]:
    """The tokens of a run."""
    return [_token(request, token) for token in store.feedback_tokens.find(run_id, limit=limit, offset=offset)]


@public_router.post("/feedback/tokens/{token_id}")
async def answer(token_id: UUID, request: Request) -> dict[str, str]:
    """Leave feedback."""
    said = await read_json(request, Answer)
    await run_in_threadpool(_leave, request, token_id, said)
    return {"message": "Thank you."}


@public_router.get("/feedback/tokens/{token_id}")
def answer_by_link(
    token_id: UUID,
    request: Request,
    score: str | None = None,
    value: str | None = None,
    comment: str | None = None,
    correction: str | None = None,
) -> dict[str, str]:
    """Leave feedback by following a link."""
    sent = {"score": score, "value": value, "comment": comment}
    try:
        fixed = from_json(correction) if correction else None
        said = Answer.model_validate({**sent, "correction": fixed})
    except ValidationError as error:
        raise Unprocessable(explain(error)) from error
    except ValueError as error:
        raise Unprocessable("correction: Send a JSON object.") from error
    _leave(request, token_id, said)
    return {"message": "Thank you."}


def _leave(request: Request, token_id: UUID, said: Answer) -> None:
    for store in workspaces(request):
        if token := store.feedback_tokens.open(token_id):
            store.feedback_configs.check(token.feedback_key, said.score)
            store.feedback.add(_feedback(token, said))
            return
    raise NotFound("There is no such feedback link.")


def _feedback(token: Token, said: Answer) -> FeedbackFields:
    return FeedbackFields(
        id=token.id,
        run_id=token.run_id,
        key=token.feedback_key,
        score=said.score,
        value=said.value,
        comment=said.comment,
        correction=said.correction,
        feedback_source={"type": "api", "metadata": said.metadata or {}},
    )


def _token(request: Request, token: Token) -> dict[str, Any]:
    return {"id": str(token.id), "url": _url(request, token), "expires_at": token.expires_at.isoformat()}


def _url(request: Request, token: Token) -> str:
    """Where the token is used: below the address at which this very request was answered."""
    path = request.scope["raw_path"].decode("ascii", "replace").partition("?")[0].rstrip("/")
    return f"{request.url.scheme}://{request.url.netloc}{path}/{token.id}"
