"""A grammar judges what was chosen, and all else only where it forbids that; what comes out must not show it."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator

import llama_cpp as native
import numpy as np
import pytest

from agents.models.engine.llama import Sampler
from agents.models.engine.requests import Sampling
from agents.models.engine.silence import SILENT
from agents.models.files import find_gguf

pytestmark = pytest.mark.model

ONE_WORD = 'root ::= "yes" | "no" | "maybe"'
DRAWS = 400


@pytest.fixture(scope="module")
def vocab() -> Iterator[int]:
    native.llama_log_set(SILENT, None)
    params = native.llama_model_default_params()
    params.vocab_only = True
    model = native.llama_model_load_from_file(str(find_gguf("local")).encode(), params)
    yield native.llama_model_get_vocab(model)
    native.llama_model_free(model)


@pytest.fixture(scope="module")
def tokens(vocab: int) -> dict[str, int]:
    return {word: only_token(vocab, word) for word in ("yes", "no", "maybe", "river")}


def only_token(vocab: int, word: str) -> int:
    tokens = (native.llama_token * 8)()
    native.llama_tokenize(vocab, word.encode(), len(word), tokens, len(tokens), False, False)
    return tokens[0]


def likelihoods(vocab: int, tokens: dict[str, int], **logits: float) -> np.ndarray:
    found = np.full(native.llama_vocab_n_tokens(vocab), -20.0, np.float32)
    for word, logit in logits.items():
        found[tokens[word]] = logit
    return found


def drawn(vocab: int, logits: np.ndarray, sampling: Sampling) -> int:
    sampler = Sampler(vocab, sampling)
    try:
        return sampler.choose(logits)
    finally:
        sampler.close()


def test_the_likeliest_allowed_token_is_chosen_whether_or_not_it_is_the_likeliest_of_all(vocab, tokens) -> None:
    sampling = Sampling(max_tokens=1, temperature=0, grammar=ONE_WORD)
    assert drawn(vocab, likelihoods(vocab, tokens, yes=1, no=3, maybe=2, river=0), sampling) == tokens["no"]
    assert drawn(vocab, likelihoods(vocab, tokens, yes=1, no=3, maybe=2, river=9), sampling) == tokens["no"]


def test_tokens_are_drawn_as_if_the_grammar_had_judged_them_all_first(vocab, tokens) -> None:
    logits = likelihoods(vocab, tokens, yes=1, no=2, river=2.5)
    seeds = range(DRAWS)
    draws = Counter(
        drawn(vocab, logits, Sampling(max_tokens=1, temperature=1, top_p=1, seed=seed, grammar=ONE_WORD))
        for seed in seeds
    )
    assert set(draws) == {tokens["yes"], tokens["no"]}
    assert draws[tokens["no"]] / DRAWS == pytest.approx(1 / (1 + np.exp(-1)), abs=0.07)


def test_what_was_chosen_counts_for_what_may_follow(vocab, tokens) -> None:
    sampler = Sampler(vocab, Sampling(max_tokens=2, temperature=0, grammar='root ::= "yes" "no"'))
    logits = likelihoods(vocab, tokens, yes=3, no=2, river=9)
    assert [sampler.choose(logits), sampler.choose(logits)] == [tokens["yes"], tokens["no"]]
    sampler.close()
