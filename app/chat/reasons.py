"""Why a passage was found, in plain words."""

from __future__ import annotations

from agents.answering.markdown import one_line
from agents.turn import Citation


def why(citation: Citation) -> str:
    """Each score that is known, as a Markdown list below a heading of its own; empty where none is."""
    reasons = list(filter(None, [_meaning(citation), _words(citation), _together(citation), _rerank(citation)]))
    if citation.score is not None and citation.dense is None and citation.sparse is None:
        reasons = ["It stands next to a passage that was found."]
    items = "\n".join(f"- {reason}" for reason in reasons)
    return f"#### Why this passage\n\n{items}" if items else ""


def _meaning(citation: Citation) -> str:
    if citation.dense is None:
        return ""
    return f"Meaning: {citation.dense:.2f} like the question, where 1 says the same{_place(citation.dense_rank)}."


def _words(citation: Citation) -> str:
    if citation.sparse is None:
        return "Words: it shares none with the question." if citation.dense is not None else ""
    shared = ", ".join(f"“{one_line(word)}”" for word in citation.words) or "words with the question"
    return f"Words: it shares {shared}; score {citation.sparse:.2f}{_place(citation.sparse_rank)}."


def _together(citation: Citation) -> str:
    fused = citation.score if citation.fused is None else citation.fused
    return "" if fused is None else f"Both together: {fused:.2f}, where 1 is the best in both."


def _rerank(citation: Citation) -> str:
    if citation.rerank is None:
        return ""
    return f"Read beside the question: {citation.rerank:.2f} from the rerank model, which decides the order."


def _place(rank: int | None) -> str:
    return "" if rank is None else f"; place {rank} among all passages"
