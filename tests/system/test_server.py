"""`parley run` from its first line to its end."""

from __future__ import annotations

import signal
import stat
from contextlib import suppress
from pathlib import Path

import httpx
import pytest
from openai import APIError
from product import Product

CARRY_OVER = "How many days of unused leave may be carried over?"
FIVE_DAYS = "five days of unused leave"


def words_of(product: Product) -> list[str]:
    return product.log.read_text().split()


def test_what_it_prints_leads_into_the_chat_once(served: Product) -> None:
    link = next(word for word in words_of(served) if "/signin?token=" in word)
    with httpx.Client(base_url=served.url) as browser:
        first = browser.get(link)
        assert (first.status_code, first.headers["Location"]) == (303, "/")
        assert browser.get("/ops").status_code == 200
        assert "Parley" in browser.get("/").text
    assert httpx.get(link).status_code == 410
    assert httpx.get(f"{served.url}/ops").status_code == 401


def test_an_answer_comes_with_its_source(served: Product) -> None:
    reply = served.client().chat.completions.create(model="parley", messages=[{"role": "user", "content": CARRY_OVER}])
    assert FIVE_DAYS in reply.choices[0].message.content
    assert reply.parley["citations"][0]["passage"]["document"] == "leave.md"


def test_what_it_writes_is_its_owners_alone(served: Product) -> None:
    assert stat.S_IMODE(served.data_dir.stat().st_mode) == 0o700
    assert stat.S_IMODE((served.data_dir / "secret").stat().st_mode) == 0o600


def test_a_taken_port_is_told_at_once(served: Product, tmp_path: Path) -> None:
    late = Product(tmp_path / "data", port=served.port)
    process = late.start("run")
    assert process.wait(120) != 0
    said = " ".join(words_of(late))
    assert f"cannot listen on 127.0.0.1:{served.port}" in said
    assert "PORT=" in said
    assert "Traceback" not in said


@pytest.mark.model
def test_a_server_that_is_asked_to_stop_keeps_what_its_turns_have_shown(installed) -> None:
    product = installed(PARLEY_MODEL__NAME="local")
    with product.running() as process:
        stream = product.client().chat.completions.create(
            model="parley",
            messages=[{"role": "user", "content": CARRY_OVER}],
            stream=True,
            extra_body={"thread_id": "holidays"},
        )
        shown = next(chunk.choices[0].delta.content for chunk in stream if chunk.choices[0].delta.content)
        process.send_signal(signal.SIGTERM)
        assert process.wait(120) == -signal.SIGTERM
        with suppress(httpx.TransportError, APIError):
            list(stream)
    assert "Traceback" not in product.log.read_text()
    question, answer = product.remembered("holidays")
    assert question == ("user", CARRY_OVER)
    assert answer[1].startswith(shown)
