"""What a rule does with a run: it judges it, queues it for people, makes an example of it."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from datetime import datetime, time, timedelta
from typing import Any
from uuid import UUID, uuid5

from app.ops.store.datasets.examples import Examples
from app.ops.store.datasets.models import ExampleFields
from app.ops.store.errors import StoreError
from app.ops.store.feedback.feedback import Judgements
from app.ops.store.models import FeedbackFields, Run
from app.ops.store.queues.models import ItemFields
from app.ops.store.queues.queues import Queues
from app.ops.store.rules.checks import LANGUAGE, Verdict, judge
from app.ops.store.rules.evaluators import Evaluators
from app.ops.store.rules.models import Application, CodeEvaluator, Evaluator, Rule
from app.ops.store.rules.rules import Rules

NOT_RUN = (
    "Evaluators that call a model, or are Python or JavaScript, are kept but never run here;"
    f" write a code evaluator in the language {LANGUAGE!r}."
)


def split(rule: Rule, evaluator: Evaluator | None) -> tuple[list[CodeEvaluator], bool]:
    """The evaluators of a rule that can be run here, and whether it has others; `evaluator` is the one it names."""
    codes = list(rule.code_evaluators or [])
    calls_model = bool(rule.evaluators)
    if evaluator is not None:
        codes += [evaluator.code] if evaluator.code else []
        calls_model = calls_model or evaluator.code is None
    safe = [code for code in codes if code.is_safe]
    return safe, calls_model or len(safe) < len(codes)


class RuleActions:
    """Applies one rule to one run; doing so again changes nothing."""

    def __init__(
        self,
        clock: Callable[[], datetime],
        rules: Rules,
        evaluators: Evaluators,
        feedback: Judgements,
        queues: Queues,
        examples: Examples,
    ) -> None:
        self._clock = clock
        self._rules = rules
        self._evaluators = evaluators
        self._feedback = feedback
        self._queues = queues
        self._examples = examples

    def apply(self, rule: Rule, run: Run) -> None:
        """Do all that the rule says, and write down what could not be done."""
        problems = []
        for action in (self._evaluate, self._queue, self._add_example):
            try:
                problems += [problem for problem in action(rule, run) if problem]
            except StoreError as error:
                problems.append(str(error))
        problem = " ".join(problems) or None
        self._rules.record(Application(rule_id=rule.id, run_id=run.id, applied_at=self._clock(), problem=problem))

    def _evaluate(self, rule: Rule, run: Run) -> Iterator[str]:
        evaluator = self._evaluators.get(rule.evaluator_id) if rule.evaluator_id else None
        codes, unsafe = split(rule, evaluator)
        if unsafe:
            yield NOT_RUN
        if not codes:
            return
        if self._is_over_budget(rule):
            yield "The rule has reached its spend limit of this week."
            return
        feedback = self._feedback.stats_by_run([run.id]).get(run.id, {})
        checks = [check for code in codes for check in code.checks()]
        for number, check in enumerate(checks):
            verdict = judge(check, run, feedback)
            self._feedback.add(_feedback(rule, run, number, check.feedback_key, verdict))

    def _is_over_budget(self, rule: Rule) -> bool:
        if rule.spend_limit is None:
            return False
        now = self._clock()
        monday = datetime.combine(now.date() - timedelta(days=now.weekday()), time(), now.tzinfo)
        return self._rules.spent(rule.id, monday) >= rule.spend_limit.limit_usd

    def _queue(self, rule: Rule, run: Run) -> list[str]:
        if rule.add_to_annotation_queue_id:
            self._queues.items.add(rule.add_to_annotation_queue_id, [ItemFields(run_id=run.id)])
        return []

    def _add_example(self, rule: Rule, run: Run) -> list[str]:
        if rule.add_to_dataset_id is None:
            return []
        corrected = self._correction(run.id) if rule.add_to_dataset_prefer_correction else None
        fields = ExampleFields(
            id=uuid5(rule.id, str(run.id)),
            inputs=run.inputs,
            outputs=corrected or run.outputs,
            source_run_id=run.id,
        )
        self._examples.upsert(rule.add_to_dataset_id, [fields])
        return []

    def _correction(self, run_id: UUID) -> dict[str, Any] | None:
        given = (one.correction for one in self._feedback.find(run_ids=[run_id]))
        return next((correction for correction in given if isinstance(correction, dict)), None)


def _feedback(rule: Rule, run: Run, number: int, key: str, verdict: Verdict) -> FeedbackFields:
    return FeedbackFields(
        id=uuid5(rule.id, f"{run.id}/{number}"),
        run_id=run.id,
        trace_id=run.trace_id,
        session_id=run.project_id,
        key=key,
        score=verdict.score,
        comment=verdict.comment,
        error=verdict.score is None,
        feedback_source={"type": "auto_eval", "metadata": {"rule_id": str(rule.id)}},
    )
