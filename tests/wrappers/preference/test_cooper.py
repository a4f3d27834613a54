"""Cooper: what is compared before and after the warm-up, who is verified, and state."""

import gymnasium as gym
import numpy as np
import pytest

from payoff.wrappers import HierarchyLearning, NetworkSettings, StepInputs, Transition, VerifiedProxyReward, wrap
from payoff.wrappers.rows import vector_info

FILLER = "payoff/FillerSteps-v0"
GO, FILL, WRONG, STOP = range(4)
INPUTS = StepInputs(("obs", "action", "next_obs"), 4)


def proxy(*, share=1.0, verify=True, seed=0):
    network = NetworkSettings(hidden=(16,), learning_rate=5e-3, seed=seed)
    learning = HierarchyLearning(warmup=300, learn_every=300, minibatches=60, memory=2000, network=network)
    return VerifiedProxyReward("aux", inputs=INPUTS, share=share, learning=learning, verify=verify)


def make(method, copies=8):
    return wrap(gym.make_vec(FILLER, num_envs=copies, vectorization_mode="vector_entry_point"), method)


def played(method, steps, seed=0, after=None):
    """Rewards (T, 8) of random play; ``after`` (t, env) is called behind each step."""
    env, draws = make(method), np.random.default_rng(seed)
    env.reset(seed=seed)
    paid = []
    for t in range(steps):
        paid.append(env.step(draws.integers(0, 4, 8))[1])
        if after is not None:
            after(t, env)
    return np.array(paid)


def paid_for(method, actions):
    """Rewards of an episode with these actions, by the network as it is."""
    reward = method.frozen()
    env = wrap(gym.make(FILLER), reward)
    env.reset(seed=0)
    return np.array([env.step(a)[1] for a in actions])


@pytest.mark.parametrize("verify", [False, True])
def test_a_proxy_that_is_not_verified_goes_on_liking_filler(verify):
    """The judge gives 0.9 for going and for filling alike; the verifier accepts going alone."""
    method = proxy(verify=verify)
    played(method, 400)
    go, fill, stop_early = paid_for(method, [GO, FILL, STOP])
    if verify:
        assert go > fill + 1.0 and go > stop_early + 1.0
    else:
        assert abs(go - fill) < 0.5 and min(go, fill) > stop_early


def test_verdicts_by_hand():
    """One row: go, fill, wrong, and then go in a spoiled attempt; going alone raises the progress."""
    method = proxy()
    env = make(method, 1)
    env.reset(seed=0)
    accepted = []
    for action in (GO, FILL, GO, WRONG, GO):
        env.step(np.array([action]))
        accepted.append(method.accepted)
    assert accepted == [1.0, 0.0, 1.0, 0.0, 0.0]
    method = proxy()
    env = make(method, 1)
    for ending, verdict in ((STOP, 1.0), (FILL, 0.0)):
        env.reset(seed=0)
        for action in (*[GO] * 5, ending):
            env.step(np.array([action]))
        assert method.accepted == verdict  # a stop that is paid raises no progress, and is accepted


def test_only_verified_steps_of_different_verdicts_are_compared():
    method = proxy()
    z = np.array([[0.9, 1, 1], [0.9, 0, 1], [0.1, 1, 0], [0.5, 0, 0]])  # score, accepted, verified
    first, second = np.array([0, 0, 2, 0, 1]), np.array([1, 2, 3, 0, 0])
    assert method.answers(z[first], z[second], np.zeros(3)).tolist() == [0, 1, -1, 0, 0]  # by score, before
    method.net = object()
    assert method.answers(z[first], z[second], np.zeros(3)).tolist() == [1, 0, 0, 0, -1]


def test_a_share_is_verified():
    method = proxy(share=0.25)
    played(method, 250)
    shown = method.state_dict()["items.factors"][:, 2]
    assert len(shown) > 1500 and abs(shown.mean() - 0.25) < 5 * np.sqrt(0.25 * 0.75 / len(shown))


def test_the_proxy_does_not_see_the_verdict():
    method = proxy()
    played(method, 50)
    assert method.state_dict()["items.numbers"].shape[2] == 7 + 4 + 7 == method.frozen().mean.size


def test_state_goes_on_bit_for_bit():
    snapshots = {}

    def keep(t, env):
        if t in (10, 60):
            snapshots[t] = env.snapshot()

    whole = played(proxy(share=0.5), 120, after=keep)
    for at, snapshot in snapshots.items():
        env, draws = make(proxy(share=0.5)), np.random.default_rng(0)
        env.reset(seed=5)
        env.restore(snapshot)
        actions = [draws.integers(0, 4, 8) for _ in range(120)]
        rest = np.array([env.step(a)[1] for a in actions[at + 1 :]])
        assert rest.tobytes() == whole[at + 1 :].tobytes()


def test_progress_may_be_a_list_of_one_number():
    """As environments of other packages report it: the same as the number itself."""
    rows, draws = np.ones(3, dtype=bool), np.random.default_rng(0)
    flat, listed = (VerifiedProxyReward("aux", inputs=StepInputs(("obs",))) for _ in range(2))
    info = {"payoff": np.zeros((3, 1)), "aux": np.zeros(3)}
    for number, method in ((np.zeros(3), flat), (np.zeros((3, 1)), listed)):
        method.reset(np.zeros((3, 1)), vector_info({"progress": number}, rows), rows)
    for _ in range(4):
        progress = draws.random(3)
        for number, method in ((progress, flat), (progress[:, None], listed)):
            told = vector_info({**info, "progress": number}, rows)
            method(Transition(np.zeros((3, 1)), np.zeros(3), np.zeros(3), np.zeros((3, 1)), ~rows, ~rows, told, rows))
        np.testing.assert_array_equal(listed.state_dict()["progress"], progress)
        assert listed.accepted == flat.accepted


def test_clear_ends():
    with pytest.raises(ValueError, match=r"share must be a number in \(0, 1\], got 0"):
        proxy(share=0)
    with pytest.raises(ValueError, match=r"learning\.segment must be 1, got 2"):
        VerifiedProxyReward("aux", inputs=INPUTS, learning=HierarchyLearning(segment=2))
    method = proxy()
    played(method, 3)
    state = method.state_dict()
    with pytest.raises(TypeError, match="state must be a dict of arrays"):
        method.load_state_dict([1])
    with pytest.raises(ValueError, match="progress is missing"):
        method.load_state_dict({k: v for k, v in state.items() if k != "progress"})
    with pytest.raises(ValueError, match="asked must not be negative, got -1"):
        method.load_state_dict({**state, "asked": np.array(-1)})
    with pytest.raises(ValueError, match="missing or unknown"):
        method.load_state_dict({k: v for k, v in state.items() if k != "items.valid"})
