"""EXPADARD: its weights by hand, invariance by a second solver, and what it makes of a learner that it watches."""

import numpy as np
import pytest

from payoff.wrappers import AdaptiveTeacher, InformativeProgram, Transition
from tests.wrappers.learned.test_exprd import gaps_kept


def step(teacher, state, action, ended=False, active=True):
    obs = teacher.states.obs[state]
    rows = len(obs)
    over = np.broadcast_to(ended, rows).copy()
    quiet = np.zeros(rows, dtype=bool)
    return Transition(obs, np.array(action), np.ones(rows), obs, quiet, over, {}, np.broadcast_to(active, rows).copy())


def started(method, rows=1):
    method.reset(None, {}, np.ones(rows, dtype=bool))
    return method


@pytest.mark.parametrize("seed", range(100))
def test_what_is_best_stays_best_in_random_games(random_teacher, seed):
    teacher = random_teacher(seed)
    policy = np.random.default_rng([seed, 1]).dirichlet(np.full(3, 0.5), 6)
    reward = InformativeProgram(teacher, fines=seed % 2 == 0).solve(policy)
    least, missed = gaps_kept(teacher, reward)
    assert least >= -5e-6
    assert missed <= 1e-7
    assert np.abs(reward).max() <= 10.0


def test_weights_are_the_derivative_of_the_informativeness(random_teacher):
    """Equation (1) as it stands, and what a small change of each reward adds to it."""
    teacher = random_teacher(7)
    program = InformativeProgram(teacher)
    policy = np.random.default_rng(0).dirichlet(np.ones(3), 6)

    def share(policy):  # discounted visits, summed step by step
        at, total = teacher.initial.copy(), np.zeros(6)
        for t in range(600):
            total += 0.1 * 0.9**t * np.where(teacher.running, at, 0.0)
            at = np.einsum("s,sa,sat->t", at, policy, teacher.transition)
        return total

    both = share(np.eye(3)[teacher.policy]) * share(policy)
    advantage = np.where(teacher.running[:, None], teacher.q - teacher.q.max(axis=1, keepdims=True), 0.0)

    def informativeness(reward):
        total = 0.0
        for s in range(6):
            ahead, told = policy[s] @ advantage[s], policy[s] @ reward[s]
            for a in range(3):
                total += both[s] * policy[s, a] ** 2 * (advantage[s, a] - ahead) * (reward[s, a] - told)
        return total

    found = np.array([[informativeness(np.eye(18)[3 * s + a].reshape(6, 3)) for a in range(3)] for s in range(6)])
    assert program.weights(policy) == pytest.approx(found, abs=1e-12)


def test_optimum_is_above_the_game_and_above_other_rewards_that_keep_what_is_best(random_teacher):
    teacher = random_teacher(3)
    program = InformativeProgram(teacher, l1=0.0, fines=False)
    policy = np.random.default_rng(0).dirichlet(np.ones(3), 6)
    weight = program.weights(policy)
    found = (weight * program.solve(policy)).sum()
    assert found >= (weight * teacher.reward).sum() - 1e-9
    for other in range(3):
        others = program.solve(np.random.default_rng(10 + other).dirichlet(np.ones(3), 6))
        assert found >= (weight * others).sum() - 1e-9


def test_a_learner_is_what_it_did_in_its_last_episodes(corridor):
    """Episodes of one step in cell 0: left, left, right; two are remembered, so the policy there is (1+1)/4 each."""
    seen = []
    method = started(AdaptiveTeacher(InformativeProgram(corridor), every=1, memory=2))
    solve = method.program.solve
    method.program.solve = lambda policy: seen.append(policy.copy()) or solve(policy)
    for action in (0, 0, 1):
        method(step(corridor, [0], [action], ended=True))
    assert seen[0][0] == pytest.approx([2 / 3, 1 / 3])
    assert seen[1][0] == pytest.approx([3 / 4, 1 / 4])
    assert seen[2][0] == pytest.approx([1 / 2, 1 / 2])
    assert seen[2][1:] == pytest.approx(np.full((3, 2), 0.5))


def test_designs_anew_after_so_many_episodes_and_pays_the_table(corridor):
    method = AdaptiveTeacher(InformativeProgram(corridor), every=2)
    designs = iter([1.0, 2.0, 3.0, 4.0])
    method.program.solve = lambda policy: np.full((4, 2), next(designs))
    started(method)
    paid = [method(step(corridor, [0], [1], ended=k % 3 == 2)).item() for k in range(18)]
    assert paid == [1.0] * 6 + [2.0] * 6 + [3.0] * 6  # two episodes of three steps each
    assert method.memory["finished"].tolist() == [6]


def test_rows_of_their_own_do_not_meet(corridor):
    """Two rows in one method with per_row are two methods of one row."""
    rng = np.random.default_rng(1)
    program = InformativeProgram(corridor)
    both = started(AdaptiveTeacher(program, every=1, per_row=True), 2)
    alone = [started(AdaptiveTeacher(program, every=1, per_row=True)) for _ in range(2)]
    for k in range(12):
        state, action = rng.integers(4, size=2), rng.integers(2, size=2)
        paid = both(step(corridor, state, action, ended=k % 3 == 2))
        for row, one in enumerate(alone):
            assert one(step(corridor, state[[row]], action[[row]], ended=k % 3 == 2)).tolist() == [paid[row]]


def test_policy_of_the_learner_is_asked_where_it_is_known(corridor):
    asked = []

    def right(obs):
        asked.append(obs.copy())
        return np.tile([0.1, 0.9], (len(obs), 1))

    program = InformativeProgram(corridor)
    method = started(AdaptiveTeacher(program, every=1, policy=right))
    assert asked[0].tolist() == corridor.states.obs.tolist()
    assert method.memory["table"][0].tolist() == program.solve(np.tile([0.1, 0.9], (4, 1))).tolist()
    with pytest.raises(ValueError, match=r"policy must return probabilities \(4, 2\), got \(4,\)"):
        started(AdaptiveTeacher(program, policy=lambda obs: obs[:, 0]))
    with pytest.raises(ValueError, match="each row summing to 1"):
        started(AdaptiveTeacher(program, policy=lambda obs: np.full((4, 2), np.nan)))


def test_state_goes_on_bit_for_bit(corridor):
    rng = np.random.default_rng(2)
    program = InformativeProgram(corridor)
    one, other = (AdaptiveTeacher(program, every=2, memory=3) for _ in range(2))
    started(one, 2)

    def play(method, rng, steps):
        moves = [(rng.integers(4, size=2), rng.integers(2, size=2), k % 4 == 3) for k in range(steps)]
        return [method(step(corridor, *move)).tolist() for move in moves]

    play(one, rng, 13)
    other.load_state_dict(one.state_dict())
    again = np.random.default_rng(5)
    assert play(one, np.random.default_rng(5), 20) == play(other, again, 20)
    for name, array in one.state_dict().items():
        np.testing.assert_array_equal(array, other.state_dict()[name], strict=True)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"recent": None}, "missing or unknown: recent"),
        ({"finished": np.array([-1])}, "finished must be at least 0, got -1"),
        ({"table": np.full((1, 4, 2), np.nan)}, "table must hold finite numbers"),
        ({"running": np.zeros((3, 4, 2), dtype=int)}, r"running must have shape \(1, 4, 2\)"),
    ],
)
def test_forged_states_are_refused(corridor, change, message):
    method = started(AdaptiveTeacher(InformativeProgram(corridor)))
    state = {k: v for k, v in (method.state_dict() | change).items() if v is not None}
    before = method.state_dict()
    with pytest.raises(ValueError, match=message):
        method.load_state_dict(state)
    assert method.state_dict()["table"].tolist() == before["table"].tolist()


def test_a_program_that_fails_changes_nothing(corridor):
    method = started(AdaptiveTeacher(InformativeProgram(corridor), every=1))
    before = method.state_dict()

    def fail(policy):
        raise ValueError("EXPADARD: the linear program was not solved")

    method.program.solve = fail
    with pytest.raises(ValueError, match="was not solved"):
        method(step(corridor, [0], [1], ended=True))
    for name, array in method.state_dict().items():
        np.testing.assert_array_equal(array, before[name])
    with pytest.raises(ValueError, match="knows 1 rows, got 2: reset comes first"):
        method(step(corridor, [0, 1], [1, 1]))


def test_policies_of_rows_are_told_apart(corridor):
    """One learner that mostly goes right, and one that mostly goes left: each has the design that is its own."""
    program = InformativeProgram(corridor)
    ways = np.array([[0.1, 0.9], [0.9, 0.1]])
    policy = lambda obs: np.repeat(ways[:, None], len(obs), axis=1)  # noqa: E731
    method = started(AdaptiveTeacher(program, per_row=True, policy=policy), 2)
    for row in range(2):
        assert method.memory["table"][row].tolist() == program.solve(np.tile(ways[row], (4, 1))).tolist()
