"""What the side panel's Markdown amounts to once it is parsed."""

from __future__ import annotations

import pytest
from markdown_it import MarkdownIt
from markdown_it.token import Token

from agents.turn import Citation
from app.chat.citations import highlighted, label, panel_markdown
from app.chat.markdown import for_page
from retrieval.passages import Passage

TEXT = "Limits\nA question may have 4,000 characters. Longer ones are refused.\n\nWhy? Long ones are slow."


def parsed(markdown: str) -> list[Token]:
    """The inline tokens; the parser knows what the page knows: CommonMark, tables and strike-through."""
    blocks = MarkdownIt("commonmark").enable(["table", "strikethrough"]).parse(markdown)
    kinds = {block.type for block in blocks}
    assert kinds <= {"paragraph_open", "paragraph_close", "inline"}, kinds
    between = Token("softbreak", "br", 0)
    return [child for block in blocks if block.children for child in [*block.children, between]]


def shown(tokens: list[Token]) -> str:
    return "".join("\n" if token.type == "softbreak" else token.content for token in tokens).replace("\u2063", "")


def words(text: str) -> list[str]:
    return text.split()


def strong(markdown: str) -> list[str]:
    """Each strong stretch."""
    stretches: list[str] = []
    inside = False
    for token in parsed(markdown):
        if token.type == "strong_open":
            inside = True
            stretches.append("")
        elif token.type == "strong_close":
            inside = False
        elif inside:
            stretches[-1] += token.content
    return [stretch.replace("\u2063", "") for stretch in stretches]


@pytest.mark.parametrize(
    ("quote", "lines"),
    [
        ("A question may have 4,000 characters.", ["A question may have 4,000 characters."]),
        ("may have 4,000", ["may have 4,000"]),
        ("Limits\nA question may have", ["Limits", "A question may have"]),
        ("are refused.\n\nWhy?", ["are refused.", "Why?"]),
        (" Long ones are slow.\n", ["Long ones are slow."]),
        ("uestio", ["uestio"]),
        (TEXT, TEXT.replace("\n\n", "\n").split("\n")),
    ],
)
def test_a_quote_is_strong_and_the_rest_stays(quote: str, lines: list[str]) -> None:
    markdown = highlighted(TEXT, [quote])
    assert strong(markdown) == lines
    assert words(shown(parsed(markdown))) == words(TEXT)


def test_lines_and_paragraphs_stay_apart() -> None:
    assert highlighted(TEXT, ["A question may have 4,000 characters."]) == (
        "Limits\n**A question may have 4,000 characters.** Longer ones are refused.\n\nWhy? Long ones are slow."
    )


@pytest.mark.parametrize(
    ("text", "quote"),
    [
        ('He said"Go."Then he went.', '"Go."'),
        ("a(b)c", "(b)"),
        ("使用者可以提问。答案在这里。下一句。", "答案在这里。"),
        ("Ends in a star* and goes on", "star*"),
        ("__init__ and **kwargs** and `code` and ~~gone~~", "**kwargs** and `code`"),
        ("See [here](https://example.org) <b>now</b> &amp; ![x](y)", "[here](https://example.org) <b>now</b>"),
        ("- one\n- two\n\n1. three\n2) four\n+ five", "- two\n\n1. three"),
        ("# Not a heading\n> nor a quote\n---\n===\n-\n- - -", "> nor a quote\n---"),
        ("| a | b |\n|---|---|\n| 1 | 2 |", "| 1 | 2 |"),
        ("name\n:---\nvalue", "value"),
        ("    indented like code\n\tand so is this", "and so is this"),
        (r"back\slash \* and \\", r"\* and \\"),
    ],
)
def test_signs_of_the_text_are_shown_and_do_nothing(text: str, quote: str) -> None:
    markdown = highlighted(text, [quote])
    assert " ".join(strong(markdown)).split() == words(quote)
    assert words(shown(parsed(markdown))) == words(text)


def test_quotes_that_touch_or_overlap_are_one() -> None:
    assert strong(highlighted("One.Two.Three. Four.", ["Two.", "One.", "Two.Three."])) == ["One.Two.Three."]
    assert strong(highlighted("One. Two. Three.", ["Three.", "One."])) == ["One.", "Three."]


def test_a_quote_that_is_not_there_marks_nothing() -> None:
    assert highlighted("Nothing here.", ["elsewhere", "", "  "]) == "Nothing here."


def test_what_the_page_would_drop_is_kept() -> None:
    assert for_page("Use openai:gpt at 10:30, see https://example.org, note: this") == (
        r"Use openai\:gpt at 10:30, see https://example.org, note: this"
    )
    assert for_page(for_page("a:b")) == r"a\:b"


def citation(**changes: object) -> Citation:
    passage = Passage(
        id="p", document_id="d", document="leave.pdf", title="Leave policy", page=2, heading="Leave > Annual",
        text="You have 28 days. Ask hr:desk.", position=0,
    )  # fmt: skip
    return Citation(number=1, passage=passage.model_copy(update=changes), quotes=("You have 28 days.",), dense=0.5)


def test_the_panel_says_where_the_words_stand() -> None:
    assert label(citation()) == "[1]"
    assert panel_markdown(citation()).split("\n\n") == [
        "### Leave policy",
        "*leave.pdf*",
        "page 2 · Leave > Annual",
        "---",
        r"**You have 28 days.** Ask hr\:desk.",
        "---",
        "[Open the original at page 2](/documents/d#page=2)",
        "#### Why this passage",
        "- Meaning: 0.50 like the question, where 1 says the same.\n- Words: it shares none with the question.",
    ]


def test_the_panel_says_in_plain_words_why_the_passage_was_found() -> None:
    scores = {"dense_rank": 2, "sparse": 7.314, "sparse_rank": 1, "fused": 0.875, "words": ("days", "*leave*")}
    found = citation().model_copy(update=scores)
    assert panel_markdown(found).split("\n\n")[-1].split("\n") == [
        "- Meaning: 0.50 like the question, where 1 says the same; place 2 among all passages.",
        r"- Words: it shares “days”, “\*leave\*”; score 7.31; place 1 among all passages.",
        "- Both together: 0.88, where 1 is the best in both.",
    ]
    read = panel_markdown(found.model_copy(update={"rerank": 3.2, "score": 3.2}))
    assert read.splitlines()[-2:] == [
        "- Both together: 0.88, where 1 is the best in both.",
        "- Read beside the question: 3.20 from the rerank model, which decides the order.",
    ]


def test_a_neighbour_of_what_was_found_says_so() -> None:
    beside = citation().model_copy(update={"dense": None, "score": 0.0})
    assert panel_markdown(beside).splitlines()[-1] == "- It stands next to a passage that was found."


def test_a_passage_of_unknown_scores_is_shown_without_reasons() -> None:
    unknown = citation().model_copy(update={"dense": None})
    assert panel_markdown(unknown).endswith("(/documents/d#page=2)")


def test_the_panel_calls_a_page_what_the_document_calls_it() -> None:
    front_matter = panel_markdown(citation(page=4, page_label="iv"))
    assert "page iv · Leave > Annual" in front_matter
    assert "[Open the original at page iv](/documents/d#page=4)" in front_matter
    hostile = panel_markdown(citation(page=4, page_label="](x)"))
    assert r"[Open the original at page \](x)](/documents/d#page=4)" in hostile


def test_the_panel_leaves_out_what_is_not_known() -> None:
    bare = panel_markdown(citation(page=None, heading="Leave policy", title="Leave policy"))
    assert bare.split("\n\n")[:3] == ["### Leave policy", "*leave.pdf*", "---"]
    assert "[Open the original](/documents/d)" in bare
