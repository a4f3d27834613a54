"""The process pool: every job is done once, whatever dies."""

from __future__ import annotations

import contextlib
import os
import signal
import time

import pytest

from payoff.baselines.pool import run_jobs


def double(job, report):
    for step in range(3):
        report(step + 1, 3)
    return 2 * job


def threads(job, report):
    return os.environ["OMP_NUM_THREADS"], os.environ["NUMBA_NUM_THREADS"], os.getpid()


def misbehave(job, report):
    if job == "raise":
        raise ArithmeticError("no number")
    if job == "die":
        os.kill(os.getpid(), signal.SIGKILL)
    return job


def note_and_wait(job, report):
    report(0, 1)
    time.sleep(60)


def test_every_job_is_done_once_and_reports():
    events = list(run_jobs(double, [1, 5, 7, 9], processes=2))
    assert sorted((e.job, e.value) for e in events if e.kind == "done") == [(0, 2), (1, 10), (2, 14), (3, 18)]
    last = {e.job: e.value for e in events if e.kind == "progress"}
    assert set(last.values()) == {(3, 3)} and set(last) == {0, 1, 2, 3}


def test_workers_are_other_processes_with_one_thread_and_the_parent_keeps_its_environment(monkeypatch):
    monkeypatch.delenv("NUMBA_NUM_THREADS", raising=False)
    monkeypatch.setenv("OMP_NUM_THREADS", "3")
    (event,) = run_jobs(threads, [None], processes=4)
    omp, numba, pid = event.value
    assert (omp, numba) == ("1", "1") and pid != os.getpid()
    assert os.environ["OMP_NUM_THREADS"] == "3" and "NUMBA_NUM_THREADS" not in os.environ


def test_an_exception_and_a_killed_worker_cost_their_own_job_only():
    events = {e.job: e for e in run_jobs(misbehave, ["raise", "die", "a", "b"], processes=1)}
    assert events[0].kind == "died" and "ArithmeticError: no number" in events[0].value
    assert events[1].kind == "died" and events[1].value == "the worker process ended by signal SIGKILL"
    assert (events[2].value, events[3].value) == ("a", "b")


def test_closing_the_iterator_ends_the_workers():
    events = run_jobs(note_and_wait, [None], processes=1)
    assert next(events).kind == "progress"
    start = time.monotonic()
    events.close()
    assert time.monotonic() - start < 5


def test_no_jobs_no_processes():
    assert list(run_jobs(double, [], processes=2)) == []


def test_processes_are_checked():
    with pytest.raises(ValueError, match="processes must be at least 1, got 0"):
        list(run_jobs(double, [1], processes=0))


def test_an_interrupt_that_a_library_swallows_is_raised_again():
    """As in the middle of an import: the caller never sees the first one. The handler of before is back afterwards."""
    before = signal.getsignal(signal.SIGINT)
    with pytest.raises(KeyboardInterrupt):
        for _ in run_jobs(note_and_wait, [0], processes=1):
            with contextlib.suppress(KeyboardInterrupt):
                os.kill(os.getpid(), signal.SIGINT)
                time.sleep(1)  # it arrives at the latest here
    assert signal.getsignal(signal.SIGINT) is before
