"""Scripted transitions, so that what a bonus must give can be worked out by hand."""

import pickle
from itertools import pairwise

import numpy as np
import pytest
from gymnasium.vector import AutoresetMode

from payoff.wrappers import Transition, wrap
from payoff.wrappers.rows import vector_info


def place(obs, info):
    """Key of the walk in the conftest above: its position, without the random number beside it."""
    return obs[:, 0].astype(np.int64)


def transition(obs, next_obs, *, action=None, active=None, terminated=None, truncated=None, infos=None):
    """Transition of R rows that pays nothing; every flag that is not given is off, and every row active."""
    rows = len(obs)
    off = np.zeros(rows, dtype=bool)
    active = np.ones(rows, dtype=bool) if active is None else np.array(active)
    return Transition(
        np.asarray(obs),
        np.zeros(rows, dtype=np.int64) if action is None else np.asarray(action),
        np.zeros(rows),
        np.asarray(next_obs),
        off if terminated is None else np.array(terminated),
        off if truncated is None else np.array(truncated),
        vector_info(infos or {}, active),
        active,
    )


def begin(bonus, obs, mask=None, infos=None):
    mask = np.ones(len(obs), dtype=bool) if mask is None else np.array(mask)
    bonus.reset(np.asarray(obs), vector_info(infos or {}, mask), mask)


def follow(bonus, path):
    """Bonuses (T, R) of an episode through the states of a path (T + 1, R), or (T + 1,) for one row."""
    path = np.asarray(path).reshape(len(path), -1)
    begin(bonus, path[0])
    return np.array([bonus(transition(s, after)) for s, after in pairwise(path)])


COPIES, STEPS = 5, 80


def rollout(env, seed=0):
    """Reward, flags and info of the same random play in any vector environment; ended copies are reset by hand."""
    rng = np.random.default_rng(seed)
    env.reset(seed=seed)
    out = []
    for _ in range(STEPS):
        _, reward, terminated, truncated, info = env.step(rng.integers(0, 3, COPIES))
        out.append((reward, terminated, truncated, info))
        ended = terminated | truncated
        if env.metadata["autoreset_mode"] is AutoresetMode.DISABLED and ended.any():
            env.reset(options={"reset_mask": ended})
    return out


def compare(make, mode, walk, sync, tolerance=0.0):
    """One layer over many copies against many wrapped copies: rewards and terms, with ends of every kind inside.

    The wrapped copies share what their bonus remembers for ever, and a vector environment steps them in order.
    """
    method = make()
    outside = rollout(wrap(sync(walk, COPIES, mode), make()))
    inside = rollout(sync(lambda: wrap(walk(), method), COPIES, mode))
    ends, paid = np.zeros(3), set()
    for (reward, *flags, info), (other, *same, told) in zip(outside, inside, strict=True):
        np.testing.assert_allclose(reward, other, rtol=tolerance, atol=tolerance)
        np.testing.assert_array_equal(flags, same)
        terminated, truncated = flags
        now = ~(terminated | truncated) if mode is AutoresetMode.SAME_STEP else np.ones(COPIES, bool)
        terms = info["reward_terms"]["bonus"]
        np.testing.assert_allclose(terms[now], told["reward_terms"]["bonus"][now], rtol=tolerance, atol=tolerance)
        if not now.all():
            last = told["final_info"]["reward_terms"]["bonus"]
            np.testing.assert_allclose(terms[~now], last[~now], rtol=tolerance, atol=tolerance)
        paid |= set(terms.tolist())
        ends += [(terminated & ~truncated).sum(), (truncated & ~terminated).sum(), (terminated & truncated).sum()]
    assert ends.min() > 0 and len(paid) > 1


def resumes(method, other, events, half):
    """The state of a method after ``events[:half]``, taken over by another: all that follows is the same, bit for bit.

    So it is for a pickled copy; and what was handed out is not written to.
    """
    run(method, events[:half])
    state = method.state_dict()
    kept = {key: array.copy() for key, array in state.items()}
    other.load_state_dict(state)
    copy = pickle.loads(pickle.dumps(method))
    expected = run(method, events[half:])
    np.testing.assert_array_equal(run(other, events[half:]), expected)
    np.testing.assert_array_equal(run(copy, events[half:]), expected)
    for key, array in state.items():
        np.testing.assert_array_equal(array, kept[key])


def inside_an_episode(events):
    """Number of an event, in the second half, before and after which there is a step of the same episodes."""
    return next(k for k in range(len(events) // 2, len(events)) if events[k][0] == events[k - 1][0] == "step")


class Stream:
    """A random walk of R rows on the line 0 .. 4, with resets at random times and rows that rest: resets and steps.

    ``obs`` is ``(R, 2)``: the position, and a random number.
    """

    def __init__(self, rows=3, seed=0):
        self.rng, self.rows = np.random.default_rng(seed), rows

    def events(self, count):
        obs = self._obs(np.full(self.rows, 2))
        mask = np.ones(self.rows, dtype=bool)
        for _ in range(count):
            if mask.any():
                obs = np.where(mask[:, None], self._obs(np.full(self.rows, 2)), obs)
                yield "reset", obs, vector_info({}, mask), mask
            active = self.rng.random(self.rows) < 0.9
            action = self.rng.integers(0, 3, self.rows)
            after = self._obs(np.clip(obs[:, 0] + action - 1, 0, 4))
            after = np.where(active[:, None], after, obs)
            ended = active & (self.rng.random(self.rows) < 0.1)
            yield "step", transition(obs, after, action=action, active=active, terminated=ended)
            obs, mask = after, ended

    def _obs(self, position):
        return np.stack([position, self.rng.random(self.rows)], axis=1)


def run(bonus, events):
    """What a bonus gives at each step of a stream, (T, R)."""
    found = []
    for kind, *rest in events:
        if kind == "reset":
            bonus.reset(*rest)
        else:
            found.append(bonus(*rest))
    return np.array(found)


@pytest.fixture
def position():
    return place


@pytest.fixture
def step():
    return transition


@pytest.fixture
def start():
    return begin


@pytest.fixture
def path():
    return follow


@pytest.fixture
def stream():
    return Stream


@pytest.fixture
def score():
    return run


@pytest.fixture
def stackings_agree():
    return compare


@pytest.fixture
def state_resumes(stream, score):
    """Check of a state in mid-episode: two methods, the second fresh or in the middle of something else."""

    def check(method, other, known):
        events = list(stream(seed=2).events(90))
        if known:
            score(other, stream(seed=3).events(20))
        resumes(method, other, events, inside_an_episode(events))

    return check
