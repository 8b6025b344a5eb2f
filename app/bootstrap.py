"""The composition root: settings in, a whole Parley out. Every choice of a part is made here.

Each part is a keyword argument with a production default; tests and `evals` pass their own.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path

import aiosqlite
from langchain_core.language_models import BaseChatModel
from langgraph.checkpoint.sqlite.aio import AsyncSqliteSaver
from langsmith import Client

from agents.arms import Arm, Assign, no_experiment
from agents.assistant import Assistant
from agents.limits import RateLimit
from agents.models import ModelPool
from agents.state import Parts
from agents.turn import Asker
from app.auth.users import Account, Accounts
from app.metrics import Metrics
from app.ops.experiments.assignment import assign
from app.ops.experiments.settings import Arm as ChosenArm
from app.ops.store import OpsStore
from app.secret import Secret
from app.settings import Settings
from app.tracing import Outbox, build_client
from rails import Rails
from retrieval.corpus import Corpus
from retrieval.embedding import Embedder

log = logging.getLogger(__name__)


@dataclass
class Parley:
    """A whole Parley: its parts, started once and closed once."""

    settings: Settings
    secret: Secret
    accounts: Accounts
    store: OpsStore
    outbox: Outbox
    traces: Client
    metrics: Metrics
    parts: Parts
    assistant: Assistant = field(init=False)
    warm: asyncio.Event = field(default_factory=asyncio.Event)
    """Set once the encoder and the default model are in memory."""
    _warming: asyncio.Task[None] = field(init=False)
    _checkpoints: aiosqlite.Connection = field(init=False)

    @property
    def corpus(self) -> Corpus:
        """What turns search."""
        return self.parts.corpus

    @property
    def rails(self) -> Rails:
        """What turns are checked by."""
        return self.parts.rails

    @property
    def models(self) -> ModelPool:
        """What turns are phrased by."""
        return self.parts.models

    def asker(self, account: Account) -> Asker:
        """The account as a turn knows it: a pseudonym and its reader groups."""
        return Asker(user_hash=self.secret.user_hash(account.id), groups=account.groups)

    async def start(self) -> None:
        """Open what needs a running event loop, and warm the models up beside it."""
        self._checkpoints = await aiosqlite.connect(self.settings.data_dir / "checkpoints.db")
        await self._checkpoints.execute("PRAGMA synchronous = NORMAL")
        checkpointer = AsyncSqliteSaver(self._checkpoints)
        await checkpointer.setup()
        self.assistant = Assistant(
            self.parts,
            checkpointer,
            traces=self.traces,
            project=self.settings.tracing.project,
            on_ended=self.metrics.observe,
        )
        self._warming = asyncio.create_task(self._warm_up())

    async def close(self) -> None:
        """Finish what is under way and close every part."""
        self._warming.cancel()
        await self._checkpoints.close()
        await asyncio.to_thread(self._close_blocking)

    def _close_blocking(self) -> None:
        self.traces.close()
        self.outbox.close()
        self.models.close()
        self.corpus.close()
        self.store.close()
        self.accounts.close()

    async def _warm_up(self) -> None:
        try:
            await asyncio.to_thread(self._load_models)
            self.warm.set()
        except Exception:
            log.exception("warming up failed; /readyz stays unready until a restart")

    def _load_models(self) -> None:
        self.corpus.warm()
        self.rails.warm()
        self.models.warm()


def build_parley(
    settings: Settings,
    *,
    model: BaseChatModel | None = None,
    embedder: Embedder | None = None,
    now: Callable[[], datetime] = lambda: datetime.now(UTC),
) -> Parley:
    """Put a Parley together from its settings. Nothing is loaded or listened on yet."""
    data_dir = _private_folder(settings.data_dir)
    secret = Secret.load(data_dir / "secret")
    outbox = Outbox.open(settings.tracing, data_dir / "outbox", embedded_url(settings), ops_api_key(secret))
    parts = Parts(
        corpus=Corpus.open(settings.retrieval, data_dir, embedder),
        rails=Rails.build(settings.rails),
        models=ModelPool(settings.model, settings.models, default=model),
        settings=settings.turn,
        answering=settings.answering,
        limit=RateLimit(settings.turn.turns_per_minute),
        assign=build_assign(settings),
    )
    return Parley(
        settings=settings,
        secret=secret,
        accounts=Accounts.open(data_dir / "chat.db", settings.auth, now=now),
        store=OpsStore.open(data_dir / "ops.db"),
        outbox=outbox,
        traces=build_client(settings.tracing, outbox),
        metrics=Metrics(),
        parts=parts,
    )


def build_assign(settings: Settings) -> Assign:
    """The assignment of the one enabled experiment, if there is one."""
    for name, experiment in settings.experiments.items():
        if experiment.enabled:
            return lambda user_hash: _arm(name, assign(name, experiment, user_hash))
    return no_experiment


def _arm(experiment: str, chosen: ChosenArm) -> Arm:
    return Arm(
        experiment=experiment,
        variant=chosen.name,
        model=chosen.model,
        prompt=chosen.prompt,
        retrieval_limit=chosen.retrieval_limit,
    )


def embedded_url(settings: Settings) -> str:
    """Where the embedded ops store answers in this process."""
    host = "127.0.0.1" if settings.server.host in ("0.0.0.0", "::") else settings.server.host  # noqa: S104
    bracketed = f"[{host}]" if ":" in host else host
    return f"http://{bracketed}:{settings.server.port}/langsmith"


def ops_api_key(secret: Secret) -> str:
    """The key with which this process writes to its own store."""
    return secret.derive("ops api key")


def _private_folder(path: Path) -> Path:
    """Make the data folder, readable by its owner only."""
    path.mkdir(parents=True, exist_ok=True)
    path.chmod(0o700)
    return path
