"""Examples of a prompt, shared by all its versions: questions with quotes, and what an answer must say."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from functools import cached_property
from pathlib import Path
from typing import Annotated

from langchain_core.language_models import BaseChatModel
from pydantic import BaseModel, ConfigDict, Field, ValidationError

from agents.answering.claims import ClaimFilter
from agents.answering.quotes import Quote
from agents.answering.ranking import Match
from agents.prompts.errors import BadExamples
from agents.prompts.loader import FOLDER
from agents.prompts.prompt import Prompt
from retrieval.passages import Hit, Passage
from retrieval.sentences import split

_MATCH = Match(similarity=1.0, coverage=1.0, passage_coverage=1.0, lacks_number=False)
Text = Annotated[str, Field(min_length=1, max_length=2000)]


class Example(BaseModel):
    """One question, and what an answer to it must say and must not; capitals don't count."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    question: Text
    quotes: Annotated[tuple[Text, ...], Field(min_length=1, max_length=10)]
    contains: tuple[Text, ...] = ()
    lacks: tuple[Text, ...] = ()
    supported: bool = True
    """Whether each sentence must be supported by the quotes, as the turn checks it."""

    @cached_property
    def evidence(self) -> list[Quote]:
        """The quotes as a turn has them."""
        return [_quote(number, text) for number, text in enumerate(self.quotes, start=1)]

    def faults(self, answer: str) -> list[str]:
        """What is wrong with the answer, in words."""
        said = _folded(answer)
        missing = [f"does not say {words!r}" for words in self.contains if _folded(words) not in said]
        unwanted = [f"says {words!r}" for words in self.lacks if _folded(words) in said]
        return [*missing, *unwanted, *(self._unsupported(answer) if self.supported else ())]

    def _unsupported(self, answer: str) -> Iterator[str]:
        claims = ClaimFilter(self.evidence, self.question)
        for sentence in split(answer):
            before = claims.unsupported
            claims.feed(sentence.text)
            if claims.unsupported > before:
                yield f"says what no quote supports: {sentence.text!r}"


SAMPLE = Example(question="What does a permit cost?", quotes=("A permit costs ten euros a month.",))
"""For prompts that come without examples."""


class Trial(BaseModel):
    """What a model answered to an example, and what is wrong with it."""

    model_config = ConfigDict(frozen=True)

    question: str
    answer: str
    faults: list[str]


def examples_of(name: str) -> list[Example]:
    """The examples that come with the prompts of this name; none where there is no such file."""
    path = FOLDER / f"{name}.examples.jsonl"
    return read_examples(path) if path.exists() else []


def read_examples(path: Path) -> list[Example]:
    """One JSON object a line. Raises `BadExamples`, which names the line."""
    examples = []
    for number, line in enumerate(path.read_bytes().splitlines(), start=1):
        try:
            examples += [Example.model_validate_json(line)] if line.strip() else []
        except ValidationError as error:
            problem = error.errors()[0]
            place = ".".join(map(str, problem["loc"])) or "the line"
            raise BadExamples(f"{path.name}, line {number}: {place}: {problem['msg']}") from None
    return examples


async def try_out(prompt: Prompt, examples: Sequence[Example], model: BaseChatModel) -> list[Trial]:
    """Ask the model every example with the prompt. Raises `TurnError`."""
    return [await _trial(prompt, example, model) for example in examples]


async def _trial(prompt: Prompt, example: Example, model: BaseChatModel) -> Trial:
    reply = await model.ainvoke(prompt.render(example.question, example.evidence))
    return Trial(question=example.question, answer=reply.text, faults=example.faults(reply.text))


def _quote(number: int, text: str) -> Quote:
    passage = Passage(
        id=str(number), document_id="", document="", title="", page=None, heading="", text=text, position=number
    )
    hit = Hit(passage=passage, score=1.0)
    return Quote(number=number, hit=hit, start=0, end=len(text), text=text, score=1.0, match=_MATCH)


def _folded(text: str) -> str:
    return " ".join(text.casefold().split())
