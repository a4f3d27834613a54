"""Action masks: what they leave out changes nothing, and what they allow changes something, by trying every action."""

from dataclasses import dataclass, replace
from types import SimpleNamespace
from typing import Any

import gymnasium as gym
import numpy as np
import pytest

import payoff
from payoff.envs import registry
from payoff.envs.core.state import HEADER
from payoff.game import Copy, Game, Params, Rules, Seat, Seats, State, jit, numbers, whole

# id -> keywords of small variants; together they come to every case of the mask. Not Sudoku's `wrong="refused"`: there
# a wrong digit changes nothing, and to say which is wrong would be to solve the puzzle.
CASES = {
    "Sudoku": [{"size": 4}, {"size": 4, "clues": 12}],
    "Minesweeper": [{"size": 3, "mines": 2}],
    "AdditiveSet": [{"elements": 6, "choose": 4}],
    "HyperGrid": [{"height": 6, "dimensions": 2}, {"height": 6, "dimensions": 2, "stop_at_edge": True}],
    "KeyRoom": [{"size": 5}],
    "MultiRoom": [{"rooms": 2, "height": 3, "lava": False}, {"rooms": 2, "height": 3}],
    "CliffWalk": [{"width": 4, "height": 3}, {"width": 4, "height": 3, "slip": 0.2}],
    "LineKey": [{"length": 10, "zone": 2, "keys": 2, "max_steps": 6}],
    "Tamper": [{"size": 3, "tasks": 1, "effort": 1, "stage": k} for k in range(5)],
    "TwentyQuestions": [{"hypotheses": 4, "features": 3}],
}
# where every step pays, or cars move by themselves, so that no action leaves all as it was: the tests of these games
# compare masks with rules written anew
ELSEWHERE = ("TwoUsers", "TrafficGrid")
# what records the last step, beside the header (clock and random numbers): no action is worth sending for it
RECORDS = {"event", "aux", "last"}
# where an action that is left out does what the next action does: a set takes the next free element for one that it has
STAND_INS = {"AdditiveSet"}
STEPS = 150
variants = pytest.mark.parametrize(
    ("name", "keywords"), [(n, k) for n, found in CASES.items() for k in found], ids=lambda x: str(x).replace("'", "")
)


class Trial:
    """Plays a game of one seat, and tries every action of a state, one in each copy of a batch."""

    def __init__(self, name, keywords):
        keywords = {"max_steps": 30} | keywords
        size = payoff.multi_agent_vec(f"payoff/{name}-v0", 1, **keywords).num_actions
        self.env = payoff.multi_agent_vec(f"payoff/{name}-v0", size, autoreset_mode="disabled", **keywords)
        engine = self.env.engine
        self.layout, self.params, self.game = engine.shape.layout, engine.rows[0], engine.game
        kept = [c for c in range(HEADER, self.layout.size) if self.layout.name_of(c) not in RECORDS]
        self.what_counts = np.array(kept)
        self.actions = np.arange(size, dtype=float).reshape(-1, 1, 1)

    def begin(self, seed):
        self.env.reset(seed=seed)
        return self.env.engine.state[0].copy()

    def at(self, row):
        """Put the state into all copies; its mask."""
        state = np.repeat(row[None], len(self.actions), axis=0)
        self.env.restore(replace(self.env.snapshot(), state=state))
        masks = self.env.action_masks()[:, 0]
        assert (masks == masks[0]).all()
        return masks[0]

    def successors(self, row):
        """For each outcome of chance: rows after every action, payoffs, and whether the game is over."""
        chance = self.game.chance
        outcomes = [None] if chance is None else np.flatnonzero(chance(self.params) > 0.0).tolist()
        for outcome in outcomes:
            start = row.copy()
            if outcome is not None:
                start[self.layout.column("forced")] = outcome + 1
            self.at(start)
            _, _, terminated, _, info = self.env.step(self.actions)
            yield self.env.engine.state.copy(), info["payoff"][:, 0], terminated, info


def test_every_mask_is_tried():
    masked = {i for i in registry.GAMES if registry.load(i).rules.mask is not None}
    assert masked == {f"payoff/{name}-v0" for name in (*CASES, *ELSEWHERE)}


def useful(trial, name, row):
    """Which actions are worth sending, found by sending them: they change the state, end the episode or are paid."""
    found = np.zeros(len(trial.actions), bool)
    for after, paid, terminated, info in trial.successors(row):
        np.testing.assert_array_equal(info["action_mask"], trial.env.action_masks())
        own = after[:, trial.what_counts]
        if name in STAND_INS:
            found |= (own != np.roll(own, -1, axis=0)).any(axis=1)
        else:
            found |= (own != row[trial.what_counts]).any(axis=1) | terminated | (paid > 0.0)
    return found


@pytest.mark.parametrize("name", CASES)
def test_exactly_what_is_useless_is_left_out(name):
    rng, left_out = np.random.default_rng(0), 0
    for keywords in CASES[name]:
        trial, over = Trial(name, keywords), 0
        row = trial.begin(1)
        for _ in range(STEPS):
            mask = trial.at(row)
            np.testing.assert_array_equal(mask, useful(trial, name, row), err_msg=f"{keywords}")
            left_out += (~mask).sum()
            k = rng.choice(np.flatnonzero(mask)) if over % 2 == 0 else rng.integers(len(mask))
            row = next(trial.successors(row))[0][k]
            if row[trial.layout.column("over")] != 0.0:
                assert trial.at(row).any()
                over += 1
                row = trial.begin(None)
        assert over > 0
    assert left_out > 0


@pytest.mark.parametrize("info", ["full", "minimal"])
def test_before_the_first_reset_there_is_nothing_to_mask(info):
    room = "payoff/KeyRoom-v0"
    for env in (
        gym.make(room, info=info).unwrapped,
        gym.make_vec(room, num_envs=2, info=info),
        payoff.multi_agent_vec(room, 2, info=info),
    ):
        with pytest.raises(gym.error.ResetNeeded, match=r"KeyRoom-v0: call reset\(\) before action_masks\(\)"):
            env.action_masks()


@variants
def test_the_best_policy_needs_nothing_that_is_left_out(name, keywords):
    trial = Trial(name, keywords)
    for seed in range(3):
        row = trial.begin(seed)
        while row[trial.layout.column("over")] == 0.0:
            k = int(trial.game.policy(trial.params, row)[0])
            assert trial.at(row)[k]
            row = next(trial.successors(row))[0][k]


# -- a game of two seats -----------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True, kw_only=True)
class LampsParams(Params):
    """Keywords of the game below."""

    max_steps: int = 6

    @property
    def horizon(self) -> int:
        return self.max_steps


class Lamp(Seat):
    """A seat's lamp: 0 off, 1 on, 2 broken."""

    lamp: float = whole(0, 2)


@jit
def switch(p: LampsParams, s: Copy, seats: Seats[Lamp], action: Any, payoff: Any) -> bool:
    """Put each lamp where its action says, unless it is broken; any action but 0 and 1 breaks it."""
    for i in range(2):
        if seats[i].lamp < 2.0:
            seats[i].lamp = action[i]
    return False


@jit
def switches(p: LampsParams, s: Copy, seats: Seats[Lamp], i: int, k: int) -> bool:
    """Whether action k changes the lamp of seat i."""
    return seats[i].lamp < 2.0 and seats[i].lamp != k


@jit
def look(p: LampsParams, s: Copy, seats: Seats[Lamp], view: Any, seen: Any) -> None:
    """The own lamp."""
    for v in range(view.shape[0]):
        seen[v, 0] = seats[view[v].seat].lamp / 2.0


LAMPS = Game(
    "tests/Lamps-v0",
    "A lamp for each of two seats.",
    tags=("multi_agent",),
    rules=Rules(
        params=LampsParams,
        state=State(Copy, seats=Lamp),
        step=switch,
        actions=lambda p: 3,
        seats=lambda p: 2,
        mask=switches,
    ),
    sight=numbers(look, ("lamp",), several=True),
    draw=lambda params, s, seats: np.zeros((1, 1, 3), np.uint8),
)
# what each seat does, and what it can do then: 0 off, 1 on, 2 break; a broken lamp leaves nothing, so all is allowed
PLAY = [
    ((), [0, 1, 1], [0, 1, 1]),
    ((1, 0), [1, 0, 1], [0, 1, 1]),
    ((1, 2), [1, 0, 1], [1, 1, 1]),
    ((0, 0), [0, 1, 1], [1, 1, 1]),
]


@pytest.fixture(scope="module")
def lamps():
    payoff.register(LAMPS)
    return LAMPS.id


def told(mask):
    assert mask.dtype == np.int8
    return mask.tolist()


def test_every_view_of_several_seats_tells_each_its_own(lamps):
    batch, pair, turns = payoff.multi_agent_vec(lamps, 2), payoff.parallel_env(lamps), payoff.aec_env(lamps)
    for env in (batch, pair, turns):
        _ = env.reset(seed=0)
    infos, info = pair.reset(seed=0)[1], batch.reset(seed=0)[1]
    for actions, *rows in PLAY:
        if actions:
            info = batch.step(np.array([actions, actions], float)[..., None])[4]
            infos = pair.step(dict(zip(pair.agents, actions, strict=True)))[4]
            for action in actions:
                turns.step(action)
        assert told(info["action_mask"]) == [rows, rows]
        assert batch.action_masks().dtype == bool and (batch.action_masks() == np.array([rows, rows])).all()
        for i, agent in enumerate(pair.possible_agents):
            assert told(infos[agent]["action_mask"]) == told(turns.infos[agent]["action_mask"]) == rows[i]


@pytest.mark.parametrize("info", ["full", "minimal"])
@pytest.mark.parametrize("agent", [0, 1, None], ids=["first seat", "second seat", "joint"])
def test_one_controller_gets_the_masks_of_its_seats(lamps, agent, info):
    """``info="minimal"`` has no entry, and the method answers all the same."""
    chosen = {"control": "joint"} if agent is None else {"agent": agent}
    clock = SimpleNamespace(t=0)
    if agent is not None:
        chosen["partners"] = {1 - agent: lambda seen: np.full((len(seen), 1), PLAY[clock.t][0][1 - agent])}
    single, batch = gym.make(lamps, info=info, **chosen), gym.make_vec(lamps, num_envs=2, info=info, **chosen)
    one, many = single.reset(seed=0)[1], batch.reset(seed=0)[1]
    for t, (actions, *rows) in enumerate(PLAY):
        clock.t = t
        if actions:
            action = np.array(actions) if agent is None else actions[agent]
            one, many = single.step(action)[4], batch.step(np.array([action, action]))[4]
        mask = rows[0] + rows[1] if agent is None else rows[agent]
        assert single.unwrapped.action_masks().tolist() == [bool(k) for k in mask]
        assert batch.action_masks().tolist() == [[bool(k) for k in mask]] * 2
        if info == "full":
            assert told(one["action_mask"]) == mask and told(many["action_mask"]) == [mask, mask]
        else:
            assert "action_mask" not in one and "action_mask" not in many
        if agent is not None:
            assert mask[single.action_space.sample(mask=np.array(mask, np.int8))] == 1


# -- without a mask ----------------------------------------------------------------------------------------------------


def test_a_game_without_a_mask_allows_everything():
    env = gym.make("payoff/DeepSea-v0")
    assert "action_mask" not in env.reset(seed=0)[1]
    assert env.unwrapped.action_masks().tolist() == [True, True]
    assert gym.make_vec("payoff/DeepSea-v0", num_envs=3).action_masks().tolist() == [[True, True]] * 3


def test_levels_are_all_allowed_and_continuous_actions_have_no_mask():
    trust = "payoff/TrustDilemma-v0"
    assert gym.make(trust, actions="discrete:5").unwrapped.action_masks().tolist() == [True] * 5
    assert payoff.multi_agent_vec(trust, 2, actions="discrete:5").action_masks().shape == (2, 2, 5)
    for env in (gym.make(trust).unwrapped, gym.make_vec(trust, num_envs=2), payoff.multi_agent_vec(trust, 2)):
        with pytest.raises(ValueError, match=r"actions='native' has no masks, 'discrete:K' has"):
            env.action_masks()
