"""What a person is asked: segments of play with their pictures, played again alike from the same seed.

``payoff prefer`` shows them. Pictures are kept packed, since most pixels of a game say nothing new; the numbers of the
segments go into the file of answers (:mod:`payoff.wrappers.preference.answer_file`); rewards are learned from those.
"""

from __future__ import annotations

import zlib
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from payoff.baselines.environments import OneSeat, check_actions, find, make_vector
from payoff.envs.core.params import check_integer
from payoff.wrappers import Segments, Transition, begin_answers, draw_pairs, read_preferences
from payoff.wrappers.preference.segments import SegmentRecorder, joined
from payoff.wrappers.rows import vector_info

__all__ = ["Played", "Questions", "Session", "play"]

_MOST_EPISODES = 100_000  # played before giving up on segments


@dataclass(frozen=True)
class Questions:
    """What to play and how much to ask.

    Attributes:
        env_id: environment.
        keywords: game parameters and view settings.
        policy: ``random``, or the file of a checkpoint.
        segments: how many are played, at least 2.
        length: steps of each.
        questions: pairs, drawn at random from them.
        seed: of the play and of the pairs.

    Raises:
        ValueError: a number is out of its range.
    """

    env_id: str
    keywords: Mapping[str, Any]
    policy: str = "random"
    segments: int = 40
    length: int = 10
    questions: int = 50
    seed: int = 0

    def __post_init__(self) -> None:
        """Check the numbers (ValueError)."""
        check_integer("segments", self.segments, 2, 10_000)
        check_integer("length", self.length, 1, 1000)
        check_integer("questions", self.questions, 1, 100_000)
        check_integer("seed", self.seed, 0, 2**31)

    def about(self) -> dict[str, Any]:
        """What a file of answers says of its segments."""
        return {
            "env_id": find(self.env_id),
            "keywords": dict(self.keywords),
            "policy": self.policy,
            "length": self.length,
            "seed": self.seed,
        }

    def pairs(self) -> list[tuple[int, int]]:
        """Numbers of the two segments of each question; more questions begin with the same ones."""
        rng = np.random.default_rng([self.seed, 3])
        drawn = (draw_pairs(self.segments, 1, rng) for _ in range(self.questions))
        return [(int(first[0]), int(second[0])) for first, second in drawn]


@dataclass(frozen=True)
class Played:
    """Segments and what they looked like.

    Attributes:
        segments: N segments.
        pictures: of each, packed pictures, one before every step and one after the last.
        shape: ``(H, W, 3)`` of a picture.
    """

    segments: Segments
    pictures: list[list[bytes]]
    shape: tuple[int, int, int]

    def frames(self, number: int) -> list[np.ndarray]:
        """Pictures ``(H, W, 3)`` uint8 of a segment, from its beginning to its end."""
        packed = self.pictures[number]
        return [np.frombuffer(zlib.decompress(data), dtype=np.uint8).reshape(self.shape) for data in packed]


def play(questions: Questions) -> Played:
    """Play the segments, with pictures; the same each time.

    Raises:
        ValueError: an unknown environment, one that draws no pictures, a policy that cannot play it, or episodes that
            are cut off before a segment is full.
        TypeError: an unknown keyword.
        FileNotFoundError: the policy is no file.
    """
    env_id = find(questions.env_id)
    env = make_vector(env_id, 1, {"info": "minimal", **questions.keywords, "render_mode": "rgb_array"})
    seat = OneSeat(env, levels=str(questions.keywords.get("actions")).startswith("discrete:"))
    try:
        act = _policy(questions, env_id, seat)
        return _play(questions, seat, act)
    finally:
        seat.close()


def _policy(questions: Questions, env_id: str, seat: OneSeat) -> Any:
    """Function from observations ``(1, 1, O)`` to actions ``(1, 1, A)``."""
    check_actions(seat, questions.keywords)
    rng = np.random.default_rng([questions.seed, 4])
    if questions.policy == "random":
        size = (1, 1, seat.action_size)
        if seat.num_actions is not None:
            return lambda obs: rng.integers(seat.num_actions, size=size)
        return lambda obs: rng.uniform(seat.action_low, seat.action_high, size=size)
    from payoff.baselines.run import load_policy

    named = load_policy(questions.policy, env_id, questions.keywords)
    if named.view != "single":
        raise ValueError(
            f"policy must be a checkpoint of a trainer of one seat, and {questions.policy} plays all seats"
        )
    return lambda obs: np.asarray(named.policy.act(obs, deterministic=True)).reshape(1, 1, -1)


def _play(questions: Questions, seat: OneSeat, act: Any) -> Played:
    recorder = SegmentRecorder(questions.length)
    kept: list[Segments] = []
    pictures: list[list[bytes]] = []
    shape: tuple[int, ...] = ()
    seed: int | None = questions.seed
    for _ in range(_MOST_EPISODES):
        obs, _ = seat.reset(seed=seed)
        seed = None
        recorder.begin(np.ones(1, dtype=np.bool_))
        done, first = False, _picture(seat)
        shape = first.shape
        packed = [zlib.compress(first.tobytes(), 1)]
        while not done and len(kept) < questions.segments:
            action = act(obs)
            next_obs, reward, terminated, truncated, info = seat.step(action)
            packed.append(zlib.compress(_picture(seat).tobytes(), 1))
            told, active = vector_info(info, np.ones(1, np.bool_)), np.ones(1, np.bool_)
            step = Transition(
                obs[:, 0], action[:, 0], reward[:, 0], next_obs[:, 0], terminated, truncated, told, active
            )
            found = recorder.add(step)
            if found is not None:
                kept.append(found)
                pictures.append(packed)
                packed = packed[-1:]
            obs, done = next_obs, bool(terminated[0] or truncated[0])
        if len(kept) == questions.segments:
            return Played(joined(kept), pictures, shape)  # type: ignore[arg-type]
    raise ValueError(f"length {questions.length} is too long: episodes are cut off before a segment is full")


def _picture(seat: OneSeat) -> np.ndarray:
    """``(H, W, 3)`` uint8."""
    drawn: Any = seat.env.render()
    picture = drawn[0] if isinstance(drawn, tuple | list) and drawn else drawn
    if not isinstance(picture, np.ndarray) or picture.ndim != 3:
        raise ValueError("the environment draws no pictures that two segments could be shown in")
    return np.ascontiguousarray(picture[..., :3], dtype=np.uint8)


class Session:
    """A file of answers and the questions that are left.

    Args:
        path: the file; begun where it is missing, gone on with where it holds the same segments.
        questions: what is asked.

    Attributes:
        played: segments and pictures.
        left: pairs that nobody was asked about yet.

    Raises:
        ValueError: the file is damaged or about other segments; or see :func:`play`.
    """

    def __init__(self, path: Path, questions: Questions) -> None:
        self.path = path
        answered = 0
        if path.exists():
            found = read_preferences(path)
            if found.about != questions.about() or len(found.segments) != questions.segments:
                raise ValueError(f"{path} was begun with other segments: {found.about}, {len(found.segments)} of them")
            answered = len(found)
        self.played = play(questions)
        if not path.exists():
            begin_answers(path, self.played.segments, questions.about())
        elif not np.array_equal(found.segments.obs, self.played.segments.obs):
            raise ValueError(f"{path} was begun with other segments: the game or the policy has changed since")
        self.left = questions.pairs()[answered:]
