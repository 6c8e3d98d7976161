from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import ExitStack
from functools import partial
from pathlib import Path
from threading import Timer
from typing import Any

import pytest

pytest.importorskip("distributed", reason="the extra 'dask' is not installed")
pytestmark = pytest.mark.filterwarnings("ignore")  # of what Dask brings

SETTINGS = {**os.environ, "DASK_DISTRIBUTED__SCHEDULER__ALLOWED_FAILURES": "1"}
PREDICT = [sys.executable, "-m", "copytaster", "predict", "-f", "jsonl"]
NAMES = ["first", "second"]


def wait_for(condition: Any, seconds: float = 20) -> None:
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end
        time.sleep(0.05)


class Cluster:
    """A scheduler and two workers, each a process that listens on this machine alone."""

    def __init__(self, folder: Path, stack: ExitStack) -> None:
        from distributed import Client

        self._stack = stack
        self._file = str(folder / "scheduler.json")
        self.scheduler = self._start("scheduler", "--port", "0", "--scheduler-file", self._file)
        self.workers = {name: self._start_worker(name) for name in NAMES}
        wait_for(lambda: Path(self._file).exists())
        self.client = stack.enter_context(Client(scheduler_file=self._file, set_as_default=False))
        self.address = json.loads(Path(self._file).read_text())["address"]
        wait_for(lambda: len(self.client.nthreads()) == len(NAMES))

    def _start_worker(self, name: str) -> subprocess.Popen[bytes]:
        options = ["--no-nanny", "--nthreads", "1", "--memory-limit", "0"]
        return self._start("worker", "--scheduler-file", self._file, "--name", name, *options)

    def _start(self, *command: str) -> subprocess.Popen[bytes]:
        process = subprocess.Popen(
            [sys.executable, "-m", "dask", *command, "--host", "127.0.0.1", "--no-dashboard"],
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            env=SETTINGS,
        )
        self._stack.callback(process.wait)
        self._stack.callback(process.kill)
        return process

    def held(self) -> dict[str, int]:
        """Return how many results each worker holds."""
        workers = self.client.scheduler_info()["workers"]
        return {workers[address]["name"]: len(keys) for address, keys in self.client.has_what().items()}


@pytest.fixture
def cluster(tmp_path: Path) -> Iterator[Cluster]:
    with ExitStack() as stack:
        yield Cluster(tmp_path, stack)


def test_a_killed_worker_changes_no_byte(cluster: Cluster, tmp_path: Path) -> None:
    path = tmp_path / "articles.jsonl"
    text = "The ferry sailed on Monday, {} people said.\n\nWrite to the council now.\n\n" * 12
    with path.open("w") as stream:
        for i in range(2500):
            stream.write(json.dumps({"id": f"{i}", "text": text.replace("{}", str(i))}) + "\n")
        stream.write("no JSON\n")
    local = subprocess.run([*PREDICT, path], capture_output=True)
    remote = subprocess.Popen(
        [*PREDICT, "--backend", "dask", "--scheduler", cluster.address, path],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        bufsize=0,
    )
    with remote:
        assert remote.stdout
        start = remote.stdout.read(1)  # it goes on till the pipe is full, and its workers till enough is done
        wait_for(lambda: min(cluster.held().get(name, 0) for name in NAMES) > 0)
        cluster.workers["first"].kill()
        out, err = remote.communicate()
    assert start + out == local.stdout
    assert err.endswith(local.stderr)  # Dask logs what it does over
    assert remote.returncode == local.returncode == 1
    assert list(cluster.held()) == ["second"]


def test_faults_are_errors_with_advice(cluster: Cluster) -> None:
    from dask import config

    from copytaster.cluster import annotate
    from copytaster.errors import DataError, UsageError
    from copytaster.pool import WorkerLost
    from copytaster.predict import Settings, start_worker

    exits = partial(partial, os._exit)
    with pytest.raises(DataError, match="model was replaced"):
        list(annotate(partial(start_worker, Settings(), "another"), [[]], cluster.address))
    with pytest.raises(WorkerLost, match="same articles"):
        list(annotate(exits, [1], cluster.address))
    with config.set({"distributed.comm.timeouts.connect": "1s"}):
        for nowhere in ("tcp://127.0.0.1:1", "no address", "odd://x"):
            with pytest.raises(UsageError, match="no Dask scheduler answers at"):
                list(annotate(exits, [1], nowhere))
        results = annotate(exits, [1], cluster.address)  # there is no worker left
        Timer(1, cluster.scheduler.kill).start()
        with pytest.raises(DataError, match=r"scheduler at tcp://.* was lost"):
            next(results)
