"""The published system beside this one, id by id: writes the tables of ``docs/published_system.md``.

    python benchmarks/published_system.py                          # all twenty ids, a few minutes
    python benchmarks/published_system.py --ids payoff/SLCD-v0 --out slcd.md

What is said of ours is checked and timed here, in one run, one process, one thread. What is said of the published
Coopetition-Gym v1 was measured on its released code on another machine (one loaded core, Python 3.11, gymnasium 1.4,
pettingzoo 1.27): read its speeds as orders of magnitude.
"""

from __future__ import annotations

import os

os.environ.setdefault("NUMBA_NUM_THREADS", "1")
os.environ.setdefault("SDL_VIDEODRIVER", "dummy")

import contextlib
import io
import time
import warnings
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from statistics import median
from typing import Any

import gymnasium as gym
import numpy as np
import tyro
from _machine import describe
from gymnasium.utils.env_checker import check_env
from pettingzoo.test import api_test, parallel_api_test, parallel_seed_test, render_test, seed_test
from pettingzoo.test.state_test import test_state_space as check_state_space
from rich.progress import track
from stable_baselines3.common.env_checker import check_env as sb3_check_env

import payoff
from payoff.envs import registry

PAGE = Path(__file__).resolve().parents[1] / "docs" / "published_system.md"
SIZES = (2, 6, 40)


def published_ids() -> list[str]:
    """Ids of the published games, in their order."""
    return [i for i in registry.ids() if "published" in registry.load(i).tags]


@dataclass(frozen=True)
class Args:
    """What to compare."""

    ids: list[str] = field(default_factory=published_ids)
    """environment ids"""
    out: Path = PAGE
    """Markdown file to write"""
    repeats: int = 5
    """timed repeats of each figure; the median is shown, and the widest spread is named"""
    seconds: float = 0.2
    """rough length of one repeat"""


@dataclass(frozen=True)
class Published:
    """What the released code does, where one id differs from the others."""

    speed: tuple[tuple[int, str], ...]  # (agents, joint steps per second in integrated mode)
    reset: str = "the same"
    seeding: str = "nothing random"
    checks: str = "`check_env` passes"


_DYAD = ((2, "1,500 to 1,900"),)
_HIDDEN = "hidden state leaks through PettingZoo"
PUBLISHED = {
    "TrustDilemma": Published(_DYAD),
    "PartnerHoldUp": Published(_DYAD),
    "PlatformEcosystem": Published(((5, "432"), (17, "39")), reset="exit count survives"),
    "DynamicPartnerSelection": Published(
        ((6, "219"), (20, "29")),
        reset="scores survive; `options=None` crashes",
        checks="`check_env` fails (observations)",
    ),
    "RecoveryRace": Published(_DYAD),
    "SynergySearch": Published(
        _DYAD,
        reset="PettingZoo keeps gamma 0.5 for ever",
        seeding="gamma is drawn before the seed is read",
        checks="`check_env` fails (rewards)",
    ),
    "SLCD": Published(_DYAD),
    "RenaultNissan": Published(_DYAD),
    "CooperativeNegotiation": Published(
        _DYAD, reset="first observation shows the old agreement; no breach penalty through PettingZoo"
    ),
    "ReputationMarket": Published(
        (), reset="first observation shows old scores; no tiers through PettingZoo", seeding="PettingZoo ignores seeds"
    ),
    "TeamProduction": Published(((4, "708"),)),
    "LoyaltyTeam": Published(((4, "598"),), reset=_HIDDEN),
    "CoalitionFormation": Published(((6, "343"),), reset="through PettingZoo the episode ends after one step"),
    "ApacheProject": Published(((8, "231"), (15, "86"), (35, "19"), (40, "15")), reset=_HIDDEN),
    "PublicGoods": Published(((5, "369"),), reset=_HIDDEN),
    "ReciprocalDilemma": Published(((2, "1,761"),)),
    "GiftExchange": Published(((2, "1,618"),)),
    "IndirectReciprocity": Published(((4, "467"),)),
    "GraduatedSanction": Published(((6, "230"),)),
    "AppleAppStore": Published(((3, "812"),)),
}
APACHE_PHASES = {8: "emergence", 15: "growth", 40: "maturity", 35: "evolution"}


def sized(env_id: str, n: int) -> dict[str, Any] | None:
    """Keywords that make a game of n seats, or None where it cannot have that many."""
    game = registry.load(env_id)
    names = game.params.names()
    if env_id.startswith("payoff/ApacheProject"):
        return {"phase": APACHE_PHASES[n]} if n in APACHE_PHASES else None
    if "n_agents" in names:
        return {"n_agents": n} | ({"min_coalition_size": min(3, n)} if "min_coalition_size" in names else {})
    if "n_developers" in names:
        return {"n_developers": n - 1}
    return {} if game.shape(game.params()).n_agents == n else None


# -- checks ------------------------------------------------------------------------------------------------------


def registered(env_id: str) -> bool:
    """Whether Gymnasium makes the id and knows its spec."""
    return gym.make(env_id).spec is not None


def scalar_reward(env_id: str) -> bool:
    """Whether the reward is a float, also inside Gymnasium's own vector environment and reward normaliser."""
    env = gym.wrappers.NormalizeReward(gym.make(env_id))
    env.reset(seed=0)
    many = gym.vector.SyncVectorEnv([lambda: gym.make(env_id)] * 2)
    many.reset(seed=0)
    many.action_space.seed(0)
    return isinstance(gym.make(env_id).unwrapped.engine.reward.item(0), float) and bool(
        np.isfinite(env.step(env.action_space.sample())[1]) and many.step(many.action_space.sample())[1].shape == (2,)
    )


def _episode(env: Any, seed: int | None, steps: int = 30) -> list[Any]:
    """Observations and rewards of a parallel view under fixed actions."""
    obs, _ = env.reset(seed=seed)
    seen = [np.concatenate(list(obs.values()))]
    for t in range(steps):
        if not env.agents:
            break
        obs, rewards, *_ = env.step({a: env.action_space(a).high * ((t * 7 + 3) % 10 / 9) for a in env.agents})
        seen += [np.concatenate(list(obs.values())), np.array(list(rewards.values()))]
    return seen


def _same(a: list[Any], b: list[Any]) -> bool:
    return len(a) == len(b) and all(np.array_equal(x, y) for x, y in zip(a, b, strict=True))


def random_draws(env_id: str) -> dict[str, Any] | None:
    """Keywords under which the game draws something, or None where nothing is random."""
    if "SynergySearch" in env_id:
        return {}
    return {"reputation_visibility": 0.5} if "ReputationMarket" in env_id else None


def seeding(env_id: str) -> bool:
    """Same seed, same episode, on every reset; another seed, another one, where something is drawn."""
    draws = random_draws(env_id)
    env, other = (payoff.parallel_env(env_id, **(draws or {})) for _ in range(2))
    first = _episode(env, 7)
    again, fresh = _episode(env, 7), _episode(other, 7)
    return _same(first, again) and _same(first, fresh) and (draws is None or not _same(first, _episode(env, 8)))


def clean_reset(env_id: str) -> bool:
    """An episode after another one is what a fresh environment plays, in Gymnasium and PettingZoo."""
    env, seed = payoff.parallel_env(env_id), 11
    _episode(env, 3)
    joint = gym.make(env_id, control="joint")
    runs = []
    for _ in range(2):
        joint.reset(seed=seed)
        top = joint.action_space.high
        runs.append([joint.step(top * ((t * 7 + 3) % 10 / 9))[:2] for t in range(3)])
    alike = all(np.array_equal(a[0], b[0]) and a[1] == b[1] for a, b in zip(*runs, strict=True))
    return alike and _same(_episode(env, seed), _episode(payoff.parallel_env(env_id), seed))


def checks(env_id: str) -> str:
    """API checks passed, of how many."""
    tests: list[Callable[[], object]] = [
        lambda: check_env(gym.make(env_id).unwrapped),
        lambda: sb3_check_env(gym.make(env_id)),
        lambda: parallel_api_test(payoff.parallel_env(env_id), num_cycles=300),
        lambda: parallel_seed_test(lambda: payoff.parallel_env(env_id), num_cycles=200),
        lambda: api_test(payoff.aec_env(env_id), num_cycles=300),
        lambda: seed_test(lambda: payoff.aec_env(env_id), num_cycles=200),
        lambda: render_test(lambda render_mode=None: payoff.aec_env(env_id, render_mode=render_mode)),
        lambda: (check_state_space(payoff.parallel_env(env_id)), check_state_space(payoff.aec_env(env_id))),
    ]
    passed, failed = 0, []
    for number, test in enumerate(tests, start=1):
        try:
            with contextlib.redirect_stdout(io.StringIO()), warnings.catch_warnings():
                warnings.simplefilter("ignore")
                test()
            passed += 1
        except Exception as error:  # whatever a checker raises is its finding, and goes into the table
            failed.append(f"check {number}: {type(error).__name__}")
    return f"{passed} of {len(tests)}" + (f" ({'; '.join(failed)})" if failed else "")


# -- speed -------------------------------------------------------------------------------------------------------


def steps_per_second(env_id: str, keywords: dict[str, Any], args: Args) -> list[float]:
    """Joint steps per second of one `gym.make` environment, every seat played from outside, integrated reward."""
    env = gym.make(env_id, control="joint", reward="integrated", info="minimal", **keywords)
    env.reset(seed=0)
    env.action_space.seed(0)
    actions = [env.action_space.sample() for _ in range(64)]

    def run(steps: int) -> float:
        env.reset()
        start = time.perf_counter()
        for k in range(steps):
            _, _, terminated, truncated, _ = env.step(actions[k % 64])
            if terminated or truncated:
                env.reset()
        return steps / (time.perf_counter() - start)

    steps = max(200, int(args.seconds * run(500)))
    return [run(steps) for _ in range(args.repeats)]


def speeds(env_id: str, args: Args) -> dict[int, list[float]]:
    """Steps per second by number of seats: its own, those that were published, and 2, 6 and 40."""
    own = registry.load(env_id).shape(registry.load(env_id).params()).n_agents
    name = env_id.removeprefix("payoff/").removesuffix("-v0")
    wanted = dict.fromkeys([own, *(n for n, _ in PUBLISHED[name].speed), *SIZES])
    found = {}
    for n in wanted:
        keywords = {} if n == own else sized(env_id, n)
        if keywords is not None:
            found[n] = steps_per_second(env_id, keywords, args)
    return found


# -- the page ----------------------------------------------------------------------------------------------------

_HEAD = """<!-- Written by `python benchmarks/published_system.py`; edit that script, not this page. -->
# The published system and this one

The twenty games of Coopetition-Gym v1 (platform paper arXiv 2605.02063) run here under the same names at `-v0`, with
the same dynamics; this page says what a user of the published code finds different. Everything said of Payoff was
checked and measured by `python benchmarks/published_system.py` in one run. What is said of the published system was
found by running its released code on another machine (one loaded core), so read its speeds as orders of magnitude.

For all twenty published ids: `gymnasium.make` finds none of them (nothing is registered, `spec` is None); `step`
returns a vector of rewards, so `SyncVectorEnv`, `NormalizeReward` and Stable-Baselines3 cannot use them; the PettingZoo
views ignore every seed after construction, have no `state_space` and render nothing; unknown keywords, `reward_type`
among them, are swallowed.
"""


def page(rows: list[dict[str, Any]], args: Args) -> str:
    """The Markdown page."""
    lines = [
        _HEAD,
        "## What works",
        "",
        "Ours: registered with Gymnasium, scalar reward, same seed same episode (and another seed another one where "
        "something is drawn), an episode after another equal to that of a fresh environment, and the eight API checks: "
        "Gymnasium's `check_env`, Stable-Baselines3's, PettingZoo's `parallel_api_test`, `parallel_seed_test`, "
        "`api_test`, `seed_test`, `render_test`, `test_state_space`.",
        "",
        "| id | registered: published / ours | scalar reward: published / ours | seeding: published / ours | "
        "reset: published / ours | API checks: published / ours |",
        "|---|---|---|---|---|---|",
    ]
    for r in rows:
        theirs: Published = r["published"]
        lines.append(
            f"| {r['name']}-v0 | no / {r['registered']} | no / {r['scalar']} | {theirs.seeding} / {r['seeding']} | "
            f"{theirs.reset} / {r['reset']} | {theirs.checks}; render and state tests fail / {r['checks']} |"
        )
    lines += [
        "",
        "## Steps per second",
        "",
        f'One environment, all seats played from outside, integrated reward, `info="minimal"`; median of '
        f"{args.repeats}, widest spread (largest over smallest repeat of one figure) "
        f"{max(r['spread'] for r in rows):.2f}. {describe()}. The published figures are for the number "
        "of seats in brackets; a dash: not measured, or the game cannot have that many seats.",
        "",
        "| id | published (seats) | ours, same seats | n = 2 | n = 6 | n = 40 |",
        "|---|---|---|---|---|---|",
    ]
    for r in rows:
        speed = {n: f"{median(values):,.0f}" for n, values in r["speeds"].items()}
        pairs = r["published"].speed or ((r["own"], "-"),)
        lines.append(
            f"| {r['name']}-v0 | {'; '.join(f'{text} ({n})' for n, text in pairs)} | "
            f"{'; '.join(f'{speed[n]} ({n})' for n, _ in pairs)} | "
            + " | ".join(speed.get(n, "-") for n in SIZES)
            + " |"
        )
    return "\n".join(lines) + "\n"


def compare(env_id: str, args: Args) -> dict[str, Any]:
    """One id: its checks and speeds."""
    name = env_id.removeprefix("payoff/").removesuffix("-v0")
    game = registry.load(env_id)
    yes = {True: "yes", False: "NO"}
    found = speeds(env_id, args)
    return {
        "name": name,
        "own": game.shape(game.params()).n_agents,
        "published": PUBLISHED[name],
        "registered": yes[registered(env_id)],
        "scalar": yes[scalar_reward(env_id)],
        "seeding": yes[seeding(env_id)],
        "reset": yes[clean_reset(env_id)],
        "checks": checks(env_id),
        "speeds": found,
        "spread": max(max(v) / min(v) for v in found.values()),
    }


def main(args: Args) -> None:
    """Check, time, write."""
    rows = [compare(env_id, args) for env_id in track(args.ids, description="comparing")]
    args.out.write_text(page(rows, args))
    print(f"wrote {args.out}")


if __name__ == "__main__":
    main(tyro.cli(Args, description=__doc__))
