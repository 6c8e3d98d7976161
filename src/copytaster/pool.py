"""Worker processes that answer in order, hold few tasks at a time, and may be killed without a loss."""

from __future__ import annotations

import mmap
import multiprocessing
import os
import pickle
import signal
import traceback
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from contextlib import suppress
from dataclasses import dataclass, field
from multiprocessing.connection import Connection, wait
from multiprocessing.process import BaseProcess
from queue import SimpleQueue
from threading import Thread
from typing import Any, Generic, NamedTuple, TypeVar

from copytaster.errors import CopytasterError

Task = TypeVar("Task")
Result = TypeVar("Result")

AHEAD = 4
"""Tasks in flight or waiting for their turn, for each worker."""
QUEUE = 2
"""Tasks that a worker has at once: one to do, and one at hand when that is done."""
ROOM = 1 << 20
"""Bytes that a pipe to a worker holds where the system allows it, and an answer in shared memory may have."""


class WorkerLost(CopytasterError):
    """A worker process died twice over the same task, could not start, or ran out of memory."""


@dataclass(slots=True)
class _Worker:
    process: BaseProcess
    to: Connection
    answers: Connection
    shared: mmap.mmap | None
    tasks: deque[int] = field(default_factory=deque)


class _Span(NamedTuple):
    """Where in shared memory an answer stands, which is quicker than to send it."""

    start: int
    stop: int


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
                worker = min(workers, key=lambda worker: len(worker.tasks))
                number = None
                if len(worker.tasks) < QUEUE:
                    if again:
                        number = again.popleft()
                    elif not exhausted and read < yielded + AHEAD * self._jobs:
                        try:
                            held[read] = next(stream)
                            number, read = read, read + 1
                        except StopIteration:
                            exhausted = True
                if exhausted and yielded == read:
                    return
                if number is not None:
                    worker.tasks.append(number)
                    self._send(worker, held[number])
                busy = {worker.answers: i for i, worker in enumerate(workers) if worker.tasks}
                for ready in wait(list(busy), None if number is None else 0):
                    i = busy[ready]  # type: ignore[index]
                    worker = workers[i]
                    task = worker.tasks[0]
                    try:
                        results[task] = self._receive(worker)
                        del held[task]
                        worker.tasks.popleft()
                    except (EOFError, OSError):
                        deaths[task] = deaths.get(task, 0) + 1
                        self._bury(worker)
                        if deaths[task] == 2:
                            raise WorkerLost(
                                "two worker processes in a row died over the same articles",
                                "The machine may be out of memory: try -j 1",
                            ) from None
                        again.extend(worker.tasks)
                        workers[i] = self._start()
                while yielded in results:
                    yield results.pop(yielded)
                    yielded += 1
        finally:
            for worker in workers:
                worker.process.kill()
            for worker in workers:
                self._close(worker)

    def _start(self) -> _Worker:
        tasks, to = _pipe()
        answers, back = multiprocessing.Pipe(duplex=False)
        process: BaseProcess
        shared = None
        if self._built and _has_one_thread():
            forking = multiprocessing.get_context("fork")
            shared = mmap.mmap(-1, QUEUE * ROOM)
            work = (tasks, back, shared, self._built)
            process = forking.Process(target=_serve_forked, args=work, daemon=True)
        else:
            spawning = multiprocessing.get_context("spawn")
            process = spawning.Process(target=_serve, args=(tasks, back, None, self._build), daemon=True)
        process.start()
        tasks.close()
        back.close()
        return _Worker(process, to, answers, shared)

    def _send(self, worker: _Worker, task: Task) -> None:
        with suppress(OSError):  # a dead worker is found out when its answer is waited for
            worker.to.send(task)

    def _receive(self, worker: _Worker) -> Result:
        received = worker.answers.recv()
        if isinstance(received, _Span):
            assert worker.shared is not None
            with memoryview(worker.shared) as memory:
                received = pickle.loads(memory[received.start : received.stop])
        good, answer = received
        if good:
            result: Result = answer
            return result
        raise answer

    def _bury(self, worker: _Worker) -> None:
        self._close(worker)
        self._lost(worker.process.pid or 0, worker.process.exitcode or 0)

    def _close(self, worker: _Worker) -> None:
        worker.process.join()
        worker.to.close()
        worker.answers.close()
        if worker.shared is not None:
            worker.shared.close()


_CLOSED = object()


def _pipe() -> tuple[Connection, Connection]:
    """Return both ends of a pipe, the one to read from first."""
    ends = multiprocessing.Pipe(duplex=False)
    with suppress(ImportError, AttributeError, OSError):  # not Linux, or more than the user may have
        import fcntl

        fcntl.fcntl(ends[0].fileno(), fcntl.F_SETPIPE_SZ, ROOM)
    return ends


def _has_one_thread() -> bool:
    """Tell whether this process has no other thread, of Python or of a library; it cannot always be told."""
    try:
        return len(os.listdir("/proc/self/task")) == 1
    except OSError:
        return False


def _serve_forked(
    tasks: Connection, answers: Connection, shared: mmap.mmap, work: Callable[[Any], Any]
) -> None:
    """Answer tasks like a process of its own: without the files, locks, pipes and signals of the other."""
    for number in (signal.SIGTERM, signal.SIGHUP, signal.SIGALRM):
        if callable(signal.getsignal(number)):
            signal.signal(number, signal.SIG_DFL)
    for file in map(int, os.listdir("/proc/self/fd")):
        if file > 2 and file not in (tasks.fileno(), answers.fileno()):
            with suppress(OSError):  # the one that the folder itself was read by
                os.close(file)
    _serve(tasks, answers, shared, lambda: work)


def _serve(
    tasks: Connection,
    answers: Connection,
    shared: mmap.mmap | None,
    build: Callable[[], Callable[[Any], Any]],
) -> None:
    """Answer tasks until there are no more; the next is fetched meanwhile, which keeps the parent free.

    The shared memory has room for `QUEUE` answers, which take turns: the parent gives out a task only when it
    has read what stands where the answer will be.
    """
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # the terminal sends it to all; the parent ends its workers
    fetched: SimpleQueue[Any] = SimpleQueue()
    Thread(target=_fetch, args=(tasks, fetched), daemon=True).start()
    work: Callable[[Any], Any] | None = None
    turn = 0
    while (task := fetched.get()) is not _CLOSED:
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
            data = pickle.dumps(answer)
            if shared is not None and len(data) <= ROOM:
                span = _Span(turn * ROOM, turn * ROOM + len(data))
                shared[span.start : span.stop] = data
                answers.send(span)
            else:
                answers.send(answer)
        except (OSError, MemoryError):
            return
        turn = (turn + 1) % QUEUE
        del task, answer, data


def _fetch(tasks: Connection, fetched: SimpleQueue[Any]) -> None:
    with suppress(EOFError, OSError, MemoryError):
        while True:
            fetched.put(tasks.recv())
    fetched.put(_CLOSED)
