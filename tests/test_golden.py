"""Golden rollouts: text records that guard every id against change.

They were printed by this code, so they prove nothing but that nothing has moved; what is right is asserted elsewhere
(conformance, theorems, figures of the reports). A record never changes without a new ``-vN`` id.

    python tests/test_golden.py    # writes the records of ids that have none, and touches no other
"""

from pathlib import Path

import numpy as np

import payoff

FOLDER = Path(__file__).resolve().parent / "data" / "golden"
SEATS = 8  # of a larger game, the first ones and the sum are recorded
SEED = 20260100


def action(env, t):
    """Actions of step t, (1, N, A): waves that leave every threshold on both sides; whole numbers where discrete."""
    i, k = np.meshgrid(np.arange(env.num_agents), np.arange(env.action_size), indexing="ij")
    if env.discrete:
        return ((t * t // 3 + 2 * t + i + k) % env.num_actions)[None].astype(float)
    share = np.clip(0.5 + 0.55 * np.sin(0.7 * t + 1.3 * i + 0.9 * k), 0, 1)
    wave = env.action_low + (env.action_high - env.action_low) * share
    return np.round(wave * 64)[None] / 64  # exact in float32


def numbers(values):
    return " ".join(f"{v:.12g}" for v in values)


def line(t, obs, reward, payoff_, terminated, truncated):
    """One step: flags, payoffs, rewards, and two sums over the observation that see a changed entry or a swap."""
    flat = obs.astype(np.float64).ravel()
    weights = np.arange(1, flat.size + 1) % 97
    seats = [numbers([*x[:SEATS], x.sum()]) for x in (payoff_, reward)]
    seen = numbers([flat.sum(), flat @ weights])
    return f"{t} {int(terminated)}{int(truncated)} | {seats[0]} | {seats[1]} | {seen}"


def rollout(env_id):
    """Text of one stream: 24 steps, then 8 after a second reset; where an episode ends, the next one goes on."""
    env = payoff.multi_agent_vec(env_id, 1, autoreset_mode="disabled", actions=None)
    lines = [f"# {env_id}, seed {SEED}: step flags | payoffs, last the sum | rewards likewise | observation sums"]
    for stretch, steps in enumerate((24, 8)):
        lines.append(begin(env, SEED if stretch == 0 else None))
        for t in range(steps):
            obs, reward, terminated, truncated, info = env.step(action(env, t))
            lines.append(line(t, obs[0], reward[0], info["payoff"][0], terminated[0], truncated[0]))
            if terminated[0] or truncated[0]:
                lines.append(begin(env, None))
    return "\n".join(lines) + "\n"


def begin(env, seed):
    """Start an episode; its line."""
    obs, info = env.reset(seed=seed)
    return line("reset", obs[0], np.zeros(env.num_agents), info["payoff"][0], False, False)


def path(env_id):
    return FOLDER / f"{env_id.removeprefix('payoff/')}.txt"


def test_every_id_has_a_record_and_no_other_exists():
    assert {p.name for p in FOLDER.iterdir()} == {path(i).name for i in payoff.ids()}


def test_rollout_is_as_recorded(env_id):
    """Flags exactly; numbers to 1e-9, since the last digits belong to the platform's mathematics library."""
    recorded, now = path(env_id).read_text().splitlines(), rollout(env_id).splitlines()
    assert len(recorded) == len(now) and recorded[0] == now[0]
    for old, new in zip(recorded[1:], now[1:], strict=True):
        old_parts, new_parts = old.split(" | "), new.split(" | ")
        assert old_parts[0] == new_parts[0]
        for a, b in zip(old_parts[1:], new_parts[1:], strict=True):
            x, y = (np.array(part.split(), dtype=float) for part in (a, b))
            np.testing.assert_allclose(y, x, rtol=1e-9, atol=1e-9, err_msg=f"{env_id}: {old_parts[0]}")


if __name__ == "__main__":
    for every in payoff.ids():
        if not path(every).exists():
            path(every).write_text(rollout(every))
            print(f"wrote {path(every).name}")
