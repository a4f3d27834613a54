"""Every public constructor and builder refuses what it cannot use, and names the argument."""

import inspect

import gymnasium as gym
import numpy as np
import pytest

import payoff.wrappers as w
from payoff.envs.mdp import MDP
from payoff.wrappers import Count, DynamicsModel, Edge, GuidanceReward, Labels, Schedule, WeightedSum
from payoff.wrappers.llm.labellers import InOrder, ScriptedLabeller


def zero(*args):
    return np.zeros(1)


PHI = w.from_info("progress")
GAMMA = {"gamma": 0.9, "on_truncation": "terminal"}
MACHINE = w.reward_machine([Edge("a", "k", "b", 1.0)], initial="a", terminal=["b"])
LABELS = Labels({"k": lambda t: t.reward > 0})
TEAM = {"utility": zero, "counterfactual": zero}
BANDIT = MDP(
    states=np.zeros((1, 1)),
    next_state=np.zeros((1, 2, 1), dtype=int),
    probability=np.ones((1, 2, 1)),
    reward=np.array([[[0.0], [1.0]]]),
    initial=np.ones(1),
    terminal=np.zeros(1, dtype=bool),
)
TABLES = {
    "symbols": ("k",),
    "states": ("a",),
    "initial": 0,
    "next_state": np.zeros((1, 2), dtype=int),
    "reward": np.zeros((1, 2)),
    "terminal": np.zeros(1, dtype=bool),
    "final": np.zeros(1),
    "edge": np.full((1, 2), -1),
}
TEACHER = w.Teacher(BANDIT, np.zeros((1, 1)), 0.9)
LABELLER = ScriptedLabeller(InOrder(("a",)))
VALID = {
    "BlendForm": {"inputs": 5, "actions": 3},
    "Cleaning": {},
    "HierarchyLearning": {},
    "NetworkSettings": {},
    "PreferenceLearning": {},
    "VariationalSettings": {},
    "AdaptiveTeacher": {"program": w.InformativeProgram(TEACHER)},
    "AnnealedReward": {"signal": "progress", "schedule": Schedule("constant")},
    "BeBold": {},
    "BonusLearning": {},
    "BonusReward": {"bonus": Count()},
    "BootstrappedShaping": {"value": zero, "eta": 0.1, **GAMMA},
    "CaptionBonus": {"captions": zero, "values": w.LabelRetrieval(LABELLER, "a goal")},
    "CalibratedNoisyReward": {"judge": "a", "pattern": "b", "threshold": 0.5, "lift": 0.1},
    "Ceiling": {"limit": 1.0},
    "Chebyshev": {"weights": [1.0, 2.0], "ideal": [0.0, 0.0]},
    "ClipDelta": {"scores": "s"},
    "ClippedScores": {"scores": "s", "threshold": 0.5},
    "CompletionReward": {},
    "Count": {},
    "CounterfactualPotential": {**TEAM, **GAMMA},
    "DRiP": {**TEAM, "potential": PHI, **GAMMA},
    "DelayReward": {},
    "DifferenceReward": TEAM,
    "DifferentialReward": {},
    "DistancePotential": {"distance": zero, "length": 1.0},
    "DistanceReward": {"distance": "d", "length": 1.0},
    "Distillation": {},
    "DynamicsModel": {"num_actions": 3},
    "E3B": {},
    "Edge": {"source": "a", "guard": "k", "target": "b"},
    "EarnedPotential": {"bonus": Count(), **GAMMA},
    "EpisodeLearning": {},
    "ExplorationGuided": {"num_actions": 2, "gamma": 0.9},
    "Factors": {"factors": ["obs[0]"]},
    "FineGrainedReward": {"weights": [1.0, 2.0], "segments": ["step", "episode"]},
    "FirstVisit": {},
    "FlipReward": {"rate": 0.1, "per": "step", "seed": 0},
    "GoalDifference": {"offence": PHI, "defence": PHI},
    "GroupPreference": {},
    "GuidanceReward": {},
    "HardRule": {"signal": "s"},
    "ICM": {"model": DynamicsModel(num_actions=3)},
    "ImplicitStepRewards": {"num_actions": 3},
    "InformationGain": {"probability": "p"},
    "InformativeProgram": {"teacher": TEACHER},
    "KinestheticPotential": {"parts": [PHI, PHI]},
    "KinestheticReward": {"parts": ["a", "b"]},
    "Labels": {"events": {"k": zero}},
    "LabelClassifier": {"labeller": LABELLER, "goal": "a goal"},
    "LabelRanking": {"labeller": LABELLER, "goal": "a goal"},
    "LabelRetrieval": {"labeller": LABELLER, "goal": "a goal"},
    "LengthPenalty": {},
    "LinearDecomposition": {"features": zero},
    "LogSum": {"weights": [1.0], "shift": [1.0]},
    "LookAheadAdvice": {"advice": zero, **GAMMA},
    "LookBackAdvice": {"advice": zero, "gamma": 0.9},
    "MachineReward": {"machine": MACHINE, "labels": LABELS},
    "MethodPerAgent": {"methods": {"agent_0": w.Ceiling(1.0)}},
    "MinForm": {"scores": "s"},
    "NamedScreen": {"names": ["seat[1,1]", "seat[1,2]"]},
    "NetworkDecomposition": {"features": zero},
    "NoisyReward": {"std": 1.0, "seed": 0},
    "NormalisedCredit": {"score": zero},
    "NovelD": {},
    "OutcomeCalibrated": {"scores": "s"},
    "PaidBonus": {"bonus": Count()},
    "PatternReward": {"patterns": ["a", "b"]},
    "PotentialShaping": {"potential": PHI, **GAMMA},
    "PreferenceAsReward": {"reference": 1.0, "at": "end"},
    "PrefixTreeValues": {},
    "ProverProgress": {"values": zero, "gamma": 0.9},
    "RIDE": {"model": DynamicsModel(num_actions=3)},
    "RND": {},
    "ReturnNeutralBonus": {"bonus": Count(), "gamma": 0.9, "delay": 1, "on_truncation": "terminal"},
    "RewardMachine": TABLES,
    "RobustEnsembleBatch": {"mu": "m", "nominal_weight": 0.5, "min_over": "batch"},
    "RobustEnsembleReward": {"heads": ["a", "b"], "nominal_weight": 0.5},
    "Rudder": {"features": zero},
    "RunningReward": {"kind": "clip", "at": "step"},
    "Scale": {"bonus": Count(), "factor": 1.0},
    "Schedule": {"kind": "linear", "steps": 3.0},
    "SoftFactor": {"signal": "s"},
    "StepFeatures": {},
    "StepTruth": {"expressions": ["terminated"]},
    "StepwiseProgress": {"decomposition": GuidanceReward()},
    "SubgoalBonus": {"screen": zero, "labeller": LABELLER, "goal": "a goal", "subgoals": ["a"]},
    "SuggestionBonus": {"screen": zero, "labeller": LABELLER, "goal": "a goal", "phrases": ["a"], "captions": zero},
    "TableReward": {"obs": np.zeros((1, 1)), "table": np.zeros((1, 2))},
    "Teacher": {"mdp": BANDIT, "obs": np.zeros((1, 1)), "gamma": 0.9},
    "TeamSpirit": {"teams": [0, 0, 1]},
    "Thresholded": {"thresholds": [1.0], "weights": [1.0]},
    "TrustWeighted": {"signal": "s", "schedule": Schedule("constant"), "threshold": 0.5},
    "TrustedReward": {"signal": "s", "schedule": Schedule("constant"), "threshold": 0.5},
    "UnflipReward": {"rate": 0.1, "per": "step"},
    "UtilityOfMeanReturn": {"gradient": zero, "size": 2, "gamma": 0.9, "start": [0.0, 0.0]},
    "UtilityOfReturn": {"function": WeightedSum([1.0]), "gamma": 0.9, "learner_gamma": 0.9},
    "VectorReward": {"function": WeightedSum([1.0, 1.0]), "size": 2},
    "WeightedChecks": {},
    "WeightedSum": {"weights": [1.0, 2.0]},
    "explicable_reward": {"teacher": TEACHER},
    "from_info": {"key": "k"},
    "from_table": {"values": [1.0, 2.0]},
    "from_value": {"value": zero},
    "global_times_episodic": {},
    "hierarchical_advantages": {
        "rewards": np.zeros(3),
        "switches": np.zeros(3, dtype=bool),
        "low_values": np.zeros(3),
        "high_values": np.zeros(3),
        "gamma": 0.9,
        "lam_low": 0.9,
        "lam_high": 0.9,
    },
    "implicit_rewards": {"log_prob": np.zeros((3, 1)), "log_reference": np.zeros((3, 1)), "beta": 0.1},
    "jitted": {"function": zero},
    "key_from_info": {"key": "k"},
    "leave_out": {"utility": zero},
    "lexicographic_argmax": {"values": np.zeros((3, 2))},
    "lexicographic_sum": {"ranges": [1.0, 1.0], "steps": [0.1, 0.1]},
    "ltlf_machine": {"formula": "F k"},
    "machine_potential": {"machine": MACHINE, "gamma": 0.9},
    "normalise_credit": {
        "scores": np.zeros((3, 1, 2)),
        "returns": np.zeros(1),
        "valid": np.ones((3, 1), dtype=bool),
    },
    "one_hot": {"states": 3},
    "preferred": {"first": np.zeros((2, 2)), "second": np.zeros((2, 2))},
    "q_init_from_potential": {"potential": [1.0, 2.0]},
    "replace_by": {"utility": zero, "default": 0},
    "reward_machine": {"edges": [Edge("a", "k", "b", 1.0)], "initial": "a"},
}
# bases and records, which check nothing, and what takes a whole environment or batch, which has tests of its own
ELSEWHERE = {
    *("BatchInfo", "Bonus", "EpisodeBatch", "RewardMethod", "RewardTransform", "RowMethod", "Team", "Transition"),
    *("MultiAgentVecRewardWrapper", "MultiObjective", "ParallelRewardWrapper", "RewardWrapper", "VectorRewardWrapper"),
    *("ExplicableDesign", "WrapperSnapshot"),
    # learned rewards and preferences: tests/wrappers/learned and tests/wrappers/preference
    *("LearnedReward", "LinearReward", "NetworkReward", "RewardBlend", "load_reward", "save_reward"),
    *("Answers", "Factor", "FeatureTask", "HierarchicalPreferenceReward", "LinearFit", "OptimalValues"),
    *("PolicyLibrary", "PreferenceReward", "Preferences", "RewardEnsemble", "Segments", "SimulatedAnnotator"),
    *("StepInputs", "VariationalPreferences", "VerifiedProxyReward", "adjusted_rand_index", "append_answer"),
    *("begin_answers", "compare_ranked", "draw_pairs", "feature_task", "fit_partial_return", "fit_regret", "judge"),
    *("observed_values", "policy_library", "preference_strength", "read_preferences"),
    # expressions and captions: tests/wrappers/llm
    *("captions_from_info", "check_factor", "observation_names"),
    *("ExpressionReward", "Finding", "Verdict", "check_expression", "from_expression"),
    *("augment", "branch_advantages", "crm_transitions", "from_simulation", "simulate", "total_payoff", "wrap"),
    *("total_reward", "table_values", "truth_probability", "RolloutValues", "caption_is", "Product", "Sum"),
}
ANYTHING = {("replace_by", "default"), ("Edge", "reward")}  # an action of any form; checked by reward_machine
NOTHING = object()
BAD = [
    *(None, "", "abc", b"x", True, NOTHING, int, 1 + 2j, np.complex128(1j)),
    *(float("nan"), float("inf"), -float("inf"), -1, -1.5, 0, 2.5, 10**30, 1e300),
    *([], [0.5], ["a", 1], [None], [[1], [1, 2]], [10**400], (), (1, 2, 3, 4, 5, 6, 7), range(3), {1, 2}),
    *({}, {"a": 1}, {1: None}),
    *(np.zeros(0), np.zeros((2, 2, 2)), np.array([np.nan, 1]), np.array([1j, 2]), np.array(["a", "b"])),
]


def test_every_public_name_is_here_or_has_tests_of_its_own():
    assert set(VALID) | ELSEWHERE == set(w.__all__)
    assert not set(VALID) & ELSEWHERE


@pytest.mark.parametrize("name", VALID)
def test_bad_values_are_refused_with_the_name_of_an_argument(name):
    make = getattr(w, name)
    make(**VALID[name])
    names = [p.name for p in inspect.signature(make).parameters.values() if p.kind is not p.VAR_KEYWORD]
    told = [*names, *{"Labels": ["symbols"], "FineGrainedReward": ["segment"]}.get(name, [])]
    for argument in names:
        refused = 0
        for value in BAD:
            try:
                make(**{**VALID[name], argument: value})
            except (TypeError, ValueError) as error:
                refused += 1
                assert any(word in str(error) for word in told), (argument, value, error)
                assert "ambiguous" not in str(error), (argument, value, error)
        assert refused > 3 or (name, argument) in ANYTHING, (argument, "takes anything")


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: w.TeamSpirit(0.5), r"teams must be a sequence of whole numbers, the team of each seat, got 0\.5"),
        (lambda: w.TeamSpirit("ab"), "teams must be a sequence of whole numbers, the team of each seat, got 'ab'"),
        (lambda: w.WeightedSum(2.0), r"weights must be a sequence of numbers, got 2\.0"),
        (lambda: w.BonusLearning(hidden=64), "hidden must be a sequence of whole numbers, got 64"),
        (lambda: w.RobustEnsembleReward(1.0, nominal_weight=0.5), r"heads must be a sequence of signals, got 1\.0"),
        (lambda: w.MethodPerAgent([w.Ceiling(1.0)]), "methods must be a dict of RewardMethods, got"),
        (lambda: w.MethodPerAgent({}, default="x"), "default must be a RewardMethod, got str"),
        (lambda: w.FlipReward(0.1, per="group", seed=0, group="g"), "group must be a function"),
        (lambda: w.Labels(["k"]), "events must be a dict of functions of a transition"),
    ],
)
def test_scalars_where_several_are_meant(make, message):
    with pytest.raises(TypeError, match=message):
        make()


def test_a_list_of_a_million_entries_is_not_printed_whole():
    with pytest.raises(ValueError, match="values must hold real numbers") as caught:
        w.from_table(["a"] * 10**6)
    assert len(str(caught.value)) < 300


# -- what functions and environments hand over while playing ---------------------------------------------------


def shaped(potential):
    return w.PotentialShaping(potential, gamma=0.9, on_truncation="terminal")


@pytest.mark.parametrize(
    ("potential", "message"),
    [
        (lambda obs, info: 1.0, r"must return finite numbers of shape \(1,\), got shape \(\); it is given R rows at"),
        (lambda obs, info: obs[0], r"of shape \(1,\), got shape \(2,\); it is given R rows at once, obs \(R, \.\.\.\)"),
        (lambda obs, info: np.array([1j]), r"potential .* must hold real numbers, got array\(\[0\.\+1\.j\]\)"),
        (lambda obs, info: ["high"], r"potential .* must hold real numbers, got \['high'\]"),
        (lambda obs, info: None, "potential .* must hold real numbers, got None"),
    ],
)
def test_potentials_of_one_row_and_of_no_real_numbers(potential, message, walk):
    with pytest.raises(ValueError, match=message):
        w.wrap(walk(), shaped(potential)).reset(seed=0)


class Paying(gym.Env):
    observation_space = gym.spaces.Box(0, 1, (2,))
    action_space = gym.spaces.Discrete(2)

    def __init__(self, reward):
        self.reward = reward

    def reset(self, *, seed=None, options=None):
        super().reset(seed=seed)
        return np.zeros(2, dtype=np.float32), {}

    def step(self, action):
        return np.zeros(2, dtype=np.float32), self.reward, False, False, {}


@pytest.mark.parametrize("reward", [1j, np.complex128(2.0), "1.5", None, [1.0, 2.0], np.array([1j])])
def test_rewards_that_are_no_real_numbers(reward):
    env = w.wrap(Paying(reward), w.Ceiling(1.0))
    env.reset(seed=0)
    with pytest.raises(ValueError, match=r"reward must (hold|be one) real number"):
        env.step(0)


@pytest.mark.parametrize("reward", [2, np.float32(2.0), np.array(2.0), np.array([2.0]), np.int8(2)])
def test_rewards_that_are(reward):
    env = w.wrap(Paying(reward), w.Ceiling(1.0))
    env.reset(seed=0)
    assert env.step(0)[1] == 1.0


def test_a_method_that_gives_complex_rewards(walk):
    class Turning(w.RewardMethod):
        def __call__(self, t):
            return t.reward * 1j

    env = w.wrap(walk(), Turning())
    env.reset(seed=0)
    with pytest.raises(ValueError, match="what Turning returns must hold real numbers"):
        env.step(0)


def test_options_must_be_a_dict(walk, sync):
    env = w.wrap(sync(walk, 2), w.Ceiling(1.0))
    with pytest.raises(TypeError, match="options must be a dict or None, got 'abc'"):
        env.reset(options="abc")


# -- bonuses on observations that are no arrays ----------------------------------------------------------------


class Seeing(gym.Env):
    """Shows a sample of its observation space."""

    action_space = gym.spaces.Discrete(2)

    def __init__(self, space):
        self.observation_space = space

    def reset(self, *, seed=None, options=None):
        super().reset(seed=seed)
        return self.observation_space.sample(), {}

    def step(self, action):
        return self.observation_space.sample(), 0.0, False, False, {}


TEXT = gym.spaces.Text(8, min_length=1, seed=0)
BONUSES = {
    "RND": lambda encode: w.RND(w.Distillation(encode=encode)),
    "ICM": lambda encode: w.ICM(DynamicsModel(num_actions=2, encode=encode)),
    "E3B": lambda encode: w.E3B(encode),
}


def lengths(obs):
    """Of each text, be they an array, Gymnasium's tuple, or an entry of a dict."""
    texts = obs["text"] if isinstance(obs, dict) else obs
    return np.array([[len(str(text))] for text in texts], dtype=np.float64)


@pytest.mark.parametrize("space", [TEXT, gym.spaces.Dict({"text": TEXT})], ids=["text", "dict"])
@pytest.mark.parametrize("name", BONUSES)
def test_networks_ask_for_an_encoding_of_texts(name, space):
    with pytest.raises(ValueError, match=r"observations must hold real numbers.*give the bonus encode="):
        w.wrap(Seeing(space), w.BonusReward(BONUSES[name](None))).reset(seed=0)
    env = w.wrap(Seeing(space), w.BonusReward(BONUSES[name](lengths)))
    env.reset(seed=0)
    assert np.isfinite(env.step(0)[1])


def test_counts_ask_for_a_key_of_texts_in_a_batch(sync):
    batch = sync(lambda: Seeing(TEXT), 2)
    with pytest.raises(ValueError, match=r"must return an array of 2 rows.*see key="):
        w.wrap(batch, w.BonusReward(Count())).reset(seed=0)
    env = w.wrap(sync(lambda: Seeing(TEXT), 2), w.BonusReward(Count(lambda obs, info: np.array(obs))))
    env.reset(seed=0)
    assert (env.step(np.zeros(2, dtype=int))[1] > 0.0).all()
