"""Takes batches into the tables in a process of its own, beside the one that serves.

What takes runs in and what answers requests would otherwise share one interpreter, on which only one of them runs at a
time: acknowledgements would wait for indexes, and pages for both.

    python -m app.ops.store.intake.process FILE_DESCRIPTOR

The process answers each message on the pipe, and ends with the other end of it, however that ends.
"""

from __future__ import annotations

import gc
import subprocess
import sys
import threading
from collections.abc import Sequence
from multiprocessing import Pipe
from multiprocessing.connection import Connection

from app.ops.store.costs.prices import Prices
from app.ops.store.database import Address, Database
from app.ops.store.intake.taking import Postponed, Refused, take
from app.ops.store.models import utc_now
from app.ops.store.runs.ingest import Ingester

_END_TIMEOUT_S = 20.0
_COLLECT_AFTER = 50_000
"""New objects until the garbage collector looks at them: a batch makes thousands, and none in a circle."""

Order = tuple[Address, Sequence[bytes]]
Answer = Postponed | Refused | None


class IntakeProcess:
    """The process, started when it is first needed and again after a crash. It serves many databases, one at a time."""

    def __init__(self) -> None:
        self._turn = threading.Lock()
        self._pipe: Connection | None = None
        self._process: subprocess.Popen[bytes] | None = None

    @property
    def pid(self) -> int | None:
        """The number by which the system knows it; None while it does not run."""
        return self._process.pid if self._process else None

    def start(self) -> None:
        """Start it, if it isn't running; it takes a second until it can do its first work."""
        with self._turn:
            self._connected()

    def take(self, database: Database, batches: Sequence[bytes]) -> None:
        """Store whole batches, in their order. Raises Refused, Postponed; after either, nothing is stored."""
        with database.alone(), self._turn:
            try:
                answer = self._ask((database.address, batches))
            except (EOFError, OSError) as error:
                self._end()
                raise Postponed(f"the intake process ended: {error!r}") from error
        if answer is not None:
            raise answer

    def close(self) -> None:
        """End it, once it has finished what it is doing."""
        with self._turn:
            self._end()

    def _ask(self, order: Order) -> Answer:
        pipe = self._connected()
        pipe.send(order)
        answer: Answer = pipe.recv()
        return answer

    def _connected(self) -> Connection:
        if self._pipe is None:
            self._pipe, theirs = Pipe()
            self._process = subprocess.Popen(  # noqa: S603 (this very module)
                [sys.executable, "-m", __name__, str(theirs.fileno())],
                stdin=subprocess.DEVNULL,
                stdout=subprocess.DEVNULL,
                pass_fds=[theirs.fileno()],
                process_group=0,  # Ctrl-C is for the server alone, which still needs this one to finish
            )
            theirs.close()
        return self._pipe

    def _end(self) -> None:
        if self._pipe is None or self._process is None:
            return
        self._pipe.close()
        try:
            self._process.wait(_END_TIMEOUT_S)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()
        self._pipe = self._process = None


def main(pipe: Connection) -> None:
    """Do what is asked until the pipe is closed."""
    gc.freeze()
    gc.set_threshold(_COLLECT_AFTER)
    ingesters: dict[Address, Ingester] = {}
    while True:
        try:
            order: Order = pipe.recv()
        except EOFError:
            return
        pipe.send(_obey(order, ingesters))


def _obey(order: Order, ingesters: dict[Address, Ingester]) -> Answer:
    address, batches = order
    try:
        if address not in ingesters:
            ingesters[address] = _ingester(address)
        take(ingesters[address], batches)
    except (Postponed, Refused) as refusal:
        return refusal
    except Exception as error:
        return Postponed(f"{type(error).__name__}: {error}")
    return None


def _ingester(address: Address) -> Ingester:
    database = Database.open(address)
    return Ingester(database, Prices(database, utc_now).book, utc_now)


if __name__ == "__main__":
    main(Connection(int(sys.argv[1])))
