"""The same jobs on a Ray cluster: :func:`run_jobs` has the face of :func:`payoff.baselines.pool.run_jobs`.

A job is a task with one processor. What it returns comes back to the driver, which writes the rows: the results folder
need not be shared. Checkpoints of runs under way are written on the node, under the same path; where that is shared, or
the run comes back to the node, it goes on from there, and otherwise it starts over.

A task whose worker or node dies is started again, up to :data:`RETRIES` times, and is then a job that died. When the
driver dies Ray ends its tasks, and the same command goes on from the rows that are written. Every node needs this
package in the same version, and the modules that specifications name.
"""

from __future__ import annotations

import contextlib
import os
import socket
import time
import traceback
from collections import deque
from collections.abc import Generator, Iterator, Sequence
from typing import Any

import payoff
from payoff.baselines.pool import ONE_THREAD, REPORT_EVERY, Event, Work
from payoff.extras import require

__all__ = ["RETRIES", "check_address", "connect", "run_jobs"]

RETRIES = 2
_POLL = 0.25  # seconds between looks at progress


@contextlib.contextmanager
def connect(address: str | None) -> Iterator[int]:
    """Be the driver of a cluster for a while; gives its number of processors.

    Args:
        address: ``"auto"``, ``"host:port"`` or ``"ray://host:port"``. None: the cluster that ``RAY_ADDRESS`` or this
            machine names, or one that is started here and ends with the context. A process that is a driver already
            stays one.

    Raises:
        ImportError: Ray is not installed.
        ConnectionError: there is no cluster at this address.
    """
    ray = require("ray", extra="scale")
    if ray.is_initialized():  # by whoever called, who ends it as well
        yield _processors(ray)
        return
    check_address(address)
    os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")
    os.environ.setdefault("RAY_ACCEL_ENV_VAR_OVERRIDE_ON_ZERO", "0")  # Ray warns of a change to come otherwise
    try:
        ray.init(
            address=address,
            log_to_driver=False,
            logging_level="error",
            **({} if address else {"include_dashboard": False}),
        )
    except ConnectionError:
        raise
    except OSError as error:  # such as paths of sockets, which may have 107 letters
        raise ConnectionError(f"Ray cannot start: {error}; RAY_TMPDIR names another folder for its files") from error
    try:
        yield _processors(ray)
    finally:
        ray.shutdown()


def check_address(address: str | None) -> None:
    """Raise ConnectionError where nobody listens at an address: Ray itself would try for minutes."""
    if address is None or address in ("auto", "local"):
        return
    host, colon, port = address.removeprefix("ray://").rpartition(":")
    if not (colon and port.isdecimal()):
        raise ConnectionError(f"address must be auto, host:port or ray://host:port, got {address!r}")
    try:
        socket.create_connection((host, int(port)), timeout=10).close()
    except OSError as error:
        raise ConnectionError(f"there is no Ray cluster at {address}: {error.strerror or error}") from error


def _processors(ray: Any) -> int:
    return max(1, int(ray.cluster_resources().get("CPU", 1)))


def run_jobs(work: Work, jobs: Sequence[Any], processes: int) -> Generator[Event, None, None]:
    """Do every job as a task of the cluster; call within :func:`connect`.

    Closing the iterator ends the tasks: a job must be safe to kill, and to start again.

    Args:
        work: a function at the top level of a module that every node can import, called as ``work(job, report)``.
        jobs: what the work is called with; must be picklable.
        processes: number of tasks at a time, at least 1.

    Yields:
        Events, in the order in which they arrive.

    Raises:
        ValueError: ``processes`` below 1.
    """
    if processes < 1:
        raise ValueError(f"processes must be at least 1, got {processes}")
    ray = require("ray", extra="scale")
    one_thread = {"env_vars": dict.fromkeys(ONE_THREAD, "1")}
    task = ray.remote(num_cpus=1, max_retries=RETRIES, runtime_env=one_thread)(_serve)
    here = require("ray.util.scheduling_strategies", "scale").NodeAffinitySchedulingStrategy(
        ray.get_runtime_context().get_node_id(), soft=True
    )
    board = ray.remote(num_cpus=0)(_Board).options(scheduling_strategy=here).remote()
    waiting = deque(range(len(jobs)))
    running: dict[Any, int] = {}
    try:
        while waiting or running:
            while waiting and len(running) < processes:
                job = waiting.popleft()
                running[task.remote(work, job, jobs[job], payoff.__version__, board)] = job
            ended, _ = ray.wait(list(running), num_returns=1, timeout=_POLL)
            for job, value in _news(ray, board).items():
                if job in running.values():
                    yield Event("progress", job, value)
            for ref in ended:
                yield _result(ray, ref, running.pop(ref))
    finally:
        for ref in running:
            ray.cancel(ref, force=True)


def _result(ray: Any, ref: Any, job: int) -> Event:
    try:
        kind, value = ray.get(ref)
    except ray.exceptions.WorkerCrashedError:
        return Event("died", job, f"the worker process ended {1 + RETRIES} times")
    except ray.exceptions.RayError as error:  # its node is gone, or it used up the memory
        return Event("died", job, f"{type(error).__name__}: {' '.join(str(error).split())}")
    return Event(kind, job, value)


def _news(ray: Any, board: Any) -> dict[int, tuple[int, int]]:
    """Progress since the last look; none where the node that kept it is gone, which the runs need not care about."""
    try:
        found: dict[int, tuple[int, int]] = ray.get(board.take.remote(), timeout=10)
    except ray.exceptions.RayError:
        return {}
    return found


class _Board:
    """An actor on which tasks write how far they are."""

    def __init__(self) -> None:
        self._news: dict[int, tuple[int, int]] = {}

    def write(self, job: int, done: int, total: int) -> None:
        """The last word of a job counts."""
        self._news[job] = (done, total)

    def take(self) -> dict[int, tuple[int, int]]:
        """All that was written since."""
        news, self._news = self._news, {}
        return news


def _serve(work: Work, number: int, job: Any, version: str, board: Any) -> tuple[str, Any]:
    """A task: the job, on whatever node."""
    if payoff.__version__ != version:
        return "died", f"a node has payoff {payoff.__version__}, and the driver {version}"
    last = 0.0

    def report(done: int, total: int) -> None:
        nonlocal last
        if time.monotonic() - last >= REPORT_EVERY or done >= total:
            board.write.remote(number, done, total)
            last = time.monotonic()

    try:
        return "done", work(job, report)
    except Exception:  # whatever it was, the driver gets it
        return "died", traceback.format_exc()
