"""The twenty published games run the same compiled rules, in a state of which each uses what it needs."""

import pytest

import payoff
from payoff.envs import registry
from payoff.envs.core.binding import kernel

PUBLISHED = [i for i in registry.ids() if registry.GAMES[i].startswith("payoff.envs.coopetition")]


def test_all_share_two_kernels():
    """With the payoff of the TR-3 theory among the entries of info, and without."""
    shared = {}
    for env_id in PUBLISHED:
        game = registry.load(env_id)
        shared.setdefault(kernel(game), []).append("theory_payoff" in game.info)
    assert sorted(map(len, shared.values())) == [5, 15]
    assert all(len(set(has)) == 1 for has in shared.values())


def test_the_range_of_an_action_is_that_of_its_seat():
    """The platform has 150, developers 80."""
    env = payoff.multi_agent_vec("payoff/PlatformEcosystem-v0", 1)
    env.reset(seed=0)
    kept = env.snapshot()
    layout = env.engine.shape.layout
    layout.view(kept.state, "action")[0] = [150.0, 80.0, 80.0, 80.0, 80.0]
    env.restore(kept)
    layout.view(kept.state, "action")[0, 2] = 80.5
    with pytest.raises(ValueError, match=r"action\[2\] of copy 0 .* must be a number in \[0, 80\], got 80.5"):
        env.restore(kept)
