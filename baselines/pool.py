"""A small pool of processes that report progress and may be killed at any time.

Each worker has a pipe of its own. A worker that dies (out of memory, killed) closes its pipe, which names the job it
had; a parent that dies closes all of them, and the workers end at their next report. A queue shared by all could be
left locked by whoever was killed.
"""

from __future__ import annotations

import contextlib
import multiprocessing
import os
import signal
import sys
import threading
import time
import traceback
from collections import deque
from collections.abc import Callable, Generator, Iterator, Sequence
from dataclasses import dataclass
from multiprocessing.connection import Connection, wait
from multiprocessing.process import BaseProcess
from typing import Any, Literal, NamedTuple

__all__ = ["ONE_THREAD", "REPORT_EVERY", "Event", "Report", "Work", "run_jobs"]

Report = Callable[[int, int], None]
Work = Callable[[Any, Report], Any]

ONE_THREAD = ("OMP_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS", "NUMBA_NUM_THREADS")
REPORT_EVERY = 0.1  # seconds between reports of a job
LISTEN_EVERY = 0.5  # seconds between looks whether Ctrl-C was pressed


class Event(NamedTuple):
    """What happened to a job.

    Attributes:
        kind: ``progress``: ``value`` is (steps done, steps in all). ``done``: what the work returned. ``died``: the
            traceback of an exception that the work did not handle, or how its process ended.
        job: index of the job.
        value: see ``kind``.
    """

    kind: Literal["progress", "done", "died"]
    job: int
    value: Any


@dataclass
class _Worker:
    process: BaseProcess
    pipe: Connection
    job: int | None = None


def run_jobs(work: Work, jobs: Sequence[Any], processes: int) -> Generator[Event, None, None]:
    """Do every job in one of ``processes`` spawned processes, each with a single numerical thread.

    Closing the iterator, or an exception in the loop over it, ends the workers at once: a job must be safe to kill.

    Args:
        work: a function at the top level of a module, called as ``work(job, report)``.
        jobs: what the work is called with; must be picklable.
        processes: number of processes, at least 1.

    Yields:
        Events, in the order in which they arrive.

    Raises:
        ValueError: ``processes`` below 1.
    """
    if processes < 1:
        raise ValueError(f"processes must be at least 1, got {processes}")
    waiting = deque(range(len(jobs)))
    workers: list[_Worker] = []
    heard = _CtrlC()
    try:
        for _ in range(min(processes, len(jobs))):
            workers.append(_start(work))
            _give(workers[-1], waiting, jobs)
        while any(w.job is not None for w in workers):
            heard.check()
            ready = wait([w.pipe for w in workers if w.job is not None], timeout=LISTEN_EVERY)
            for worker in [w for w in workers if w.pipe in ready]:
                event = _receive(worker)
                if event.kind == "progress":
                    yield event
                    continue
                if worker.process.exitcode is not None:  # it took the job with it; another one takes its place
                    worker.pipe.close()
                    workers[workers.index(worker)] = worker = _start(work)
                _give(worker, waiting, jobs)
                yield event
    finally:
        heard.close()
        for worker in workers:
            worker.process.kill()
        for worker in workers:
            worker.process.join()
            worker.pipe.close()


class _CtrlC:
    """Ctrl-C that cannot be lost: an interrupt that some library swallowed is raised again at the next check.

    Between two events the caller writes files and draws, through libraries that import others as they go, and an
    exception that is raised in the middle of an import, or in a callback from C, may end there.
    """

    def __init__(self) -> None:
        self._pressed = False
        self._main = threading.current_thread() is threading.main_thread()  # only it may set handlers
        self._before = signal.signal(signal.SIGINT, self._press) if self._main else None

    def _press(self, number: int, frame: Any) -> None:
        self._pressed = True
        raise KeyboardInterrupt

    def check(self) -> None:
        """Raise KeyboardInterrupt if Ctrl-C was pressed before."""
        if self._pressed:
            raise KeyboardInterrupt

    def close(self) -> None:
        """Give the signal back."""
        if self._main:
            signal.signal(signal.SIGINT, self._before)


def _start(work: Work) -> _Worker:
    ours, theirs = multiprocessing.get_context("spawn").Pipe()
    process = multiprocessing.get_context("spawn").Process(target=_serve, args=(theirs, work), daemon=True)
    with _inherited(dict.fromkeys(ONE_THREAD, "1")):
        process.start()
    theirs.close()  # only the worker holds its end, so that its death shows here
    return _Worker(process, ours)


@contextlib.contextmanager
def _inherited(changes: dict[str, str]) -> Iterator[None]:
    """What a process spawned in here inherits: environment variables, and deafness to Ctrl-C.

    Numerical libraries read the variables when they are imported. Ctrl-C reaches the whole process group, but only the
    parent decides what it means; a worker that has not got to its first line yet would die with a traceback.
    """
    before = {name: os.environ.get(name) for name in changes}
    os.environ.update(changes)
    main_thread = threading.current_thread() is threading.main_thread()  # only it may set handlers
    handler = signal.signal(signal.SIGINT, signal.SIG_IGN) if main_thread else None
    try:
        yield
    finally:
        if main_thread:
            signal.signal(signal.SIGINT, handler)
        for name, value in before.items():
            if value is None:
                del os.environ[name]
            else:
                os.environ[name] = value


def _give(worker: _Worker, waiting: deque[int], jobs: Sequence[Any]) -> None:
    worker.job = waiting.popleft() if waiting else None
    if worker.job is not None:
        with contextlib.suppress(BrokenPipeError):  # it died while it started: its closed pipe says so to the loop
            worker.pipe.send(jobs[worker.job])


def _receive(worker: _Worker) -> Event:
    job = worker.job
    assert job is not None
    try:
        kind, value = worker.pipe.recv()
    except (EOFError, ConnectionResetError):
        worker.process.join()
        code = worker.process.exitcode or 0
        how = f"by signal {signal.Signals(-code).name}" if code < 0 else f"with exit code {code}"
        return Event("died", job, f"the worker process ended {how}")
    return Event(kind, job, value)


def _serve(pipe: Connection, work: Work) -> None:
    """Main function of a worker."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    last = 0.0

    def report(done: int, total: int) -> None:
        nonlocal last
        if time.monotonic() - last >= REPORT_EVERY or done >= total:
            _send(pipe, ("progress", (done, total)))
            last = time.monotonic()

    while True:
        try:
            job = pipe.recv()
        except EOFError:
            return
        try:
            answer = ("done", work(job, report))
        except Exception:  # whatever it was, the parent gets it and the worker stays usable
            answer = ("died", traceback.format_exc())
        _send(pipe, answer)


def _send(pipe: Connection, message: tuple[str, Any]) -> None:
    try:
        pipe.send(message)
    except (BrokenPipeError, ConnectionResetError):
        sys.exit(1)  # the parent is gone; SystemExit passes `except Exception` in the work
