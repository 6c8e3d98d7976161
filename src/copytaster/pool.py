"""Worker processes that answer in order, hold few tasks at a time, and may be killed without a loss."""

from __future__ import annotations

import multiprocessing
import os
import signal
import traceback
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from contextlib import suppress
from dataclasses import dataclass
from multiprocessing.connection import Connection, wait
from multiprocessing.process import BaseProcess
from typing import Any, Generic, TypeVar

from copytaster.errors import CopytasterError

Task = TypeVar("Task")
Result = TypeVar("Result")

AHEAD = 4
"""Tasks in flight or waiting for their turn, for each worker."""


class WorkerLost(CopytasterError):
    """A worker process died twice over the same task, could not start, or ran out of memory."""


@dataclass(slots=True)
class _Worker:
    process: BaseProcess
    connection: Connection
    task: int | None = None


class Pool(Generic[Task, Result]):
    """Processes that each build a function once and then apply it to tasks.

    Parameters
    ----------
    build : callable
        Called without arguments in each process; returns the function of a task. It must be picklable.
    jobs : int
        Processes, at least 1.
    lost : callable, optional
        Called with the process id and the exit code of a worker that died; its task is given to another one.
    built : callable, optional
        What ``build`` would return. Where it can be had by a fork, which is safe while there is but one
        thread, workers share it with this process and start at once.
    """

    def __init__(
        self,
        build: Callable[[], Callable[[Task], Result]],
        jobs: int,
        lost: Callable[[int, int], None] = lambda pid, code: None,
        built: Callable[[Task], Result] | None = None,
    ) -> None:
        self._build = build
        self._jobs = jobs
        self._lost = lost
        self._built = built

    def map(self, tasks: Iterable[Task]) -> Iterator[Result]:
        """Apply the function to each task.

        Parameters
        ----------
        tasks : iterable
            Read as far as `AHEAD` allows.

        Yields
        ------
        result
            In the order of the tasks.

        Raises
        ------
        WorkerLost
            If two workers in a row died over the same task, or one ran out of memory.
        CopytasterError
            What the function raised; any other exception is a `RuntimeError` with the worker's traceback.
        """
        stream = iter(tasks)
        held: dict[int, Task] = {}
        results: dict[int, Result] = {}
        deaths: dict[int, int] = {}
        again: deque[int] = deque()
        read = yielded = 0
        exhausted = False
        workers = [self._start() for _ in range(self._jobs)]
        try:
            while True:
                for worker in workers:
                    if worker.task is not None:
                        continue
                    if again:
                        worker.task = again.popleft()
                    elif not exhausted and read < yielded + AHEAD * self._jobs:
                        try:
                            held[read] = next(stream)
                        except StopIteration:
                            exhausted = True
                            break
                        worker.task, read = read, read + 1
                    else:
                        break
                    self._send(worker, held[worker.task])
                if yielded in results:
                    yield results.pop(yielded)
                    yielded += 1
                    continue
                if exhausted and yielded == read:
                    return
                busy = {w.connection: i for i, w in enumerate(workers) if w.task is not None}
                for ready in wait(list(busy)):
                    i = busy[ready]  # type: ignore[index]
                    worker = workers[i]
                    task = worker.task
                    assert task is not None
                    try:
                        results[task] = self._receive(worker)
                        del held[task]
                        worker.task = None
                    except (EOFError, OSError):
                        deaths[task] = deaths.get(task, 0) + 1
                        self._bury(worker)
                        if deaths[task] == 2:
                            raise WorkerLost(
                                "two worker processes in a row died over the same articles",
                                "The machine may be out of memory: try -j 1",
                            ) from None
                        again.append(task)
                        workers[i] = self._start()
        finally:
            for worker in workers:
                worker.process.kill()
            for worker in workers:
                worker.process.join()
                worker.connection.close()

    def _start(self) -> _Worker:
        ours, theirs = multiprocessing.Pipe()
        process: BaseProcess
        if self._built and _has_one_thread():
            forking = multiprocessing.get_context("fork")
            process = forking.Process(target=_serve_forked, args=(theirs, self._built), daemon=True)
        else:
            spawning = multiprocessing.get_context("spawn")
            process = spawning.Process(target=_serve, args=(theirs, self._build), daemon=True)
        process.start()
        theirs.close()
        return _Worker(process, ours)

    def _send(self, worker: _Worker, task: Task) -> None:
        with suppress(OSError):  # a dead worker is found out when its answer is waited for
            worker.connection.send(task)

    def _receive(self, worker: _Worker) -> Result:
        good, answer = worker.connection.recv()
        if good:
            result: Result = answer
            return result
        raise answer

    def _bury(self, worker: _Worker) -> None:
        worker.process.join()
        worker.connection.close()
        self._lost(worker.process.pid or 0, worker.process.exitcode or 0)


def _has_one_thread() -> bool:
    """Tell whether this process has no other thread, of Python or of a library; it cannot always be told."""
    try:
        return len(os.listdir("/proc/self/task")) == 1
    except OSError:
        return False


def _serve_forked(connection: Connection, work: Callable[[Any], Any]) -> None:
    """Answer tasks like a process of its own: without the files, locks, pipes and signals of the other."""
    for number in (signal.SIGTERM, signal.SIGHUP, signal.SIGALRM):
        if callable(signal.getsignal(number)):
            signal.signal(number, signal.SIG_DFL)
    for file in map(int, os.listdir("/proc/self/fd")):
        if file > 2 and file != connection.fileno():
            with suppress(OSError):  # the one that the folder itself was read by
                os.close(file)
    _serve(connection, lambda: work)


def _serve(connection: Connection, build: Callable[[], Callable[[Any], Any]]) -> None:
    """Answer tasks until the other end is closed."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # the terminal sends it to all; the parent ends its workers
    work: Callable[[Any], Any] | None = None
    while True:
        try:
            task = connection.recv()
        except (EOFError, OSError, MemoryError):
            return
        try:
            if work is None:
                work = build()
            answer = (True, work(task))
        except CopytasterError as error:
            answer = (False, error)
        except MemoryError:
            answer = (
                False,
                WorkerLost("a worker process ran out of memory", "Try -j 1, or a lower --max-bytes"),
            )
        except Exception:
            answer = (False, RuntimeError(traceback.format_exc()))
        try:
            connection.send(answer)
        except (OSError, MemoryError):
            return
