"""The stage game of a published game in plain numpy, apart from the kernels, and one step of the real one."""

from dataclasses import dataclass

import numpy as np

import payoff
from payoff.envs import rewards


@dataclass(frozen=True)
class Stage:
    """pi_i = e_i - a_i + theta ln(1 + a_i) + alpha_i gamma (prod a)^(1/N), numbers from a game's Rules."""

    endowment: np.ndarray
    share: np.ndarray
    scale: float
    gamma: float

    @classmethod
    def of(cls, rules, gamma=None):
        gamma = rules.value.complementarity if gamma is None else gamma
        return cls(np.array(rules.endowment), np.array(rules.share), rules.value.scale, gamma)

    def welfare(self, action):
        action = np.asarray(action, float)
        synergy = np.prod(action) ** (1 / len(action))
        return (self.endowment - action + self.scale * np.log1p(action)).sum() + self.gamma * synergy

    def solve(self, weight):
        """Fixed point of best replies ``(N,)``; weight ``(N,)`` is K_i, how much of the surplus i's aim counts.

        theta / (1 + a_i) + (gamma / N) K_i g(a) / a_i = 1 is i's first-order condition; its left side falls in a_i, and
        sweeps from below climb to the lowest equilibrium, from above fall to the highest: the two must meet.
        """
        low, high = (self._sweep(weight, start * self.endowment) for start in (0.01, 1.0))
        np.testing.assert_allclose(low, high, atol=1e-8)
        return low

    def _sweep(self, weight, action):
        n = len(action)
        for _ in range(500):
            before = action.copy()
            for i in range(n):
                others = np.prod(np.delete(action, i)) ** (1 / n)
                action[i] = self._reply(i, self.gamma / n * weight[i] * others)
            if np.abs(action - before).max() < 1e-11:
                return action
        raise AssertionError("best replies did not settle")

    def _reply(self, i, factor):
        """Root of the first-order condition in (0, e_i] by bisection; the bound where there is none."""
        low, high = 1e-9, self.endowment[i]
        for _ in range(80):
            middle = (low + high) / 2
            slope = self.scale / (1 + middle) + factor * middle ** (1 / len(self.endowment) - 1) - 1
            low, high = (middle, high) if slope > 0 else (low, middle)
        return (low + high) / 2


@dataclass(frozen=True)
class Solutions:
    """Contributions ``(N,)``: private Nash, equilibrium of the gated and of the plain integrated utility, optimum."""

    nash: np.ndarray
    gated: np.ndarray
    integrated: np.ndarray
    optimum: np.ndarray


def solutions(rules, gamma=None):
    """All four for the rules of a game; trust gates with its values at the reset."""
    stage, share = Stage.of(rules, gamma), np.array(rules.share)
    gate = min(rules.trust.initial_trust, 1 - rules.trust.initial_damage)
    return Solutions(
        stage.solve(share),
        stage.solve(share + gate * rules.depend @ share),
        stage.solve(share + rules.depend @ share),
        stage.solve(np.ones_like(share)),
    )


def check_row(rules, row, gamma=None, atol=6e-5):
    """Compare with a row of the specification: (baseline, Nash, gated, integrated, optimum, welfares), seats 0 and 1.

    The welfares are those of Nash, baseline, optimum and full contribution. For more than two seats all others equal
    seat 1.
    """
    *actions, welfares = row
    stage, found = Stage.of(rules, gamma), solutions(rules, gamma)
    ours = (np.array(rules.baseline), found.nash, found.gated, found.integrated, found.optimum)
    for action, expected in zip(ours, actions, strict=True):
        first, *others = np.broadcast_to(expected, 2)
        np.testing.assert_allclose(action, [first, *others * (len(action) - 1)], atol=atol)
    sums = [stage.welfare(a) for a in (found.nash, rules.baseline, found.optimum, rules.endowment)]
    np.testing.assert_allclose(sums, welfares, atol=atol)


def check_no_deviation_pays(env_id, rules, gamma=None, **kwargs):
    """In the game itself: no seat gains by leaving Nash or the integrated equilibrium, nobody's move adds welfare."""
    found = solutions(rules, gamma)
    n, levels = len(rules.endowment), 101
    for action, reward in (
        (found.nash, "private"),
        (found.integrated, rewards.Integrated()),
        (found.optimum, rewards.Cooperative()),
    ):
        actions = np.tile(action, (1 + n * levels, 1))
        for i, most in enumerate(rules.endowment):
            actions[1 + i * levels : 1 + (i + 1) * levels, i] = np.linspace(0, most, levels)
        env = payoff.multi_agent_vec(env_id, len(actions), reward=reward, **kwargs)
        env.reset(seed=0)
        got = env.step(actions[:, :, None])[1]
        for i in range(n):
            mine = got[1 + i * levels : 1 + (i + 1) * levels, i]
            assert (mine <= got[0, i] + 1e-9).all(), (env_id, reward, i, mine.argmax())


@dataclass(frozen=True)
class Step:
    """One step: payoffs, rewards in the three ways of the specification (integrated, cooperative, plain), state."""

    payoff: np.ndarray
    integrated: np.ndarray
    cooperative: np.ndarray
    plain: np.ndarray
    info: dict

    @property
    def trust(self):
        return self.info["trust"][0]

    @property
    def damage(self):
        return self.info["reputation_damage"][0]


def play(env_id, *actions, **kwargs):
    """The last of some joint actions from the reset, under each reward."""
    found = []
    for reward in ("integrated", "cooperative", rewards.Integrated()):
        env = payoff.multi_agent_vec(env_id, 1, reward=reward, autoreset_mode="disabled", info="published", **kwargs)
        env.reset(seed=0)
        for action in actions:
            _, given, _, _, info = env.step(np.array(action, float)[None, :, None])
        found.append(given[0])
    return Step(info["payoff"][0], *found, info)


def check_step(step, row, atol=6e-7):
    """Compare a dyad's step with a row of the specification: pi, (T_01, T_10), (R_01, R_10), U, C, U*."""
    pi, trust, damage, integrated, cooperative, plain = row
    pairs = [
        (step.payoff, pi),
        ((step.trust[0, 1], step.trust[1, 0]), trust),
        ((step.damage[0, 1], step.damage[1, 0]), damage),
        (step.integrated, integrated),
        (step.cooperative, cooperative),
        (step.plain, plain),
    ]
    for ours, expected in pairs:
        np.testing.assert_allclose(ours, np.broadcast_to(expected, 2), rtol=0, atol=atol)


def episode(env_id, action, steps, **kwargs):
    """Yield (terminated, truncated, info) of up to ``steps`` steps of one joint action, until the episode ends."""
    env = payoff.multi_agent_vec(env_id, 1, autoreset_mode="disabled", info="published", **kwargs)
    env.reset(seed=0)
    for _ in range(steps):
        _, _, terminated, truncated, info = env.step(np.array(action, float)[None, :, None])
        yield bool(terminated[0]), bool(truncated[0]), info
        if terminated[0] or truncated[0]:
            return


def observations(env_id, *actions, observe="published", **kwargs):
    """What seat 0 sees at the reset and after each joint action: ``(1 + len(actions), O)``, and the entries' names."""
    env = payoff.multi_agent_vec(env_id, 1, observe=observe, autoreset_mode="disabled", **kwargs)
    seen = [env.reset(seed=0)[0][0]]
    for action in actions:
        seen.append(env.step(np.array(action, float)[None, :, None])[0][0])
    for each in seen if observe == "published" else ():
        np.testing.assert_array_equal(each, np.broadcast_to(each[0], each.shape))  # all seats see the same
    return np.array([each[0] for each in seen]), env.engine.plan.names
