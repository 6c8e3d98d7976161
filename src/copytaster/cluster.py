"""The work of ``predict`` on the workers of a Dask cluster, in order and a bounded part of it at a time.

This goes through `distributed.Client.submit`, not through joblib's Dask backend. That one takes in results
without regard to whether they are read, so that a slow reader lets them pile up, and it scatters large
arguments to single workers, whose loss then fails the run. A task submitted by itself stays with the
scheduler until its result has been fetched: what a lost worker was doing, or had done, is done again
elsewhere, and Dask logs that.
"""

from __future__ import annotations

import pickle
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import CancelledError
from functools import lru_cache
from threading import Lock
from time import monotonic
from typing import Any, TypeVar
from warnings import catch_warnings, simplefilter

from distributed import Client, KilledWorker

from copytaster.errors import DataError, UsageError
from copytaster.pool import AHEAD, WorkerLost

Task = TypeVar("Task")
Result = TypeVar("Result")

_connect: Callable[..., Any] = Client  # its types are not declared
_one_at_a_time = Lock()


def annotate(
    build: Callable[[], Callable[[Task], Result]],
    tasks: Iterable[Task],
    scheduler: str,
) -> Iterator[Result]:
    """Apply a function to each task on a cluster.

    Parameters
    ----------
    build : callable
        Called without arguments, once in each worker process; returns the function of a task. It must be
        picklable.
    tasks : iterable
        Picklable; read as far as `copytaster.pool.AHEAD` allows for each thread of the workers there are, as
        these come and go.
    scheduler : str
        Address of the scheduler, such as ``"tcp://10.0.0.1:8786"``.

    Yields
    ------
    result
        In the order of the tasks.

    Raises
    ------
    UsageError
        If no scheduler answers there.
    WorkerLost
        If so many workers died over one task that the scheduler gave it up.
    DataError
        If the scheduler is lost.
    Exception
        What the function raised.
    """
    try:
        client = _connect(scheduler, name="copytaster", set_as_default=False)
    except (OSError, ValueError) as fault:
        raise UsageError(
            f"no Dask scheduler answers at {scheduler}", "Start one with: dask scheduler"
        ) from fault
    with client:
        try:
            yield from _stream(client, pickle.dumps(build), tasks)
        except KilledWorker:
            raise WorkerLost(
                "several workers in a row died over the same articles",
                "They may be out of memory: give them more, or fewer threads",
            ) from None
        except CancelledError:
            raise DataError(f"the scheduler at {scheduler} was lost", "Run the command again") from None


def _stream(client: Any, build: bytes, tasks: Iterable[Any]) -> Iterator[Any]:
    futures: deque[Any] = deque()
    limit, checked = 0, -1.0
    for task in tasks:
        with catch_warnings():
            simplefilter("ignore", UserWarning)  # of a task of more than 10 MB, which one article may be
            futures.append(client.submit(_apply, build, pickle.dumps(task), pure=False))
        if monotonic() - checked > 1:
            limit, checked = AHEAD * sum(client.nthreads().values()), monotonic()
        while len(futures) >= max(limit, 1):
            yield from _take(client, futures)
    while futures:
        yield from _take(client, futures)


def _take(client: Any, futures: deque[Any]) -> list[Any]:
    """Wait for the first result; fetch it with those after it that are there as well."""
    done = [futures.popleft()]
    done[0].exception()
    while futures and futures[0].status == "finished":
        done.append(futures.popleft())
    results: list[Any] = client.gather(done)
    return results


def _apply(build: bytes, task: bytes) -> Any:
    """Do one task in a worker; in bytes, so that the scheduler need not look into it."""
    with _one_at_a_time:
        return _built(build)(pickle.loads(task))


@lru_cache(maxsize=2)
def _built(build: bytes) -> Callable[[Any], Any]:
    function: Callable[[Any], Any] = pickle.loads(build)()
    return function
