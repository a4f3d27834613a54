"""Episodes of a trained policy, in numbers and in words: what a model or a person is told of a behaviour."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any, Self

import numpy as np

from payoff.baselines.environments import OneSeat, make_one_seat
from payoff.baselines.policies import Policy
from payoff.envs.core.arrays import shown
from payoff.wrappers import observation_names
from payoff.wrappers.arguments import check_mapping

__all__ = ["Episode", "of_type", "watch"]

_MOST_NUMBERS = 12  # of an observation that is told
_MOST_CAPTIONS = 12  # of an episode that are told


@dataclass(frozen=True)
class Episode:
    """One episode.

    Attributes:
        payoff: undiscounted, sum over the seats.
        steps: that it took.
        ended: whether it ended for good, or was cut off.
        progress: ``info["progress"]`` after the last step; None where there is none.
        captions: each caption, in the order in which they first came, and at how many steps it came.
        last: the last caption; empty where there are none.
        seen: the last observation in words, such as ``x 0.87, y 0.2``.
    """

    payoff: float
    steps: int
    ended: bool
    progress: float | None
    captions: Mapping[str, int]
    last: str
    seen: str

    def as_dict(self) -> dict[str, Any]:
        """JSON values: the fields."""
        return asdict(self)

    @classmethod
    def of(cls, values: Mapping[str, Any]) -> Self:
        """The episode of :meth:`as_dict`.

        Raises:
            TypeError: a name is missing or unknown, or a value is of another type.
        """
        check_mapping("an episode", values, "numbers")
        found = cls(**values)
        check_mapping("captions", found.captions, "counts")
        of_type("payoff", found.payoff, float, int)
        of_type("steps", found.steps, int)
        of_type("ended", found.ended, bool)
        of_type("progress", found.progress, float, int, type(None))
        of_type("last", found.last, str)
        of_type("seen", found.seen, str)
        for count in found.captions.values():
            of_type("captions", count, int)
        return found

    def words(self, *, payoff: bool) -> str:
        """One line.

        Args:
            payoff: whether it says the payoff and the progress, which is what a judge is asked to tell without.
        """
        told = [f"{self.steps} step{'s' * (self.steps != 1)}", "ended for good" if self.ended else "cut off"]
        if payoff:
            told.append(f"payoff {self.payoff:.6g}")
            told += [] if self.progress is None else [f"progress {self.progress:.4g} at the end"]
        if self.captions:
            captions = [f"{text} ({count})" for text, count in list(self.captions.items())[:_MOST_CAPTIONS]]
            more = len(self.captions) - len(captions)
            told.append(
                "what happened, with counts: " + ", ".join([*captions, *([f"and {more} more"] if more else [])])
            )
            told.append(f"last: {self.last}")
        return "; ".join([*told, f"seen last: {self.seen}"])


def of_type(name: str, value: Any, *kinds: type) -> None:
    """Raise TypeError unless what a file says is of one of these types; True is no number here."""
    if type(value) not in kinds:
        raise TypeError(f"{name} must be {' or '.join(kind.__name__ for kind in kinds)}, got {shown(value)}")


def watch(policy: Policy, env_id: str, keywords: Mapping[str, Any], *, episodes: int, seed: int) -> tuple[Episode, ...]:
    """Play episodes with the best guesses of a policy, as :func:`payoff.baselines.evaluation.evaluate` does.

    Args:
        policy: of one seat, or one controller of all.
        env_id: environment.
        keywords: game parameters and view settings.
        episodes: E; copy k of the environment plays episode k.
        seed: episode k is the first episode of seed + k.
    """
    seat: Any = make_one_seat(env_id, episodes, {**keywords, "info": "full"})
    try:
        return _play(policy, seat, episodes, seed)
    finally:
        seat.close()


def _play(policy: Policy, seat: OneSeat, episodes: int, seed: int) -> tuple[Episode, ...]:
    obs, info = seat.reset(seed=seed)
    names = observation_names(seat.env)
    caption = getattr(seat.env.unwrapped, "caption", None) if "caption" in info else None
    playing = np.ones(episodes, dtype=np.bool_)
    payoffs, steps = np.zeros(episodes), np.zeros(episodes, dtype=np.int64)
    said: list[Counter[str]] = [Counter() for _ in range(episodes)]
    found: list[Episode | None] = [None] * episodes
    while playing.any():
        actions = np.asarray(policy.act(obs, deterministic=True)).reshape(episodes, 1, seat.action_size)
        obs, _, terminated, truncated, info = seat.step(actions)
        payoffs += np.where(playing, np.asarray(info["payoff"]).sum(axis=1), 0.0)
        steps += playing
        texts = [caption(code) for code in info["caption"].tolist()] if caption is not None else None
        for k in np.flatnonzero(playing).tolist():
            if texts is not None:
                said[k][texts[k]] += 1
            if terminated[k] or truncated[k]:
                found[k] = Episode(
                    float(payoffs[k]),
                    int(steps[k]),
                    bool(terminated[k]),
                    float(info["progress"][k]) if "progress" in info else None,
                    dict(said[k]),
                    "" if texts is None else texts[k],
                    _seen(obs[k, 0], names),
                )
        playing &= ~(terminated | truncated)
    return tuple(episode for episode in found if episode is not None)


def _seen(obs: np.ndarray, names: tuple[str, ...]) -> str:
    """An observation in words."""
    shown = [f"{names[i] if names else f'[{i}]'} {x:.4g}" for i, x in enumerate(obs[:_MOST_NUMBERS].tolist())]
    return ", ".join([*shown, *(["..."] if len(obs) > _MOST_NUMBERS else [])])
