"""The stages as a Ray Data pipeline, on a Ray that is started for it or on a cluster.

Workers read, parse and encode; the caller takes what they have made. What a lost worker was at, Ray has another one do.
A file is read where it is parsed, so every node must be able to reach it.
"""

from __future__ import annotations

import logging
import os
import socket
import tempfile
from collections.abc import Generator, Iterator, Mapping, Sequence
from contextlib import contextmanager
from types import ModuleType
from typing import Any

from ingest.errors import EngineFailed
from ingest.sandbox import Sandbox
from ingest.settings import IngestSettings
from ingest.stages import Intent, Step, Task, encode, prepare
from retrieval.embedding import Embedder

_FILES_PER_BLOCK = 16
_BLOCK_BYTES = 16_000_000
_STORE_BYTES = 300_000_000
_CPUS_PER_PARSER = 8
_REACHED_WITHIN_S = 10
_CAUSED = "The above exception was the direct cause"


def run(tasks: Sequence[Task], intent: Intent, embedder: Embedder | None) -> Generator[Step, None, None]:
    """An `Engine`. Raises EngineFailed."""
    if not tasks:
        return
    with _ray(intent.settings) as ray:
        data = _parsed(ray, tasks, intent)
        if embedder:
            count, share = encoders(intent.settings.ray_encoders, ray.cluster_resources())
            pool = ray.data.ActorPoolStrategy(size=count)
            data = data.map_batches(_Encoder, fn_constructor_args=(embedder,), batch_size=None, compute=pool, **share)
        yield from _taken(data)


class _Parser:
    """Reads, compares and parses; lives in a process of its own, and its sandbox in another."""

    def __init__(self, intent: Intent) -> None:
        self._intent = intent
        self._sandbox = Sandbox(intent.settings)

    def __call__(self, row: dict[str, Task]) -> dict[str, Step]:
        return {"step": prepare(row["item"], self._intent, self._sandbox)}


class _Encoder:
    """Encodes what one block of files has yielded."""

    def __init__(self, embedder: Embedder) -> None:
        self._embedder = embedder

    def __call__(self, batch: dict[str, Any]) -> dict[str, Any]:
        return {"step": encode(list(batch["step"]), self._embedder)}


def _parsed(ray: ModuleType, tasks: Sequence[Task], intent: Intent) -> Any:
    blocks = -(-len(tasks) // _FILES_PER_BLOCK)
    return ray.data.from_items(list(tasks), override_num_blocks=blocks).map(
        _Parser, fn_constructor_args=(intent,), compute=ray.data.ActorPoolStrategy(min_size=1), num_cpus=1
    )


def encoders(wanted: int, resources: Mapping[str, float]) -> tuple[int, dict[str, float]]:
    """How many encoders, and what each of them takes, so that at least one CPU is left to parse."""
    cpus, gpus = int(resources.get("CPU", 0)), int(resources.get("GPU", 0))
    count = wanted or gpus or max(1, cpus - max(1, cpus // _CPUS_PER_PARSER))
    if count >= cpus and not gpus:
        raise EngineFailed(
            f"Ray has {cpus} CPUs, and {count} encoders take one each and leave none to parse. "
            "Set ingest.ray_encoders lower, or add nodes to the cluster."
        )
    return count, {"num_gpus": min(1, gpus / count)} if gpus else {"num_cpus": 1}


def _taken(data: Any) -> Iterator[Step]:
    try:
        for batch in data.iter_batches(batch_size=None, batch_format="numpy"):
            yield from batch["step"]
    except Exception as error:  # a failure of a stage, a lost cluster: Ray wraps each in types of its own
        what = str(error).split(_CAUSED)[0].strip().splitlines()[-1]
        raise EngineFailed(
            f"Ray gave up: {what.rstrip('.')}. Nothing was published. Mend that, and run the ingest again."
        ) from error


@contextmanager
def _ray(settings: IngestSettings) -> Iterator[ModuleType]:
    """Ray, connected to the cluster that the settings name, or to one that lives as long as the block."""
    with tempfile.TemporaryDirectory(prefix="ray-", dir="/tmp", ignore_cleanup_errors=True) as folder:
        ray = _connected(settings.ray_address, folder)
        try:
            logging.getLogger("ray.data").setLevel(logging.CRITICAL)
            context = ray.data.DataContext.get_current()
            context.enable_progress_bars = False
            context.print_on_execution_start = False
            context.target_max_block_size = _BLOCK_BYTES
            yield ray
        finally:
            ray.shutdown()


def _connected(address: str, folder: str) -> ModuleType:
    if address.startswith("ray://"):
        raise EngineFailed(
            "An ingest cannot go through Ray Client. Run it on a node of the cluster, with ingest.ray_address "
            '"auto" or the host:port of the head node.'
        )
    os.environ["RAY_USAGE_STATS_ENABLED"] = "0"
    os.environ.setdefault("RAY_BACKEND_LOG_LEVEL", "fatal")
    if not address:
        os.environ["RAY_ENABLE_WINDOWS_OR_OSX_CLUSTER"] = "0"  # its name for: listen on the loopback alone
    try:
        import ray
        import ray.data
    except ImportError as error:
        raise EngineFailed(
            "ingest.engine is \"ray\", and Ray is not installed. Run `pip install 'parley[ray]'`, "
            'or set ingest.engine to "local".'
        ) from error
    _check_reachable(address)
    try:
        where = {"address": address} if address else _own(folder)
        ray.init(**where, logging_level=logging.ERROR, log_to_driver=False)
    except Exception as error:  # Ray raises whatever its parts raise, down to bare Exception
        raise EngineFailed(
            f"Ray does not start, or does not answer: {error} Check ingest.ray_address, or run it again."
        ) from error
    return ray


def _check_reachable(address: str) -> None:
    """Ray itself would go on trying for minutes."""
    host, _, port = address.rpartition(":")
    if not host:
        return
    try:
        socket.create_connection((host, int(port)), _REACHED_WITHIN_S).close()
    except (OSError, ValueError) as error:
        raise EngineFailed(f"Nothing answers at ingest.ray_address {address!r}: {error}. Correct it.") from error


def _own(folder: str) -> dict[str, Any]:
    """A Ray of this machine alone; with a second CPU if need be, so that parsing and encoding both have one."""
    return {
        "num_cpus": max(2, os.cpu_count() or 1),
        "object_store_memory": _STORE_BYTES,
        "include_dashboard": False,
        "_temp_dir": folder,
    }
