"""Passages that say the same must not fill a list of hits."""

from __future__ import annotations

from retrieval.passages import Hit

ALIKE = 0.9
"""Share of words in common, of all that two passages hold, from which one repeats the other."""


class Different:
    """Hits as they come, best first, with repeats set apart."""

    def __init__(self) -> None:
        self.hits: list[Hit] = []
        self.repeats: list[Hit] = []
        """Copies of a better hit, or different by few words, which may be the ones that count."""
        self._said: set[tuple[str, str]] = set()
        self._words: list[frozenset[int]] = []

    def add(self, hit: Hit, words: frozenset[int]) -> None:
        """Take up the next hit, with the ids of its passage's words."""
        said = hit.passage.heading, hit.passage.text
        if said in self._said or any(_alike(words, better) for better in self._words):
            self.repeats.append(hit)
        else:
            self.hits.append(hit)
            self._said.add(said)
            self._words.append(words)


def _alike(one: frozenset[int], other: frozenset[int]) -> bool:
    fewer, more = min(len(one), len(other)), max(len(one), len(other))
    if not fewer or fewer < ALIKE * more:
        return False
    shared = len(one & other)
    return shared >= ALIKE * (fewer + more - shared)
