"""A training goes on from what its checkpoint should hold, or not at all: a checksum says nothing of the contents."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from payoff.baselines import balanced_ppo, checkpoint, ippo, ppo, sb3

TRUST = "payoff/TrustDilemma-v0"
SMALL = {"env_id": TRUST, "num_envs": 2, "num_steps": 10, "hidden": (4,), "epochs": 1, "minibatches": 1}
SB3 = {"env_id": TRUST, "num_envs": 2, "n_steps": 10, "batch_size": 20, "n_epochs": 1, "total_steps": 20}


@pytest.fixture(scope="module")
def saved(tmp_path_factory):
    """Trainer -> (module, settings, checkpoint)."""
    folder = tmp_path_factory.mktemp("saved")
    found = {}
    for module, settings in (
        (ppo, SMALL),
        (ippo, SMALL),
        (balanced_ppo, {**SMALL, "env_id": "payoff/Delivery-v0"}),
        (sb3, SB3),
    ):
        name = module.__name__.rpartition(".")[2]
        path = folder / name
        module.train(module.Args(**settings, checkpoint=str(path), **({} if module is sb3 else {"total_steps": 20})))
        found[name] = module, settings, path
    return found


def change(saved, name, tmp_path, edit):
    module, settings, path = saved[name]
    tensors, meta = checkpoint.load(path)
    edit(tensors, meta)
    new = tmp_path / "forged"
    checkpoint.save(new, tensors, meta)
    return module, settings, new


@pytest.mark.parametrize("name", ["ppo", "ippo", "balanced_ppo", "sb3"])
@pytest.mark.parametrize("how", ["missing", "broadcasts", "type", "nan"])
def test_every_array_of_the_networks_is_checked(saved, tmp_path, name, how):
    tensors, _ = checkpoint.load(saved[name][2])
    networks = [key for key in tensors if key.startswith(("net.", "policy.", "returns.")) and tensors[key].size > 1]
    assert len(networks) >= 4
    for key in networks:

        def forge(tensors, meta, key=key):
            old = tensors[key]
            tensors[key] = {
                "broadcasts": old[..., :1] if old.shape[-1] > 1 else old[:1],
                "type": np.zeros(old.shape, np.float16),
                "nan": np.full_like(old, np.nan),
            }.get(how, old)
            if how == "missing":
                del tensors[key]

        module, _, path = change(saved, name, tmp_path, forge)
        tensors, meta = checkpoint.load(path)
        if how == "broadcasts" and tensors[key].shape == checkpoint.load(saved[name][2])[0][key].shape:
            continue
        with pytest.raises(ValueError, match=rf"^{key} (is missing|must be|holds numbers)"):
            module.load_policy(tensors, meta)


@pytest.mark.parametrize(
    ("edit", "text"),
    [
        (lambda t, m: t.pop("adam.exp_avg.actor.weights.0"), "adam.exp_avg.actor.weights.0 is missing"),
        (
            lambda t, m: t.update({"adam.step.actor.biases.0": np.ones(3, np.float32)}),
            "adam.step.actor.biases.0 must be",
        ),
        (
            lambda t, m: t.update({"play.done": np.zeros(1, bool)}),
            r"play.done must be bool of shape \(2,\), got bool",
        ),
        (lambda t, m: t.update({"play.done": np.zeros(2)}), r"play.done must be bool of shape \(2,\), got float64"),
        (lambda t, m: t.pop("play.episodes"), "play.episodes is missing"),
        (lambda t, m: t.update({"rng.state": np.zeros(9, np.uint8)}), "rng: "),
        (lambda t, m: t.pop("rng.state"), "rng.state is missing"),
        (lambda t, m: t.pop("curve.welfare"), "curve.welfare is missing"),
        (lambda t, m: t.update({"curve.welfare": np.zeros(7)}), r"curve.welfare must be float64 of shape \(1,\), got"),
        (lambda t, m: m.pop("update"), "update must be an integer at least 1, got None"),
        (lambda t, m: m.update(step="20"), "step must be an integer at least 1, got '20'"),
        (lambda t, m: m.update(args=None), "args must be a JSON object, got None"),
        (lambda t, m: m.pop("wall_seconds"), "wall_seconds must be a number in"),
    ],
)
def test_a_training_does_not_go_on_from_a_forged_checkpoint(saved, tmp_path, edit, text):
    module, settings, path = change(saved, "ppo", tmp_path, edit)
    with pytest.raises(ValueError, match=f"^{path} cannot go on: {text}"):
        module.train(module.Args(**settings, total_steps=40, checkpoint=str(path)))


def test_a_finished_training_of_sb3_is_not_taken_from_a_forged_checkpoint(saved, tmp_path):
    module, settings, path = change(saved, "sb3", tmp_path, lambda t, m: t.pop("policy.log_std"))
    with pytest.raises(ValueError, match=f"^{path} cannot be used: policy.log_std is missing"):
        module.train(module.Args(**settings, checkpoint=str(path)))


def test_trainers_name_a_seed_that_is_out_of_range():
    for module, most in ((ppo, 2**63 - 1), (ippo, 2**63 - 1), (sb3, 2**32 - 1)):
        for seed in (-1, most + 1):
            with pytest.raises(ValueError, match=rf"^seed must be an integer in 0 \.\. {most}, got {seed}$"):
                module.Args(seed=seed)
        assert module.Args(seed=most).seed == most


@pytest.mark.parametrize("name", ["ppo", "ippo", "balanced_ppo", "sb3"])
def test_checkpoints_say_the_versions_that_they_were_made_with(saved, name):
    versions = checkpoint.load(saved[name][2])[1]["versions"]
    assert versions["torch_version"] == torch.__version__ and versions["numpy_version"] == np.__version__
