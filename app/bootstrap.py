"""The composition root: settings in, a whole Parley out. Every choice of a part is made here.

Each part is a keyword argument with a production default; tests and `evals` pass their own.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime
from functools import partial

import aiosqlite
from langchain_core.language_models import BaseChatModel
from langgraph.checkpoint.sqlite.aio import AsyncSqliteSaver
from langsmith import Client

from agents.arms import Arm, Assign, no_experiment
from agents.assistant import Assistant
from agents.cache.cache import AnswerCache
from agents.limits import RateLimit
from agents.models import ModelPool
from agents.prompts import load_prompt
from agents.state import Parts
from agents.turn import Asker, TurnResult
from app.auth.users import Account, Accounts
from app.budgets.book import BudgetBook
from app.complaints import AskerOf, CorpusSources, Rechecks, asker_of
from app.corpus import open_corpus, refuse_missing_releases
from app.evidence import Clearance, Ledger, Watch
from app.metrics import Metrics
from app.ops.complaints import ComplaintDesk
from app.ops.experiments.assignment import assign
from app.ops.experiments.settings import Arm as ChosenArm
from app.ops.retention import Sweeper
from app.ops.store import OpsStore
from app.ops.store.workspaces import Workspaces
from app.ops_store import open_workspaces, private_folder
from app.prompts.pins import pinned_prompts
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
    workspaces: Workspaces
    outbox: Outbox
    traces: Client
    metrics: Metrics
    evidence: Ledger
    clearance: Clearance
    budgets: BudgetBook
    parts: Parts
    assistant: Assistant = field(init=False)
    warm: asyncio.Event = field(default_factory=asyncio.Event)
    """Set once the encoder and the default model are in memory."""
    _asker_of: AskerOf = field(init=False)
    _desk: ComplaintDesk = field(init=False)
    _sweeper: Sweeper = field(init=False)
    _background: list[asyncio.Task[None]] = field(init=False)
    _checkpoints: aiosqlite.Connection = field(init=False)

    def __post_init__(self) -> None:
        self._asker_of = asker_of(lambda: [self.asker(account) for account in self.accounts.users()])
        self._desk = ComplaintDesk(self.store, CorpusSources(self.corpus, self._asker_of), ready=self.warm.is_set)

        self._sweeper = Sweeper(self.workspaces.stores, self.settings.ops.keep_days)

    @property
    def store(self) -> OpsStore:
        """Where Parley's own traces lie."""
        return self.workspaces.default

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

    def release_of(self, account: Account) -> int | None:
        """The release that the account's arm is answered from; None for the published one."""
        return self.parts.assign(self.asker(account).user_hash).release

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
            on_ended=self._ended,
        )
        self.workspaces.work()
        self._desk.start()
        self._sweeper.start()
        rechecks = Rechecks(
            self.store,
            self.parts,
            self._asker_of,
            ready=self.warm.is_set,
            on_passed=self.evidence.record,
            traces=self.traces,
            project=self.settings.tracing.project,
        )
        watch = Watch(self.evidence, self.corpus, on_stale=self.parts.cache.drop)
        self._background = [asyncio.create_task(work) for work in (self._warm_up(), rechecks.run(), watch.run())]

    async def forget(self, thread_id: str) -> None:
        """Delete what is kept of a thread beside its messages."""
        await self.assistant.forget(thread_id)
        await asyncio.to_thread(self.evidence.forget, thread_id)

    async def close(self) -> None:
        """Finish what is under way and close every part."""
        for task in self._background:
            task.cancel()
        await self._checkpoints.close()
        await asyncio.to_thread(self._close_blocking)

    def _ended(self, asker: Asker, result: TurnResult) -> None:
        self.metrics.observe(result)
        self.evidence.note(asker, result)

    def _close_blocking(self) -> None:
        self._desk.close()
        self._sweeper.close()
        self.traces.close()
        self.outbox.close()
        self.models.close()
        self.evidence.close()
        self.budgets.close()
        self.corpus.close()
        self.workspaces.close()
        self.accounts.close()

    async def _warm_up(self) -> None:
        try:
            await asyncio.to_thread(self._load_models)
            self.warm.set()
        except Exception:
            log.exception("warming up failed; /readyz stays unready until a restart")

    def _load_models(self) -> None:
        self.corpus.warm({arm.release for arm in self.settings.running_arms if arm.release})
        self.rails.warm()
        self.models.warm()


def build_parley(
    settings: Settings,
    *,
    model: BaseChatModel | None = None,
    embedder: Embedder | None = None,
    corpus: Corpus | None = None,
    now: Callable[[], datetime] = lambda: datetime.now(UTC),
) -> Parley:
    """Put a Parley together from its settings. Nothing is loaded or listened on yet."""
    data_dir = private_folder(settings.data_dir)
    pinned = pinned_prompts(settings)
    secret = Secret.load(data_dir / "secret")
    outbox = Outbox.open(settings.tracing, data_dir / "outbox", embedded_url(settings), ops_api_key(secret))
    corpus = corpus or open_corpus(settings, embedder)
    refuse_missing_releases(settings, corpus)
    evidence = Ledger.open(data_dir / "evidence.db", now=now)
    clearance = Clearance(evidence, corpus)
    budgets = BudgetBook.open(data_dir / "budgets.db", settings.budgets, now=now)
    parts = Parts(
        corpus=corpus,
        rails=Rails.build(settings.rails),
        models=ModelPool(settings.model, settings.models, default=model, memory_bytes=settings.model_memory_bytes),
        settings=settings.turn,
        answering=settings.answering,
        routing=settings.routing,
        limit=RateLimit(settings.turn.turns_per_minute),
        assign=build_assign(settings),
        load_prompt=partial(load_prompt, pinned=pinned),
        budgets=budgets,
        cache=AnswerCache(settings.cache),
        may_recall=lambda asker, thread_id: not clearance.withheld(thread_id, asker.groups),
    )
    return Parley(
        settings=settings,
        secret=secret,
        accounts=Accounts.open(data_dir / "chat.db", settings.auth, now=now),
        workspaces=open_workspaces(settings),
        outbox=outbox,
        traces=build_client(settings.tracing, outbox),
        metrics=Metrics(),
        evidence=evidence,
        clearance=clearance,
        budgets=budgets,
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
        release=chosen.release,
    )


def embedded_url(settings: Settings) -> str:
    """Where the embedded ops store answers in this process."""
    host = "127.0.0.1" if settings.server.host in ("0.0.0.0", "::") else settings.server.host  # noqa: S104
    bracketed = f"[{host}]" if ":" in host else host
    return f"http://{bracketed}:{settings.server.port}/langsmith"


def ops_api_key(secret: Secret) -> str:
    """The key with which this process writes to its own store."""
    return secret.derive("ops api key")
