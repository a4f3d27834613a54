"""PPO and independent PPO on games with known answers."""

from __future__ import annotations

import dataclasses
import subprocess
import sys

import gymnasium as gym
import numpy as np
import pytest
import torch

import payoff
from payoff.baselines import ippo, ppo
from payoff.baselines.evaluation import evaluate
from payoff.baselines.methods import around
from payoff.baselines.training import NotFiniteError
from tests.baselines.fixtures import Broken, Endless, Match, Name, StubVectorEnv

STUBS = {"Match": Match, "Name": Name, "Endless": Endless, "Broken": Broken}
SMALL = {"num_envs": 16, "num_steps": 16, "hidden": (32,), "minibatches": 2}
QUICK = {"num_envs": 16, "num_steps": 32, "hidden": (32,), "learning_rate": 3e-3, "total_steps": 40_000}


@pytest.fixture(autouse=True)
def stubs(monkeypatch):
    """Makes ``stub/Name`` and so on known to both views."""

    def vec(env_id, num_envs, info, num_agents=3, **settings):
        return STUBS[env_id.removeprefix("stub/")](num_envs, num_agents, **settings)

    real = payoff.multi_agent_vec
    monkeypatch.setattr(
        payoff, "multi_agent_vec", lambda env_id, **kw: (vec if env_id.startswith("stub/") else real)(env_id, **kw)
    )
    for name, game in STUBS.items():
        gym.register(f"stub/{name}-v0", vector_entry_point=StubVectorEnv, kwargs={"game": game, "info": "minimal"})
    yield
    for name in STUBS:
        del gym.registry[f"stub/{name}-v0"]


def weights(result):
    return [p.detach().clone() for p in result.policy.net.parameters()]


def same(a, b):
    return all(torch.equal(x, y) for x, y in zip(weights(a), weights(b), strict=True)) and all(
        np.array_equal(a.curve[name], b.curve[name], equal_nan=True) for name in a.curve
    )


@pytest.mark.parametrize("shared", [False, True])
def test_ippo_matches_the_number_each_seat_sees(shared):
    result = ippo.train(ippo.Args(env_id="stub/Match", share_parameters=shared, **QUICK))
    x = np.linspace(0.05, 0.95, 19, dtype=np.float32)
    acts = result.policy.act(np.tile(x[:, None, None], (1, 3, 1)))
    assert acts[..., 0] == pytest.approx(np.tile((2 * x - 1)[:, None], (1, 3)), abs=0.3)
    played = evaluate(result.policy, "stub/Match", episodes=50, seed=0)
    assert (played.payoffs.mean(axis=0) > 9.8).all()  # the best is 10, the best constant 6.7


@pytest.mark.parametrize("num_agents", [1, 4])
def test_ippo_names_what_each_seat_sees(num_agents):
    result = ippo.train(ippo.Args(env_id="stub/Name", env_params={"num_agents": num_agents}, **QUICK))
    assert result.policy.act(np.eye(4)[:, None].repeat(num_agents, 1))[..., 0].T.tolist() == [[0, 1, 2, 3]] * num_agents
    played = evaluate(result.policy, "stub/Name", episodes=20, seed=0, env_kwargs={"num_agents": num_agents})
    assert (played.payoffs == 10).all()
    assert np.isnan(result.curve["cooperation"]).all()


@pytest.mark.parametrize(("game", "best"), [("Match", 9.8), ("Name", 10.0)])
def test_ppo_learns_the_single_agent_view(game, best):
    result = ppo.train(ppo.Args(env_id=f"stub/{game}-v0", **QUICK))
    played = evaluate(result.policy, f"stub/{game}-v0", episodes=50, seed=0, view="single")
    assert played.payoffs.mean() >= best


def endless(trainer, game, **changes):
    settings = {"total_steps": 25_600, "num_envs": 8, "num_steps": 32, "hidden": (16,), "gamma": 0.9, "epochs": 2}
    result = trainer.train(trainer.Args(env_id=game, **{**settings, **changes}))
    seats = result.policy.net.shape.num_agents
    return result.policy.value(np.full((1, seats, 1), 0.5, dtype=np.float32))[0]


@pytest.mark.parametrize(("trainer", "game"), [(ppo, "stub/Endless-v0"), (ippo, "stub/Endless")])
def test_value_of_a_reward_for_ever(trainer, game):
    """Pay 1 for ever and cut episodes after 10 steps: the value is 1 / (1 - gamma) all the same."""
    assert endless(trainer, game) == pytest.approx(10.0, rel=0.01)


def test_value_is_wrong_when_truncation_counts_as_an_end(monkeypatch):
    """The mean of (1 - gamma^k) / (1 - gamma) over k = 1 .. 10 steps left, which the test above must not find."""

    def ends(rewards, values, terminated, truncated, gamma, lam):
        return gae(rewards, values, terminated | truncated, truncated, gamma, lam)

    gae = ppo.gae
    monkeypatch.setattr(ppo, "gae", ends)
    expected = np.mean([(1 - 0.9**k) / 0.1 for k in range(1, 11)])
    assert endless(ippo, "stub/Endless") == pytest.approx(expected, rel=0.1)


def test_same_seed_same_numbers():
    args = ippo.Args(env_id="stub/Match", total_steps=512, **SMALL)
    first, again = ippo.train(args), ippo.train(args)
    assert same(first, again)
    assert not same(first, ippo.train(dataclasses.replace(args, seed=2)))


def test_global_random_numbers_and_threads_are_left_alone():
    torch.manual_seed(0)
    np.random.seed(0)  # noqa: NPY002  # the state that must not change is the global one
    threads, states = torch.get_num_threads(), (torch.get_rng_state(), np.random.get_state()[1].copy())  # noqa: NPY002
    ippo.train(ippo.Args(env_id="stub/Match", total_steps=512, torch_threads=2, **SMALL))
    assert torch.get_num_threads() == threads
    assert torch.equal(torch.get_rng_state(), states[0])
    assert (np.random.get_state()[1] == states[1]).all()  # noqa: NPY002


def test_curves_and_progress():
    seen = []
    args = ippo.Args(env_id="stub/Endless", total_steps=3 * 16 * 16 + 5, **SMALL)
    result = ippo.train(args, on_progress=lambda done, total: seen.append((done, total)))
    assert seen == [(256, 768), (512, 768), (768, 768)]
    assert result.steps == 768
    assert result.curve["step"].tolist() == [256, 512, 768]
    assert (result.curve["welfare"] == 30).all()  # three seats, ten steps
    assert (result.curve["episode_length"] == 10).all()
    assert result.wall_seconds > 0
    assert result.cpu_seconds > 0


@pytest.mark.parametrize(("trainer", "game"), [(ppo, "stub/Broken-v0"), (ippo, "stub/Broken")])
def test_a_number_that_is_not_finite_stops_the_training(trainer, game, tmp_path):
    file = tmp_path / "state"
    args = trainer.Args(env_id=game, total_steps=5000, checkpoint=str(file), checkpoint_every=1, **SMALL)
    with pytest.raises(RuntimeError, match=r"update 1 \(step 256\): .* is not finite") as caught:
        trainer.train(args)
    assert isinstance(caught.value, NotFiniteError)
    assert caught.value.step == 256
    assert not file.exists()


def trains(trainer, env_id, **params):
    result = trainer.train(trainer.Args(env_id=env_id, env_params=params, total_steps=256, **SMALL))
    shape = result.policy.net.shape
    assert np.isfinite(result.policy.value(np.zeros((1, shape.num_agents, shape.obs_size)))).all()
    assert result.steps == 256


def test_every_game_trains(env_id):
    for trainer in (ppo, ippo):
        trains(trainer, env_id)


@pytest.mark.parametrize("name", ["TrustDilemma", "PublicGoods", "CarBall", "Curling"])
def test_levels_of_a_continuous_game_train(name):
    """Two seats, six, three numbers an action, and a single seat."""
    for trainer in (ppo, ippo):
        trains(trainer, f"payoff/{name}-v0", actions="discrete:11")


def test_progress_shaping_keeps_the_payoffs():
    args = ppo.Args(
        env_id="payoff/KeyRoom-v0",
        env_params={"size": 5},
        total_steps=8192,
        **SMALL,
    )
    result = ppo.train(args, wrapper=around("progress:scale=10", "none", args.gamma, args.on_truncation))
    ended = ~np.isnan(result.curve["welfare"])
    assert ended.sum() > 10
    assert ((result.curve["welfare"][ended] >= 0) & (result.curve["welfare"][ended] <= 1)).all()
    assert (result.curve["reward"][ended] != result.curve["welfare"][ended]).any()


def test_native_units_are_refused():
    args = ippo.Args(env_id="payoff/TrustDilemma-v0", env_params={"actions": "native"})
    with pytest.raises(ValueError, match="actions must be 'unit' or 'discrete:K' for a trainer, got 'native'"):
        ippo.train(args)


@pytest.mark.parametrize(
    ("setting", "value"),
    [
        ("total_steps", 0),
        ("num_envs", 0),
        ("gamma", 1.5),
        ("lam", -0.1),
        ("learning_rate", 0.0),
        ("clip", float("nan")),
    ],
)
def test_settings_out_of_range_are_refused(setting, value):
    with pytest.raises(ValueError, match=f"{setting} must be .*, got {value}"):
        ippo.Args(**{setting: value})


def test_tensorboard_holds_the_curves(tmp_path):
    pytest.importorskip("tensorboard")
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

    args = ippo.Args(env_id="stub/Endless", total_steps=512, log_dir=str(tmp_path), **SMALL)
    ippo.train(args)
    events = EventAccumulator(str(tmp_path))
    events.Reload()
    assert [(e.step, e.value) for e in events.Scalars("episode/welfare")] == [(256, 30), (512, 30)]
    assert {"loss/policy", "loss/value", "loss/entropy", "update/kl"} <= set(events.Tags()["scalars"])


@pytest.mark.parametrize(
    ("name", "more", "code"),
    [
        ("ippo", ["--env-params", '{"max_steps": 20}'], 0),
        ("ppo", ["--env-id", "payoff/KeyRoom-v0"], 0),
        ("ppo", ["--env-id", "payoff/Nothing-v0"], 1),
    ],
)
def test_trainers_run_as_scripts(name, more, code):
    command = [sys.executable, "-m", f"payoff.baselines.{name}", "--total-steps", "256", "--num-envs", "4", *more]
    done = subprocess.run(command, capture_output=True, text=True, timeout=120)
    assert done.returncode == code, done.stderr
    assert "Traceback" not in done.stderr
    if code:
        assert done.stderr.strip().splitlines()[-1].startswith("error: ")
    else:
        assert "welfare" in done.stdout
