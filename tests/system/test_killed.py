"""kill -9, at the worst moments."""

from __future__ import annotations

import json
import signal
import sqlite3
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from uuid import UUID

import httpx
import pytest

from app.ops.store import OpsStore

CARRY_OVER = "How many days of unused leave may be carried over?"
QUOTED = "At most five days of unused leave may be carried over to the next year."
THREAD = {"thread_id": "holidays"}


def ask(client, question: str, **options):
    return client.chat.completions.create(model="parley", messages=[{"role": "user", "content": question}], **options)


def test_an_ingest_that_is_killed_leaves_the_served_release_alone(served, tmp_path: Path) -> None:
    for number in range(400):
        (tmp_path / f"{number}.md").write_text(
            f"# Rule {number}\n\nRule {number} concerns the rooms of floor {number}.\n"
        )

    def release() -> str:
        return served.readiness().json()["checks"]["corpus"]["detail"]

    before, drafts = release(), len(list((served.data_dir / "corpus" / "passages").iterdir()))
    ingest = served.start("ingest", str(tmp_path))
    served.wait_for(lambda: len(list((served.data_dir / "corpus" / "passages").iterdir())) > drafts)
    ingest.kill()
    assert ingest.wait(60) == -signal.SIGKILL
    assert release() == before
    assert QUOTED in ask(served.client(), CARRY_OVER).choices[0].message.content
    for file in list(tmp_path.iterdir())[:-3]:
        file.unlink()
    served.parley("ingest", str(tmp_path))
    assert release() == "release 2"
    assert json.loads(served.parley("releases", "--json"))[0]["documents"] == 4
    assert QUOTED in ask(served.client(), CARRY_OVER).choices[0].message.content


@pytest.mark.model
def test_a_server_that_is_killed_loses_no_finished_turn_and_keeps_no_half_one(installed, holding_the_model) -> None:
    product = installed(PARLEY_MODEL__NAME="local")
    key = product.key()
    with product.running() as process:
        client = product.client(key)
        first = ask(client, CARRY_OVER, extra_body=THREAD)
        with (
            holding_the_model(process.pid),
            ThreadPoolExecutor(6) as pool,
            ask(client, "And for part-time staff?", stream=True, extra_body=THREAD) as half,
        ):
            shown = next(chunk for chunk in half if chunk.choices[0].delta.content)
            greetings = list(pool.map(lambda _: ask(client, "Hello!"), range(6)))
            process.kill()
        assert process.wait(60) == -signal.SIGKILL
    finished = {UUID(reply.parley["run_id"]) for reply in [first, *greetings]}
    half_turn = UUID(shown.id.removeprefix("chatcmpl-"))
    assert product.remembered("holidays") == [("user", CARRY_OVER), ("assistant", first.choices[0].message.content)]

    product.environment = {}
    with product.running():
        with product.store() as store:
            product.wait_for(lambda: all(is_complete(store, run_id) for run_id in finished))
            assert {run.status for run in store.runs.many([half_turn])} <= {"pending"}
        follow_up = ask(product.client(key), "And for part-time staff?", extra_body=THREAD)
        assert follow_up.parley["citations"][0]["quotes"][0].startswith("Part-time staff may carry over")
        pages = httpx.Client(base_url=product.url, headers={"x-api-key": product.key("analyst")})
        runs = pages.post("/langsmith/runs/query", json={"is_root": True}).json()["runs"]
        assert finished <= {UUID(run["id"]) for run in runs}
    assert [role for role, _ in product.remembered("holidays")] == ["user", "assistant"] * 2
    for database in product.data_dir.rglob("*.db"):
        with sqlite3.connect(database) as connection:
            assert connection.execute("PRAGMA integrity_check").fetchone() == ("ok",)


def is_complete(store: OpsStore, run_id: UUID) -> bool:
    return any(run.end_time is not None and "status" in run.metadata for run in store.runs.many([run_id]))
