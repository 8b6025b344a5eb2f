from __future__ import annotations

import io
import json
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from uuid import UUID, uuid4

import pytest
import requests
import zstandard
from langsmith import Client, trace, tracing_context, uuid7

from app.tracing import Outbox, TracingSettings, build_client

RUN = uuid7()
KEY = "key-of-the-sink"


class Sink:
    """A real HTTP server on loopback that records what it is sent and answers what it is told to."""

    def __init__(self, port: int = 0) -> None:
        self.received: list[tuple[str, str, bytes]] = []
        self.keys: set[str | None] = set()
        self.answers: list[tuple[int, dict[str, str]]] = []
        self.always: int = 202
        self.hang = threading.Event()
        self.knows_info = True
        self.most_at_once = 0
        self._at_once = 0
        sink = self

        class Handler(BaseHTTPRequestHandler):
            def _handle(self) -> None:
                body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
                status, headers, content = sink.answer(self.command, self.path, body, self.headers)
                self.send_response(status)
                for name, value in {**headers, "Content-Length": str(len(content))}.items():
                    self.send_header(name, value)
                self.end_headers()
                self.wfile.write(content)

            do_GET = do_POST = do_PATCH = do_DELETE = _handle

            def log_message(self, format: str, *args: object) -> None:
                pass

        class Server(ThreadingHTTPServer):
            def handle_error(self, request: object, client_address: object) -> None:
                """A client that was killed is no news."""

        self._server = Server(("127.0.0.1", port), Handler)
        self._server.daemon_threads = True
        self.port = self._server.server_port
        self.url = f"http://127.0.0.1:{self.port}/langsmith"
        threading.Thread(target=self._server.serve_forever, args=(0.02,), daemon=True).start()

    def answer(self, method: str, path: str, body: bytes, headers: object) -> tuple[int, dict[str, str], bytes]:
        if path == "/langsmith/info":
            return 200, {}, b'{"version": "0.18.15"}' if self.knows_info else b'{"detail": "some other program"}'
        self._at_once += 1
        self.most_at_once = max(self.most_at_once, self._at_once)
        if self.hang.is_set():
            time.sleep(5)
        time.sleep(0.005)
        self._at_once -= 1
        status, extra = self.answers.pop(0) if self.answers else (self.always, {})
        if status < 300:
            self.received.append((method, path.removeprefix("/langsmith"), plain(body, headers)))
            self.keys.add(headers["x-api-key"])  # type: ignore[index]
        return status, extra, b'{"detail": "as told"}'

    def bodies(self) -> str:
        return b"\n".join(body for _, _, body in self.received).decode()

    def close(self) -> None:
        self._server.shutdown()
        self._server.server_close()


def plain(body: bytes, headers: object) -> bytes:
    if headers["Content-Encoding"] == "zstd":  # type: ignore[index]
        return zstandard.ZstdDecompressor().stream_reader(io.BytesIO(body)).read()
    return body


@pytest.fixture
def sink() -> Iterator[Sink]:
    sink = Sink()
    yield sink
    sink.close()


@pytest.fixture
def closed_port() -> int:
    sink = Sink()
    sink.close()
    return sink.port


def embedded(folder: Path, url: str) -> Outbox:
    return Outbox.open(TracingSettings(), folder, url, KEY)


def write(outbox: Outbox, body: str, path: str = "/runs/batch") -> requests.Response:
    session = requests.Session()
    session.mount(outbox.endpoint, outbox.adapter())
    return session.post(outbox.endpoint + path, data=body, headers={"x-api-key": KEY, "Content-Type": "text/plain"})


def record_turn(client: Client, run_id: UUID | None = None) -> None:
    with (
        tracing_context(enabled=True, client=client, project_name="parley"),
        trace("turn", run_type="chain", run_id=run_id or uuid7(), inputs={"question": "When?"}, client=client) as run,
    ):
        with trace("child", run_type="retriever", inputs={"question": "When?"}):
            pass
        run.end(outputs={"answer": "On Monday."})


def wait_until(condition: object, timeout_s: float = 10.0) -> None:
    deadline = time.monotonic() + timeout_s
    while not condition():  # type: ignore[operator]
        assert time.monotonic() < deadline, "it never happened"
        time.sleep(0.02)


def test_runs_and_feedback_reach_the_sink_through_the_ordinary_client(tmp_path: Path, sink: Sink) -> None:
    outbox = embedded(tmp_path, sink.url)
    client = build_client(TracingSettings(), outbox)
    feedback_id = uuid4()
    record_turn(client, RUN)
    with pytest.warns(match="session_id"):
        client.create_feedback(run_id=RUN, key="user_score", score=0, comment="wrong", feedback_id=feedback_id)
    client.update_feedback(feedback_id, score=1)
    client.delete_feedback(feedback_id)
    client.close()
    assert outbox.flush(10)
    outbox.close()
    routes = {(method, path.partition("?")[0]) for method, path, _ in sink.received}
    assert routes == {
        ("POST", "/runs/multipart"),
        ("POST", "/feedback"),
        ("PATCH", f"/feedback/{feedback_id}"),
        ("DELETE", f"/feedback/{feedback_id}"),
    }
    assert str(RUN) in sink.bodies()
    assert "On Monday." in sink.bodies()
    assert sink.keys == {KEY}


def test_requests_arrive_in_the_order_in_which_they_were_made(tmp_path: Path, sink: Sink) -> None:
    outbox = embedded(tmp_path, sink.url)
    for number in range(50):
        assert write(outbox, str(number)).status_code == 202
    assert outbox.flush(10)
    outbox.close()
    assert [body.decode() for _, _, body in sink.received] == [str(number) for number in range(50)]


def test_a_sink_that_is_down_delays_nothing_and_loses_nothing(tmp_path: Path, closed_port: int) -> None:
    outbox = embedded(tmp_path, f"http://127.0.0.1:{closed_port}/langsmith")
    client = build_client(TracingSettings(), outbox)
    started = time.monotonic()
    record_turn(client, RUN)
    client.create_feedback(run_id=RUN, trace_id=RUN, session_id=uuid4(), key="user_score", score=1)
    assert time.monotonic() - started < 1
    client.flush(timeout=5)
    assert outbox.depth() >= 1
    assert not outbox.flush(0.1)
    assert outbox.oldest_age_s() > 0
    sink = Sink(closed_port)
    assert outbox.flush(10)
    assert str(RUN) in sink.bodies()
    assert "user_score" in sink.bodies()
    client.close()
    outbox.close()
    sink.close()


def test_a_sink_that_hangs_delays_nothing(tmp_path: Path, sink: Sink) -> None:
    sink.hang.set()
    outbox = embedded(tmp_path, sink.url)
    client = build_client(TracingSettings(), outbox)
    started = time.monotonic()
    for _ in range(5):
        record_turn(client)
        client.create_feedback(run_id=RUN, trace_id=RUN, session_id=uuid4(), key="user_score", score=1)
    client.flush(timeout=5)
    assert time.monotonic() - started < 2
    sink.hang.clear()
    assert outbox.flush(15)
    client.close()
    outbox.close()


def test_what_the_sink_will_never_take_is_set_aside_with_the_reason(tmp_path: Path, sink: Sink) -> None:
    outbox = embedded(tmp_path, sink.url)
    sink.answers = [(422, {}), (409, {})]
    for body in ("bad", "known already", "good"):
        write(outbox, body)
    assert outbox.flush(10)
    outbox.close()
    assert [body for _, _, body in sink.received] == [b"good"]
    (rejected,) = (tmp_path / "embedded" / "rejected").glob("*.request")
    assert rejected.read_bytes().endswith(b"bad")
    reason = rejected.with_name(rejected.name + ".reason.txt").read_text()
    assert reason == '422\n{"detail": "as told"}'


@pytest.mark.parametrize("status", [503, 500, 502, 429, 401, 307])
def test_a_refusal_that_may_pass_is_tried_again(tmp_path: Path, sink: Sink, status: int) -> None:
    sink.answers = [(status, {}), (status, {})]
    outbox = embedded(tmp_path, sink.url)
    write(outbox, "patient")
    assert outbox.flush(10)
    outbox.close()
    assert [body for _, _, body in sink.received] == [b"patient"]


def test_retry_after_is_honoured(tmp_path: Path, sink: Sink) -> None:
    sink.answers = [(429, {"Retry-After": "1"})]
    outbox = embedded(tmp_path, sink.url)
    started = time.monotonic()
    write(outbox, "later")
    assert outbox.flush(10)
    assert time.monotonic() - started >= 1
    outbox.close()


def test_another_program_on_the_port_gets_nothing(tmp_path: Path, sink: Sink) -> None:
    sink.knows_info = False
    outbox = embedded(tmp_path, sink.url)
    write(outbox, "private")
    assert not outbox.flush(0.7)
    assert sink.received == []
    sink.knows_info = True
    assert outbox.flush(10)
    outbox.close()


def test_files_that_are_no_requests_do_not_hold_up_the_rest(tmp_path: Path, sink: Sink) -> None:
    (tmp_path / "embedded").mkdir()
    (tmp_path / "embedded" / "0-0-0.request").write_bytes(b"\xff\x00 torn")
    outbox = embedded(tmp_path, sink.url)
    write(outbox, "good")
    assert outbox.flush(10)
    outbox.close()
    assert [body for _, _, body in sink.received] == [b"good"]


def test_keys_are_not_on_disk_and_files_are_private(tmp_path: Path, closed_port: int) -> None:
    outbox = embedded(tmp_path, f"http://127.0.0.1:{closed_port}/langsmith")
    write(outbox, "body")
    outbox.close()
    (file,) = (tmp_path / "embedded").glob("*.request")
    metadata, _, body = file.read_bytes().partition(b"\n")
    assert json.loads(metadata) == {"method": "POST", "path": "/runs/batch", "headers": {"Content-Type": "text/plain"}}
    assert body == b"body"
    assert KEY.encode() not in file.read_bytes()
    assert file.stat().st_mode & 0o077 == 0


def test_a_full_outbox_says_so(tmp_path: Path, closed_port: int) -> None:
    settings = TracingSettings(max_outbox_bytes=300)
    outbox = Outbox.open(settings, tmp_path, f"http://127.0.0.1:{closed_port}", KEY)
    assert write(outbox, "x" * 100).status_code == 202
    assert write(outbox, "x" * 100).status_code == 507
    assert outbox.depth() == 1
    outbox.close()


def test_reads_and_queries_go_straight_to_the_sink(tmp_path: Path, sink: Sink) -> None:
    outbox = embedded(tmp_path, sink.url)
    assert write(outbox, "{}", "/runs/query").json() == {"detail": "as told"}
    assert [path for _, path, _ in sink.received] == ["/runs/query"]
    assert outbox.depth() == 0
    outbox.close()


def test_two_outboxes_on_one_folder_send_each_request_once(tmp_path: Path, sink: Sink) -> None:
    one, other = embedded(tmp_path, sink.url), embedded(tmp_path, sink.url)
    for number in range(40):
        write(one if number % 2 else other, str(number))
    assert one.flush(10)
    one.close()
    other.close()
    assert sorted(int(body) for _, _, body in sink.received) == list(range(40))
    assert sink.most_at_once == 1


def test_each_sink_gets_only_what_was_recorded_for_it(tmp_path: Path, sink: Sink, closed_port: int) -> None:
    at_home = embedded(tmp_path, f"http://127.0.0.1:{closed_port}/langsmith")
    write(at_home, "private")
    at_home.close()
    hosted = Outbox.open(TracingSettings(endpoint=sink.url, api_key="hosted"), tmp_path, at_home.endpoint, KEY)
    write(hosted, "public")
    assert hosted.flush(10)
    hosted.close()
    assert [body for _, _, body in sink.received] == [b"public"]
    assert sink.keys == {"hosted"}


def test_the_environment_is_not_recorded(tmp_path: Path, sink: Sink, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LANGSMITH_COLOUR", "ultramarine")
    monkeypatch.setenv("LANGSMITH_API_KEY", "key-of-someone-else")
    outbox = embedded(tmp_path, sink.url)
    client = build_client(TracingSettings(), outbox)
    record_turn(client)
    client.close()
    assert outbox.flush(10)
    outbox.close()
    assert "ultramarine" not in sink.bodies()
    assert sink.keys == {KEY}


PROGRAM = """
import sys, socket
from pathlib import Path
from uuid import UUID
connect = socket.socket.connect
def watch(self, address):
    if self.family != socket.AF_UNIX and address[:2] != ("127.0.0.1", int(sys.argv[2])):
        print("ELSEWHERE", address, flush=True)
    return connect(self, address)
socket.socket.connect = watch
from langsmith import trace
from app.tracing import Outbox, TracingSettings, build_client
outbox = Outbox.open(TracingSettings(), Path(sys.argv[1]), f"http://127.0.0.1:{sys.argv[2]}/langsmith", "key")
client = build_client(TracingSettings(), outbox)
for number in range(20):
    with trace("turn", run_type="chain", inputs={"number": f"turn {number}."}, client=client):
        pass
client.flush()
print("FLUSHED", flush=True)
sys.stdin.read()
"""


def test_kill_9_after_a_flush_loses_nothing(tmp_path: Path, closed_port: int) -> None:
    environment = {**os.environ, "LANGSMITH_TRACING": "true"}
    with subprocess.Popen(
        [sys.executable, "-c", PROGRAM, str(tmp_path), str(closed_port)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
        env=environment,
    ) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "FLUSHED\n"
        process.send_signal(signal.SIGKILL)
    sink = Sink(closed_port)
    successor = embedded(tmp_path, sink.url)
    assert successor.flush(10)
    successor.close()
    sink.close()
    assert all(f"turn {number}." in sink.bodies() for number in range(20))


def test_kill_9_in_the_middle_of_an_upload_loses_nothing(tmp_path: Path, sink: Sink) -> None:
    sink.hang.set()
    environment = {**os.environ, "LANGSMITH_TRACING": "true"}
    with subprocess.Popen(
        [sys.executable, "-c", PROGRAM, str(tmp_path), str(sink.port)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
        env=environment,
    ) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "FLUSHED\n"
        wait_until(lambda: sink.most_at_once)
        process.send_signal(signal.SIGKILL)
    sink.hang.clear()
    successor = embedded(tmp_path, sink.url)
    assert successor.flush(10)
    successor.close()
    assert all(f"turn {number}." in sink.bodies() for number in range(20))


def test_what_another_process_spools_is_delivered(tmp_path: Path, sink: Sink, closed_port: int) -> None:
    server = embedded(tmp_path, sink.url)
    command_line = embedded(tmp_path, f"http://127.0.0.1:{closed_port}/langsmith")
    write(command_line, "from the command line")
    command_line.close()
    wait_until(lambda: sink.received)
    assert sink.received[0][2] == b"from the command line"
    server.close()
