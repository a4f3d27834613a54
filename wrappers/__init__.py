"""Shaping wrappers: they add to or replace a reward and leave the game as it is.

A method (:class:`RewardMethod`) is a batched function of a :class:`Transition`; :func:`wrap` puts it around a Gymnasium
``Env`` or ``VectorEnv``, a PettingZoo ``ParallelEnv``, or a multi-agent batch::

    env = wrap(env, PotentialShaping(from_info("progress"), gamma=0.99, on_truncation="bootstrap"))

A :class:`RewardTransform` rewrites the rewards of finished episodes; trainers take one as ``transform=``.

- ``potential``: shaping that keeps optimal policies, advice, return-neutral bonuses;
- ``transforms``: bounded, clipped, annealed, noisy, robust, calibrated rewards;
- ``bonus``: exploration bonuses and how they combine;
- ``redistribution``: delayed rewards, return decomposition, process rewards;
- ``multi_agent``: difference rewards and counterfactual potentials;
- ``objectives``: reward machines, temporal logic, vectors of rewards, functions of the return.

Names are imported on first use; importing this package imports neither numba, torch nor PettingZoo.
"""

if __name__ != "payoff.wrappers":  # reached as a bare `wrappers` from the repository root
    raise ImportError("import payoff.wrappers, not wrappers")

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from payoff.wrappers.adapters import wrap
    from payoff.wrappers.adapters.multi_agent import MultiAgentVecRewardWrapper
    from payoff.wrappers.adapters.parallel import ParallelRewardWrapper
    from payoff.wrappers.adapters.single import RewardWrapper
    from payoff.wrappers.adapters.vector import VectorRewardWrapper
    from payoff.wrappers.base import RewardMethod, RowMethod, Transition, WrapperSnapshot
    from payoff.wrappers.bonus.base import Bonus
    from payoff.wrappers.bonus.bebold import BeBold
    from payoff.wrappers.bonus.combine import Product, Scale, Sum, global_times_episodic
    from payoff.wrappers.bonus.count import Count
    from payoff.wrappers.bonus.dynamics import DynamicsModel
    from payoff.wrappers.bonus.e3b import E3B
    from payoff.wrappers.bonus.features import one_hot
    from payoff.wrappers.bonus.first_visit import FirstVisit
    from payoff.wrappers.bonus.icm import ICM
    from payoff.wrappers.bonus.keys import key_from_info
    from payoff.wrappers.bonus.learner import Learning
    from payoff.wrappers.bonus.noveld import NovelD
    from payoff.wrappers.bonus.paid import PaidBonus
    from payoff.wrappers.bonus.reward import BonusReward
    from payoff.wrappers.bonus.ride import RIDE
    from payoff.wrappers.bonus.rnd import RND, Distillation
    from payoff.wrappers.multi_agent.counterfactual import CounterfactualPotential
    from payoff.wrappers.multi_agent.difference import DifferenceReward
    from payoff.wrappers.multi_agent.drip import DRiP
    from payoff.wrappers.multi_agent.per_agent import PerAgent
    from payoff.wrappers.multi_agent.simulation import simulate
    from payoff.wrappers.multi_agent.team import Team
    from payoff.wrappers.multi_agent.utility import from_simulation, leave_out, replace_by, total_payoff, total_reward
    from payoff.wrappers.objectives.augment import augment
    from payoff.wrappers.objectives.fine_grained import FineGrainedReward
    from payoff.wrappers.objectives.labels import Labels, caption_is
    from payoff.wrappers.objectives.lexicographic import lexicographic_argmax, lexicographic_sum, preferred
    from payoff.wrappers.objectives.limit_average import DifferentialReward
    from payoff.wrappers.objectives.ltlf import ltlf_machine
    from payoff.wrappers.objectives.machine_reward import MachineReward, crm_transitions, machine_potential
    from payoff.wrappers.objectives.outer import UtilityOfMeanReturn, UtilityOfReturn
    from payoff.wrappers.objectives.reward_machine import Edge, RewardMachine, reward_machine
    from payoff.wrappers.objectives.scalarise import Chebyshev, LogSum, Thresholded, VectorReward, WeightedSum
    from payoff.wrappers.potential.advice import LookAheadAdvice, LookBackAdvice
    from payoff.wrappers.potential.bootstrapped import BootstrappedShaping
    from payoff.wrappers.potential.initial import q_init_from_potential
    from payoff.wrappers.potential.neutral import ReturnNeutralBonus
    from payoff.wrappers.potential.shaping import PotentialShaping, from_info, from_table, from_value, jitted
    from payoff.wrappers.redistribution.base import EpisodeBatch, RewardTransform
    from payoff.wrappers.redistribution.credit import NormalisedCredit, normalise_credit
    from payoff.wrappers.redistribution.delay import DelayReward
    from payoff.wrappers.redistribution.features import StepFeatures
    from payoff.wrappers.redistribution.hierarchical import hierarchical_advantages
    from payoff.wrappers.redistribution.implicit import ImplicitStepRewards, implicit_rewards
    from payoff.wrappers.redistribution.information import InformationGain, truth_probability
    from payoff.wrappers.redistribution.ircr import GuidanceReward
    from payoff.wrappers.redistribution.prefix_tree import PrefixTreeValues, branch_advantages
    from payoff.wrappers.redistribution.progress import StepwiseProgress
    from payoff.wrappers.redistribution.prover import ProverProgress, RolloutValues, table_values
    from payoff.wrappers.redistribution.rd import LinearDecomposition
    from payoff.wrappers.redistribution.rrd import NetworkDecomposition
    from payoff.wrappers.redistribution.rudder import Rudder
    from payoff.wrappers.rows import BatchInfo
    from payoff.wrappers.transforms.annealing import AnnealedReward, Schedule
    from payoff.wrappers.transforms.calibrated import OutcomeCalibrated
    from payoff.wrappers.transforms.clip_delta import ClipDelta, ClippedScores
    from payoff.wrappers.transforms.completion import CompletionReward, HardRule, SoftFactor
    from payoff.wrappers.transforms.distance import DistancePotential, DistanceReward, GoalDifference
    from payoff.wrappers.transforms.kinesthetic import KinestheticPotential, KinestheticReward
    from payoff.wrappers.transforms.limits import Ceiling, LengthPenalty
    from payoff.wrappers.transforms.min_form import MinForm
    from payoff.wrappers.transforms.noise import FlipReward, NoisyReward, UnflipReward
    from payoff.wrappers.transforms.par import GroupPreference, PreferenceAsReward
    from payoff.wrappers.transforms.pattern import CalibratedNoisyReward, PatternReward
    from payoff.wrappers.transforms.robust import RobustEnsembleBatch, RobustEnsembleReward
    from payoff.wrappers.transforms.running import RunningReward
    from payoff.wrappers.transforms.team_spirit import TeamSpirit
    from payoff.wrappers.transforms.trust import TrustedReward, TrustWeighted
    from payoff.wrappers.transforms.weighted_checks import WeightedChecks

__all__ = [
    "E3B",
    "ICM",
    "RIDE",
    "RND",
    "AnnealedReward",
    "BatchInfo",
    "BeBold",
    "Bonus",
    "BonusReward",
    "BootstrappedShaping",
    "CalibratedNoisyReward",
    "Ceiling",
    "Chebyshev",
    "ClipDelta",
    "ClippedScores",
    "CompletionReward",
    "Count",
    "CounterfactualPotential",
    "DRiP",
    "DelayReward",
    "DifferenceReward",
    "DifferentialReward",
    "DistancePotential",
    "DistanceReward",
    "Distillation",
    "DynamicsModel",
    "Edge",
    "EpisodeBatch",
    "FineGrainedReward",
    "FirstVisit",
    "FlipReward",
    "GoalDifference",
    "GroupPreference",
    "GuidanceReward",
    "HardRule",
    "ImplicitStepRewards",
    "InformationGain",
    "KinestheticPotential",
    "KinestheticReward",
    "Labels",
    "Learning",
    "LengthPenalty",
    "LinearDecomposition",
    "LogSum",
    "LookAheadAdvice",
    "LookBackAdvice",
    "MachineReward",
    "MinForm",
    "MultiAgentVecRewardWrapper",
    "NetworkDecomposition",
    "NoisyReward",
    "NormalisedCredit",
    "NovelD",
    "OutcomeCalibrated",
    "PaidBonus",
    "ParallelRewardWrapper",
    "PatternReward",
    "PerAgent",
    "PotentialShaping",
    "PreferenceAsReward",
    "PrefixTreeValues",
    "Product",
    "ProverProgress",
    "ReturnNeutralBonus",
    "RewardMachine",
    "RewardMethod",
    "RewardTransform",
    "RewardWrapper",
    "RobustEnsembleBatch",
    "RobustEnsembleReward",
    "RolloutValues",
    "RowMethod",
    "Rudder",
    "RunningReward",
    "Scale",
    "Schedule",
    "SoftFactor",
    "StepFeatures",
    "StepwiseProgress",
    "Sum",
    "Team",
    "TeamSpirit",
    "Thresholded",
    "Transition",
    "TrustWeighted",
    "TrustedReward",
    "UnflipReward",
    "UtilityOfMeanReturn",
    "UtilityOfReturn",
    "VectorReward",
    "VectorRewardWrapper",
    "WeightedChecks",
    "WeightedSum",
    "WrapperSnapshot",
    "augment",
    "branch_advantages",
    "caption_is",
    "crm_transitions",
    "from_info",
    "from_simulation",
    "from_table",
    "from_value",
    "global_times_episodic",
    "hierarchical_advantages",
    "implicit_rewards",
    "jitted",
    "key_from_info",
    "leave_out",
    "lexicographic_argmax",
    "lexicographic_sum",
    "ltlf_machine",
    "machine_potential",
    "normalise_credit",
    "one_hot",
    "preferred",
    "q_init_from_potential",
    "replace_by",
    "reward_machine",
    "simulate",
    "table_values",
    "total_payoff",
    "total_reward",
    "truth_probability",
    "wrap",
]

_NAMES = {  # module -> its names
    "adapters": "wrap",
    "adapters.multi_agent": "MultiAgentVecRewardWrapper",
    "adapters.parallel": "ParallelRewardWrapper",
    "adapters.single": "RewardWrapper",
    "adapters.vector": "VectorRewardWrapper",
    "base": "RewardMethod RowMethod Transition WrapperSnapshot",
    "bonus.base": "Bonus",
    "bonus.bebold": "BeBold",
    "bonus.combine": "Product Scale Sum global_times_episodic",
    "bonus.count": "Count",
    "bonus.dynamics": "DynamicsModel",
    "bonus.e3b": "E3B",
    "bonus.features": "one_hot",
    "bonus.first_visit": "FirstVisit",
    "bonus.icm": "ICM",
    "bonus.keys": "key_from_info",
    "bonus.learner": "Learning",
    "bonus.noveld": "NovelD",
    "bonus.paid": "PaidBonus",
    "bonus.reward": "BonusReward",
    "bonus.ride": "RIDE",
    "bonus.rnd": "Distillation RND",
    "multi_agent.counterfactual": "CounterfactualPotential",
    "multi_agent.difference": "DifferenceReward",
    "multi_agent.drip": "DRiP",
    "multi_agent.per_agent": "PerAgent",
    "multi_agent.simulation": "simulate",
    "multi_agent.team": "Team",
    "multi_agent.utility": "from_simulation leave_out replace_by total_payoff total_reward",
    "objectives.augment": "augment",
    "objectives.fine_grained": "FineGrainedReward",
    "objectives.labels": "Labels caption_is",
    "objectives.lexicographic": "lexicographic_argmax lexicographic_sum preferred",
    "objectives.limit_average": "DifferentialReward",
    "objectives.ltlf": "ltlf_machine",
    "objectives.machine_reward": "MachineReward crm_transitions machine_potential",
    "objectives.outer": "UtilityOfMeanReturn UtilityOfReturn",
    "objectives.reward_machine": "Edge RewardMachine reward_machine",
    "objectives.scalarise": "Chebyshev LogSum Thresholded VectorReward WeightedSum",
    "potential.advice": "LookAheadAdvice LookBackAdvice",
    "potential.bootstrapped": "BootstrappedShaping",
    "potential.initial": "q_init_from_potential",
    "potential.neutral": "ReturnNeutralBonus",
    "potential.shaping": "PotentialShaping from_info from_table from_value jitted",
    "redistribution.base": "EpisodeBatch RewardTransform",
    "redistribution.credit": "NormalisedCredit normalise_credit",
    "redistribution.delay": "DelayReward",
    "redistribution.features": "StepFeatures",
    "redistribution.hierarchical": "hierarchical_advantages",
    "redistribution.implicit": "ImplicitStepRewards implicit_rewards",
    "redistribution.information": "InformationGain truth_probability",
    "redistribution.ircr": "GuidanceReward",
    "redistribution.prefix_tree": "PrefixTreeValues branch_advantages",
    "redistribution.progress": "StepwiseProgress",
    "redistribution.prover": "ProverProgress RolloutValues table_values",
    "redistribution.rd": "LinearDecomposition",
    "redistribution.rrd": "NetworkDecomposition",
    "redistribution.rudder": "Rudder",
    "rows": "BatchInfo",
    "transforms.annealing": "AnnealedReward Schedule",
    "transforms.calibrated": "OutcomeCalibrated",
    "transforms.clip_delta": "ClipDelta ClippedScores",
    "transforms.completion": "CompletionReward HardRule SoftFactor",
    "transforms.distance": "DistancePotential DistanceReward GoalDifference",
    "transforms.kinesthetic": "KinestheticPotential KinestheticReward",
    "transforms.limits": "Ceiling LengthPenalty",
    "transforms.min_form": "MinForm",
    "transforms.noise": "FlipReward NoisyReward UnflipReward",
    "transforms.par": "GroupPreference PreferenceAsReward",
    "transforms.pattern": "CalibratedNoisyReward PatternReward",
    "transforms.robust": "RobustEnsembleBatch RobustEnsembleReward",
    "transforms.running": "RunningReward",
    "transforms.team_spirit": "TeamSpirit",
    "transforms.trust": "TrustWeighted TrustedReward",
    "transforms.weighted_checks": "WeightedChecks",
}
_WHERE = {name: module for module, names in _NAMES.items() for name in names.split()}


def __getattr__(name: str) -> Any:
    if name not in _WHERE:
        raise AttributeError(f"module 'payoff.wrappers' has no attribute {name!r}")
    return getattr(importlib.import_module(f"payoff.wrappers.{_WHERE[name]}"), name)


def __dir__() -> list[str]:
    return sorted([*globals(), *_WHERE])
