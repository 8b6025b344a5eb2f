"""What Prometheus scrapes at /metrics."""

from __future__ import annotations

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, generate_latest

from agents.turn import TurnResult

SECONDS = (0.05, 0.1, 0.25, 0.5, 1, 2, 4, 8, 15, 30, 60, 120)


class Metrics:
    """Counters and histograms of finished turns, in a registry of their own."""

    def __init__(self) -> None:
        self.registry = CollectorRegistry()
        labels = ["status", "experiment", "variant"]
        self._turns = Counter("parley_turns", "Turns by outcome.", labels, registry=self.registry)
        self._tokens = Counter("parley_tokens", "Tokens by direction.", ["direction"], registry=self.registry)
        self._cost = Counter("parley_cost_usd", "Cost of turns in USD.", registry=self.registry)
        self._withheld = Counter(
            "parley_unsupported_sentences", "Sentences withheld for want of support.", registry=self.registry
        )
        self._attempts = Counter(
            "parley_model_attempts", "Calls of models by outcome.", ["model", "outcome"], registry=self.registry
        )
        self.circuit_open = Gauge(
            "parley_model_circuit_open", "1 for a model that is left alone.", ["model"], registry=self.registry
        )
        self._reused = Counter(
            "parley_reused_answers", "Turns that a kept answer was shown in.", ["cache"], registry=self.registry
        )
        self._saved_usd = Counter("parley_saved_usd", "Cost that kept answers spared.", registry=self.registry)
        self._saved_s = Counter("parley_saved_seconds", "Models' work that they spared.", registry=self.registry)
        self._saved_tokens = Counter("parley_saved_tokens", "Tokens that they spared.", registry=self.registry)
        self.kept_answers = Gauge("parley_kept_answers", "Answers in the cache.", registry=self.registry)
        self._total = self._histogram("parley_turn_seconds", "Question to end of answer.")
        self._first = self._histogram("parley_first_token_seconds", "Question to the model's first token.")
        self._evidence = self._histogram("parley_evidence_seconds", "Question to the first quoted passage.")
        self.outbox_depth = Gauge("parley_outbox_depth", "Trace requests waiting to be sent.", registry=self.registry)

    def _histogram(self, name: str, help_text: str) -> Histogram:
        return Histogram(name, help_text, buckets=SECONDS, registry=self.registry)

    def observe(self, result: TurnResult) -> None:
        """Count one ended turn."""
        self._turns.labels(result.status, result.experiment or "", result.variant or "").inc()
        self._tokens.labels("prompt").inc(result.usage.prompt_tokens)
        self._tokens.labels("completion").inc(result.usage.completion_tokens)
        self._cost.inc(result.cost_usd)
        self._withheld.inc(result.unsupported)
        for attempt in result.attempts:
            self._attempts.labels(attempt.model, attempt.outcome).inc()
        if result.cache:
            self._reused.labels(result.cache).inc()
            self._saved_usd.inc(result.saved_usd)
            self._saved_s.inc(result.saved_s)
            self._saved_tokens.inc(result.saved_tokens)
        self._total.observe(result.total_s)
        if result.first_token_s is not None:
            self._first.observe(result.first_token_s)
        if result.evidence_s is not None:
            self._evidence.observe(result.evidence_s)

    def render(self) -> bytes:
        """The exposition text."""
        return generate_latest(self.registry)
