"""The pages of datasets, experiments and comparisons: what they show, count, take in and refuse."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
from urllib.parse import parse_qs, urlsplit
from uuid import UUID, uuid4

import pytest
from fastapi.testclient import TestClient
from pydantic import TypeAdapter
from selectolax.lexbor import LexborHTMLParser as HTMLParser

from app.ops.experiments.paired import paired_difference, t95
from app.ops.store import Ingest, OpsStore
from app.ops.store.datasets.experiment_models import ComparisonFields
from app.ops.store.datasets.experiment_table import experiment_rows
from app.ops.store.datasets.models import Dataset, DatasetFields, Example, ExampleFields, ExampleQuery
from app.ops.store.feedback.configs import ConfigFields, FeedbackConfig
from app.ops.store.models import FeedbackFields, ProjectFields, RunFields

START = datetime(2026, 3, 10, 12, tzinfo=UTC)
HOSTILE = "<script>alert(1)</script>\"'><img src=x onerror=alert(2)>"
_RUN: TypeAdapter[RunFields] = TypeAdapter(RunFields)


@pytest.fixture
def dataset(store: OpsStore) -> Dataset:
    return store.datasets.create(DatasetFields(name="Leave questions", description="From the help desk"))


@pytest.fixture
def examples(store: OpsStore, dataset: Dataset) -> list[Example]:
    """Ten, in the order in which they were made; every other one is in the split `test`."""
    fields = [
        ExampleFields(
            inputs={"question": f"Question {number}?"},
            outputs={"answer": f"Answer {number} as written."},
            split="test" if number % 2 else "base",
        )
        for number in range(10)
    ]
    ids = store.examples.create(dataset.id, fields).example_ids
    found = {one.id: one for one in store.examples.find(ExampleQuery(dataset_id=dataset.id))}
    return [found[one] for one in ids]


def run_experiment(
    store: OpsStore,
    dataset: Dataset,
    examples: list[Example],
    name: str,
    scores: list[float | None],
    *,
    key: str = "correct",
    failed: tuple[int, ...] = (),
    day: int = 0,
) -> tuple[UUID, list[UUID]]:
    """One run for each example, one second longer each; the ids of the experiment and of its runs."""
    project = store.projects.create(
        ProjectFields(name=name, reference_dataset_id=dataset.id, start_time=START + timedelta(days=day))
    )
    runs, feedback = [], []
    for number, (example, score) in enumerate(zip(examples, scores, strict=True)):
        run_id = uuid4()
        fields = {
            "id": run_id,
            "name": "answer",
            "session_id": project.id,
            "start_time": START + timedelta(days=day, minutes=number),
            "end_time": START + timedelta(days=day, minutes=number, seconds=number + 1),
            "inputs": example.inputs,
            "outputs": None if number in failed else {"answer": f"Answer {number} as {name} says."},
            "error": "ValueError: no" if number in failed else None,
            "reference_example_id": example.id,
        }
        runs.append(_RUN.validate_python(fields))
        if score is not None:
            feedback.append(FeedbackFields(run_id=run_id, key=key, score=score))
    store.ingest(Ingest(posts=runs, feedback=feedback))
    return project.id, [run["id"] for run in runs]


def texts(html: str, selector: str) -> list[str]:
    return [" ".join(node.text(separator=" ").split()) for node in HTMLParser(html).css(selector)]


def test_the_list_counts_examples_and_experiments(
    pages: TestClient, store: OpsStore, dataset: Dataset, examples: list[Example]
) -> None:
    run_experiment(store, dataset, examples, "first", [1.0] * 10)
    html = pages.get("/ops/datasets").text
    assert "Leave questions From the help desk Inputs and outputs 10 1" in texts(html, "tbody tr")[0]
    assert texts(pages.get("/ops/datasets?q=LEAVE").text, "tbody tr")
    assert not texts(pages.get("/ops/datasets?q=travel%00").text, "tbody tr")


def test_a_dataset_is_made_and_a_second_one_of_the_name_refused(pages: TestClient, store: OpsStore) -> None:
    made = pages.post("/ops/datasets", data={"name": "New", "data_type": "chat"})
    assert made.status_code == 303
    assert pages.get(made.headers["location"]).status_code == 200
    again = pages.post("/ops/datasets", data={"name": "New", "data_type": "chat"})
    assert again.status_code == 422
    assert "already exists" in texts(again.text, "[role=alert]")[0]
    assert len(store.datasets.find()) == 1


def test_examples_are_paged_searched_and_split(pages: TestClient, store: OpsStore, dataset: Dataset) -> None:
    fields = [ExampleFields(inputs={"n": n}, split="odd" if n % 2 else "even") for n in range(120)]
    store.examples.create(dataset.id, fields)
    page = f"/ops/datasets/{dataset.id}"
    seen = []
    address: str | None = page
    while address:
        html = pages.get(address).text
        seen += texts(html, "tbody th")
        following = HTMLParser(html).css_first("a[rel=next]")
        address = following.attributes["href"] if following else None
    assert len(seen) == len(set(seen)) == 120
    assert len(texts(pages.get(f"{page}?split=odd&page=2").text, "tbody tr")) == 10
    assert texts(pages.get(f"{page}?q=119").text, "tbody th") == ["n 119"]


def test_an_earlier_version_is_shown_as_it_was(
    pages: TestClient, store: OpsStore, dataset: Dataset, examples: list[Example]
) -> None:
    pages.post(f"/ops/datasets/{dataset.id}/tag", data={"version": "latest", "tag": "spring"})
    example = f"/ops/datasets/{dataset.id}/examples/{examples[0].id}"
    pages.post(example, data={"inputs": '{"question": "Changed?"}'})
    assert "Changed?" in pages.get(f"/ops/datasets/{dataset.id}").text
    before = pages.get(f"/ops/datasets/{dataset.id}?version=spring").text
    assert "Changed?" not in before
    assert "Question 0?" in before
    assert "Question 0?" in pages.get(f"{example}?version=spring").text
    assert pages.get(f"/ops/datasets/{dataset.id}?version=autumn").status_code == 404


def test_what_is_not_json_is_refused_where_it_stands_and_kept_in_the_form(
    pages: TestClient, store: OpsStore, dataset: Dataset, examples: list[Example]
) -> None:
    page = f"/ops/datasets/{dataset.id}/examples/{examples[0].id}"
    for broken, wanted in {
        '{"a": 1,\n "b": }': "line 2 column 7",
        "[1]": "must be a JSON object",
        '{"a": NaN}': "cannot be read as JSON",
        '{"a": "\\ud800"}': "cannot be read as JSON",
        "[" * 5000: "cannot be read as JSON",
    }.items():
        refused = pages.post(page, data={"inputs": broken})
        assert refused.status_code == 422
        assert wanted in texts(refused.text, "[role=alert]")[0]
        assert HTMLParser(refused.text).css_first("textarea[name=inputs]").text() == broken
    assert pages.post(page, data={"outputs": "{}"}).status_code == 422
    assert store.examples.get(examples[0].id).inputs == {"question": "Question 0?"}


def test_an_example_that_does_not_fit_the_schema_is_refused(
    pages: TestClient, store: OpsStore, dataset: Dataset, examples: list[Example]
) -> None:
    schema = json.dumps({"type": "object", "required": ["question"]})
    settings = {"name": dataset.name, "inputs_schema": schema}
    assert pages.post(f"/ops/datasets/{dataset.id}/settings", data=settings).status_code == 303
    refused = pages.post(f"/ops/datasets/{dataset.id}/examples/new", data={"inputs": '{"query": 1}'})
    assert refused.status_code == 422
    assert "'question' is a required property" in texts(refused.text, "[role=alert]")[0]
    impossible = pages.post(
        f"/ops/datasets/{dataset.id}/settings", data=settings | {"inputs_schema": '{"required": ["nothing"]}'}
    )
    assert impossible.status_code == 422
    assert store.datasets.get(dataset.id).inputs_schema == json.loads(schema)


def test_two_people_do_not_overwrite_each_other(
    pages: TestClient, store: OpsStore, dataset: Dataset, examples: list[Example]
) -> None:
    page = f"/ops/datasets/{dataset.id}/examples/{examples[0].id}"
    seen = HTMLParser(pages.get(page).text).css_first("input[name=seen]").attributes["value"]
    first = {"inputs": '{"question": "Mine"}', "seen": seen, "splits": "test, hard"}
    assert pages.post(page, data=first).status_code == 303
    late = pages.post(page, data={"inputs": '{"question": "Theirs"}', "seen": seen})
    assert late.status_code == 409
    assert "Somebody else changed" in texts(late.text, "[role=alert]")[0]
    example = store.examples.get(examples[0].id)
    assert (example.inputs, example.splits) == ({"question": "Mine"}, ["test", "hard"])


def test_an_example_is_added_and_deleted(
    pages: TestClient, store: OpsStore, dataset: Dataset, examples: list[Example]
) -> None:
    made = {"inputs": '{"question": "New?"}', "outputs": '{"answer": "Yes"}', "metadata": '{"by": "ann"}'}
    assert pages.post(f"/ops/datasets/{dataset.id}/examples/new", data=made).status_code == 303
    assert store.examples.count(ExampleQuery(dataset_id=dataset.id)) == 11
    assert pages.post(f"/ops/datasets/{dataset.id}/examples/{examples[0].id}/delete").status_code == 303
    assert pages.get(f"/ops/datasets/{dataset.id}/examples/{examples[0].id}").status_code == 404
    other = store.datasets.create(DatasetFields(name="Other"))
    assert pages.post(f"/ops/datasets/{other.id}/examples/{examples[1].id}/delete").status_code == 409
    assert pages.get(f"/ops/datasets/{other.id}/examples/{examples[1].id}").status_code == 404


def test_files_are_taken_whole_or_not_at_all(pages: TestClient, store: OpsStore, dataset: Dataset) -> None:
    upload = f"/ops/datasets/{dataset.id}/upload"

    def send(name: str, content: bytes, **fields: str) -> tuple[int, str]:
        answer = pages.post(upload, data=fields, files={"file": (name, content)})
        return answer.status_code, " ".join(texts(answer.text, "[role=alert]"))

    assert send("a.csv", b"question,answer\nHow?,So\nWhy?,Therefore\n", output_columns="answer") == (303, "")
    assert send("a.jsonl", b'{"inputs": {"q": 1}, "outputs": {"a": 2}, "split": "hard"}\n\n{"q": 3}\n')[0] == 303
    found = store.examples.find(ExampleQuery(dataset_id=dataset.id, descending=False))
    assert [(one.inputs, one.outputs) for one in found] == [
        ({"question": "How?"}, {"answer": "So"}),
        ({"question": "Why?"}, {"answer": "Therefore"}),
        ({"q": 1}, {"a": 2}),
        ({"q": 3}, None),
    ]
    for name, content, fields, wanted in [
        ("a.csv", b"question\nHow?\n", {"output_columns": "answer"}, "no column “answer”"),
        ("a.csv", b"a,b\n1,2,3\n", {}, "Line 2"),
        ("a.jsonl", b'{"q": 1}\n{"q": \n', {}, "Line 2"),
        ("a.jsonl", b'{"q": 1}\n[2]\n', {}, "Line 2"),
        ("a.csv", b"\xff\xfe\x00", {}, "UTF-8"),
        ("a.csv", b"", {}, "no examples"),
    ]:
        status, problem = send(name, content, **fields)
        assert (status, wanted in problem) == (422, True), problem
    assert store.examples.count(ExampleQuery(dataset_id=dataset.id)) == 4


def test_a_download_holds_every_example_of_its_version(
    pages: TestClient, store: OpsStore, dataset: Dataset, examples: list[Example]
) -> None:
    lines = pages.get(f"/ops/datasets/{dataset.id}/download?format=jsonl").text.splitlines()
    assert [json.loads(line)["inputs"] for line in lines] == [one.inputs for one in examples]
    csv = pages.get(f"/ops/datasets/{dataset.id}/download?format=csv")
    assert "attachment" in csv.headers["content-disposition"]
    assert csv.text.count("Question") == 10


def test_experiments_are_summed_up(
    pages: TestClient, store: OpsStore, dataset: Dataset, examples: list[Example]
) -> None:
    scores: list[float | None] = [1.0] * 6 + [0.0] * 3 + [None]
    project_id, runs = run_experiment(store, dataset, examples, "first", scores, failed=(9,))
    store.feedback.add(FeedbackFields(session_id=project_id, key="pass_rate", score=0.5))
    store.feedback.add(FeedbackFields(run_id=runs[0], key="correct", score=0.0, comparative_experiment_id=uuid4()))
    with store.read() as db:
        (row,) = experiment_rows(db, dataset.id)
    assert (row.runs, row.errors, row.error_rate) == (10, 1, 0.1)
    assert (row.scores["correct"].n, row.scores["correct"].mean) == (9, pytest.approx(6 / 9))
    assert list(row.summary_scores) == ["pass_rate"]
    assert (row.latency_p50_s, row.latency_p99_s) == (5.0, 10.0)
    html = pages.get(f"/ops/datasets/{dataset.id}/experiments").text
    assert "10 0.667 n 9 5.0 s p99 10.0 s – – 10%" in texts(html, "tbody tr")[0]


def test_the_chart_has_a_dot_for_each_scored_experiment(
    pages: TestClient, store: OpsStore, dataset: Dataset, examples: list[Example]
) -> None:
    for day, score in enumerate((0.2, 0.6, 1.0)):
        run_experiment(store, dataset, examples, f"day {day}", [score] * 10, day=day)
    run_experiment(store, dataset, examples, "unscored", [None] * 10, day=3)
    html = pages.get(f"/ops/datasets/{dataset.id}/experiments?chart=correct").text
    assert texts(html, "svg.trend title") == ["day 0: 0.2", "day 1: 0.6", "day 2: 1"]


def test_one_experiment_is_filtered_by_errors_and_low_scores(
    pages: TestClient, store: OpsStore, dataset: Dataset, examples: list[Example]
) -> None:
    scores: list[float | None] = [0.9, 0.1, 0.5, *([1.0] * 6), None]
    project_id, runs = run_experiment(store, dataset, examples, "first", scores, failed=(9,))
    page = f"/ops/datasets/{dataset.id}/experiments/{project_id}"
    html = pages.get(page).text
    assert len(texts(html, "tbody tr")) == 10
    assert f"/ops/turns/{runs[0]}" in html
    assert texts(pages.get(f"{page}?show=errors").text, "tbody th") == ["question Question 9?"]
    low = pages.get(f"{page}?key=correct&below=0.9").text
    assert texts(low, "tbody th") == ["question Question 1?", "question Question 2?"]
    assert pages.get(f"/ops/datasets/{dataset.id}/experiments/{uuid4()}").status_code == 404


def test_a_comparison_counts_better_worse_and_same_with_an_interval(
    pages: TestClient, store: OpsStore, dataset: Dataset, examples: list[Example]
) -> None:
    before: list[float | None] = [0.5] * 9 + [None]
    after: list[float | None] = [0.9, 0.8, 0.7, 0.9, 0.8, 0.5, 0.5, 0.4, 0.9, 1.0]
    base, _ = run_experiment(store, dataset, examples, "base", before)
    new, _ = run_experiment(store, dataset, examples, "new", after, day=1)
    html = pages.get(f"/ops/datasets/{dataset.id}/compare?selectedSessions={base},{new}").text
    said = texts(html, ".standings tbody td")[1]
    assert "+0.211 (+0.06 to +0.362), clearly better" in said  # SciPy's ttest_rel(…).confidence_interval()
    assert "6 better , 1 worse , 2 same of 9 pairs" in said


def test_a_comparison_is_filtered_to_what_got_worse(
    pages: TestClient, store: OpsStore, dataset: Dataset, examples: list[Example]
) -> None:
    base, _ = run_experiment(store, dataset, examples, "base", [0.5] * 10)
    scores: list[float | None] = [0.4, *([0.5] * 7), 0.6, 0.6]
    new, _ = run_experiment(store, dataset, examples, "new", scores, failed=(3,), day=1)
    page = f"/ops/datasets/{dataset.id}/compare?selectedSessions={base},{new}"

    def shown(query: str) -> list[str]:
        return [title.rpartition(" ")[2] for title in texts(pages.get(page + query).text, "section.pair h2")]

    assert len(shown("")) == 10
    assert shown("&show=worse") == ["0?"]
    assert shown("&show=better&key=correct") == ["8?", "9?"]
    assert shown("&show=better&key=other") == []
    assert shown("&show=errors") == ["3?"]
    assert shown("&show=worse&turn=correct") == ["8?", "9?"]
    store.feedback_configs.create(
        ConfigFields(
            feedback_key="correct", feedback_config=FeedbackConfig(type="continuous"), is_lower_score_better=True
        )
    )
    assert shown("&show=better") == ["0?"]


def test_outputs_are_compared_word_by_word(
    pages: TestClient, store: OpsStore, dataset: Dataset, examples: list[Example]
) -> None:
    base, _ = run_experiment(store, dataset, examples, "base", [1.0] * 10)
    new, _ = run_experiment(store, dataset, examples, "new", [1.0] * 10, day=1)
    page = f"/ops/datasets/{dataset.id}/compare?selectedSessions={base},{new}"
    html = pages.get(page).text
    assert texts(html, ".beside del")[:2] == ["written", "written"]
    assert texts(html, ".beside ins")[:2] == ["base says", "new says"]
    assert texts(pages.get(f"{page}&against=baseline").text, ".beside ins")[:2] == ["new", "new"]
    assert texts(pages.get(f"{page}&against=nothing").text, ".beside ins") == []


def test_judgements_of_a_comparison_are_preferences_and_not_scores(
    pages: TestClient, store: OpsStore, dataset: Dataset, examples: list[Example]
) -> None:
    base, ours = run_experiment(store, dataset, examples, "base", [1.0] * 10)
    new, theirs = run_experiment(store, dataset, examples, "new", [1.0] * 10, day=1)
    made = store.comparisons.create(ComparisonFields(experiment_ids=[base, new], name="Judged"))
    for number in range(10):
        for project_id, run_id, wins in ((base, ours[number], number < 3), (new, theirs[number], number >= 3)):
            tied = number == 9
            store.feedback.add(
                FeedbackFields(
                    run_id=run_id,
                    session_id=project_id,
                    key="preference",
                    score=0.5 if tied else float(wins),
                    comparative_experiment_id=made.id,
                )
            )
    listed = HTMLParser(pages.get(f"/ops/datasets/{dataset.id}/experiments").text)
    link = next(a.attributes["href"] for a in listed.css("a") if a.text() == "Judged")
    assert link
    assert parse_qs(urlsplit(link).query)["comparativeExperiment"] == [str(made.id)]
    html = pages.get(link).text
    row = next(text for text in texts(html, ".standings tbody tr") if text.startswith("preference"))
    assert "1 tied" in row
    assert "33% preferred 3 of 9" in row
    assert "67% preferred 6 of 9" in row
    assert len([text for text in texts(html, "article h3") if text.endswith("preferred")]) == 9
    assert not [text for text in texts(html, ".standings tbody th") if text.startswith("preferencehigher")]


def test_too_few_or_too_many_experiments_are_asked_for_again(
    pages: TestClient, store: OpsStore, dataset: Dataset, examples: list[Example]
) -> None:
    ids = [run_experiment(store, dataset, examples, f"e{n}", [1.0] * 10, day=n)[0] for n in range(5)]
    page = f"/ops/datasets/{dataset.id}/compare"
    for chosen in ([], ids[:1], ids, [uuid4()]):
        asked = pages.get(page, params={"selectedSessions": ",".join(map(str, chosen))})
        assert asked.status_code == 200
        assert "Which experiments?" in asked.text
    gone = pages.get(page, params={"selectedSessions": f"{ids[0]},{ids[1]},{uuid4()}"})
    assert gone.status_code == 303
    ticked = pages.get(f"{page}?experiment={ids[1]}&experiment={ids[0]}").text
    assert "e0" in texts(ticked, ".standings thead th")[1]


def test_a_trace_becomes_an_example_after_it_was_corrected(pages: TestClient, store: OpsStore) -> None:
    run_id = uuid4()
    fields = {"id": run_id, "name": "turn", "inputs": {"question": "How?"}, "outputs": {"answer": "Wrong"}}
    store.ingest(Ingest(posts=[_RUN.validate_python(fields)]))
    assert f"/ops/datasets/add?run={run_id}" in pages.get(f"/ops/turns/{run_id}").text
    form = HTMLParser(pages.get(f"/ops/datasets/add?run={run_id}").text)
    assert json.loads(form.css_first(f"textarea[name='outputs-{run_id}']").text()) == {"answer": "Wrong"}
    sent = {
        "save": "1",
        "run": str(run_id),
        "name": "Regressions",
        "splits": "base, hard",
        f"inputs-{run_id}": '{"question": "How?"}',
        f"outputs-{run_id}": '{"answer": "Right"}',
    }
    broken = pages.post("/ops/datasets/add", data=sent | {f"outputs-{run_id}": "{"})
    assert broken.status_code == 422
    assert store.datasets.find() == []
    saved = pages.post("/ops/datasets/add", data=sent)
    assert saved.status_code == 303
    (example,) = store.examples.find(ExampleQuery())
    assert (example.outputs, example.source_run_id) == ({"answer": "Right"}, run_id)
    assert example.splits == ["base", "hard"]
    assert pages.get(f"/ops/datasets/add?run={uuid4()}").status_code == 404


def test_ticked_turns_become_examples_but_for_those_left_out(
    pages: TestClient, store: OpsStore, dataset: Dataset
) -> None:
    ids = [uuid4() for _ in range(3)]
    store.ingest(Ingest(posts=[_RUN.validate_python({"id": one, "name": "turn", "inputs": {"q": 1}}) for one in ids]))
    chosen = pages.post("/ops/datasets/add", data={"run": [str(one) for one in ids]})
    assert len(HTMLParser(chosen.text).css("fieldset")) == 3
    sent = {"save": "1", "run": [str(one) for one in ids], "dataset": str(dataset.id), f"leave-{ids[1]}": "1"}
    sent |= {f"inputs-{one}": '{"q": 1}' for one in ids}
    assert pages.post("/ops/datasets/add", data=sent).status_code == 303
    found = store.examples.find(ExampleQuery(dataset_id=dataset.id))
    assert {one.source_run_id for one in found} == {ids[0], ids[2]}


def test_nothing_in_a_dataset_is_code(pages: TestClient, store: OpsStore) -> None:
    dataset = store.datasets.create(DatasetFields(name=HOSTILE, description=HOSTILE))
    store.examples.create(
        dataset.id,
        [ExampleFields(inputs={HOSTILE: HOSTILE}, outputs={"a": HOSTILE}, split=HOSTILE, metadata={"m": HOSTILE})],
    )
    (example,) = store.examples.find(ExampleQuery(dataset_id=dataset.id))
    store.versions.tag(dataset.id, "latest", HOSTILE)
    for key in (HOSTILE, "javascript:alert(1)"):
        run_experiment(store, dataset, [example], f"{key} {HOSTILE}", [1.0], key=key)
    ids = [str(one.id) for one in store.projects.find(reference_dataset_ids=[dataset.id])]
    page = f"/ops/datasets/{dataset.id}"
    for address in (
        "/ops/datasets",
        page,
        f"{page}/settings",
        f"{page}/upload",
        f"{page}/examples/{example.id}",
        f"{page}/experiments",
        f"{page}/experiments/{ids[0]}",
        f"{page}/compare",
        f"{page}/compare?selectedSessions={','.join(ids)}",
    ):
        shown = pages.get(address)
        assert shown.status_code == 200, address
        tree = HTMLParser(shown.text)
        assert not [one for one in tree.css("script") if "src" not in one.attributes], address
        assert not tree.css("img[onerror]"), address
        assert not [a for a in tree.css("a") if (a.attributes.get("href") or "").startswith("javascript:")], address
        assert "script-src 'self'" in shown.headers["content-security-policy"]


def test_a_huge_value_does_not_make_a_huge_page(pages: TestClient, store: OpsStore, dataset: Dataset) -> None:
    wide = {f"key {n}": "x" * 100 for n in range(5000)}
    store.examples.create(dataset.id, [ExampleFields(inputs={"q": "y" * 1_000_000}, outputs=wide)])
    assert len(pages.get(f"/ops/datasets/{dataset.id}").text) < 30_000


@pytest.mark.parametrize(
    "path", ["datasets/x", "datasets/{}", "datasets/{}/experiments", "datasets/{}/compare", "datasets/{}/settings"]
)
def test_what_is_not_there_is_a_page_that_says_so(pages: TestClient, path: str) -> None:
    answer = pages.get(f"/ops/{path.format(uuid4())}")
    assert answer.status_code == 404
    assert answer.headers["content-type"].startswith("text/html")


def test_a_form_that_is_too_large_is_refused_with_a_page(pages: TestClient, dataset: Dataset) -> None:
    answer = pages.post(f"/ops/datasets/{dataset.id}/examples/new", content=b"inputs=" + b"x" * (21 * 1024 * 1024))
    assert answer.status_code == 413
    assert "larger than" in answer.text


def test_students_t_is_that_of_the_tables() -> None:
    assert [round(t95(n), 3) for n in (1, 5, 11, 30, 120)] == [12.706, 2.571, 2.201, 2.042, 1.98]
    assert t95(100_000) == pytest.approx(1.95998, abs=1e-4)


def test_a_paired_difference_without_spread_has_no_interval() -> None:
    assert paired_difference([]) is None
    one = paired_difference([0.5])
    assert one
    assert (one.pairs, one.interval, one.is_clear) == (1, None, False)
    same = paired_difference([0.5, 0.5, 0.5])
    assert same
    assert same.interval is None
