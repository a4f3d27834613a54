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
- ``objectives``: reward machines, temporal logic, vectors of rewards, functions of the return;
- ``learned``, ``preference``: finished learned rewards; rewards from comparisons of segments;
- ``llm``: rewards and potentials that are a line of text, and what can be found out about one.

Names are imported on first use, and stated in one place, ``__init__.pyi``; importing this package imports neither
numba, torch nor PettingZoo.
"""

if __name__ != "payoff.wrappers":  # reached as a bare `wrappers` from the repository root
    raise ImportError("import payoff.wrappers, not wrappers")

from payoff.lazy import attach

__getattr__, __dir__, __all__ = attach(__name__)
