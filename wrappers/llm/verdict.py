"""Whether an expression is fit for use in an environment: what can be found out by playing at random.

A reward may be well written and still mislead. What following it would cost is known where the game has an exact model:
:mod:`payoff.calibration.compare.proposal` says that, in findings of the same form.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from typing import Any, Literal, TypeAlias

import numpy as np

from payoff.envs.core.params import check_integer, check_number, check_word
from payoff.wrappers.adapters.wrapping import kind_of, wrap
from payoff.wrappers.arguments import check_text
from payoff.wrappers.base import RewardMethod, Transition
from payoff.wrappers.llm.entries import NoEntryError, bind, check_state, observation_names, state_entries, step_entries
from payoff.wrappers.llm.expression import Read
from payoff.wrappers.llm.expression_reward import LIMIT
from payoff.wrappers.llm.reward_text import Program, evaluate, parse, unparse
from payoff.wrappers.rows import Array

__all__ = ["USES", "Finding", "Use", "Verdict", "check_expression"]

Use: TypeAlias = Literal["potential", "reward", "added"]
USES = ("potential", "reward", "added")


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing that was looked at.

    Attributes:
        name: of the demand, such as ``"finite"``.
        passed: whether it is met; None where it could not be looked at.
        words: what was found, in one line.
        numbers: what was measured, by name.
    """

    name: str
    passed: bool | None
    words: str
    numbers: Mapping[str, float] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Verdict:
    """All that was found about an expression.

    Attributes:
        text: the expression, with indices in place of names; as it was given, where it cannot be read.
        use: as a ``"potential"``, as the ``"reward"``, or ``"added"`` to it.
        findings: in the order in which they were looked at; after one that makes the rest pointless there are no more.
    """

    text: str
    use: str
    findings: tuple[Finding, ...]

    @property
    def passed(self) -> bool:
        """Whether no demand failed."""
        return all(finding.passed is not False for finding in self.findings)

    @property
    def usable(self) -> bool:
        """Whether there is a value at every step that was played."""
        return all(finding.passed for finding in self.findings if finding.name in ("parses", "reads", "finite"))

    def as_dict(self) -> dict[str, Any]:
        """JSON values: the fields and ``passed``; ``numbers`` of a finding where there are any."""
        findings = [
            {key: value for key, value in asdict(finding).items() if key != "numbers" or value}
            for finding in self.findings
        ]
        return {**asdict(self), "findings": findings, "passed": self.passed}


def check_expression(
    env: Any,
    text: str,
    *,
    use: Use = "potential",
    names: Sequence[str] | None = None,
    limit: float = LIMIT,
    steps: int = 2000,
    seed: int = 0,
) -> Verdict:
    """Read an expression and evaluate it along uniformly random play.

    Demands, by name:

    - ``parses``: it is of the language, and for a potential a function of the state;
    - ``reads``: what it reads is there;
    - ``finite``: it has a value at every step;
    - ``deterministic``: it has the same value when asked again, and for one step as for many at once;
    - ``bounded``: values lie in [-limit, limit], so that nothing is cut off;
    - ``varies``: not all values are the same.

    Args:
        env: a Gymnasium ``VectorEnv`` in next-step autoreset mode, with full infos; it is reset, played and left open.
        text: the expression, or a Python function.
        use: what for.
        names: of the numbers of an observation; None: what the environment says.
        limit: largest size that a value should have, above 0.
        steps: least number of steps that are played, all copies together.
        seed: of starts and actions.

    Raises:
        TypeError: ``text`` is no text, or ``env`` no VectorEnv.
        ValueError: another argument is out of its range.
    """
    check_text("text", text)
    check_word("use", use, USES)
    check_number("limit", limit, 0.0, open_low=True)
    check_integer("steps", steps, 1, 10_000_000)
    check_integer("seed", seed, 0)
    if kind_of(env) != "vector":
        raise TypeError(f"env must be a gymnasium VectorEnv, got {type(env).__name__}")
    try:
        tree = parse(text)
        if use == "potential":
            check_state(tree)
    except ValueError as error:
        return Verdict(text, use, (Finding("parses", False, str(error)),))
    parses = Finding("parses", True, f"{tree.size} part{'s' * (tree.size > 1)}")
    try:
        tree = bind(tree, observation_names(env) if names is None else names)
    except ValueError as error:
        return Verdict(text, use, (parses, Finding("reads", False, str(error))))
    trial = _Trial(tree, of_state=use == "potential")
    _play(env, trial, steps, seed)
    return Verdict(unparse(tree), use, (parses, *_findings(trial, limit)))


class _Trial(RewardMethod):
    """Evaluates an expression at every step, keeps the values, and leaves the reward alone; stops at an error."""

    def __init__(self, tree: Program, *, of_state: bool) -> None:
        self.tree, self.of_state = tree, of_state
        self.values: list[Array] = []
        self.steps = 0
        self.repeats = True
        self.error: ValueError | None = None

    def __call__(self, t: Transition) -> Array:
        """The reward as it is."""
        self.steps += int(np.count_nonzero(t.active))
        mask = t.active & ~t.terminated if self.of_state else t.active  # no potential is asked of a terminal state
        if self.error is None and mask.any():
            try:
                self._ask(state_entries(t.next_obs, t.info) if self.of_state else step_entries(t), mask)
            except ValueError as error:
                self.error = error
        return t.reward.copy()

    def _ask(self, read: Callable[[Read], Array], mask: Array) -> None:
        found = evaluate(self.tree, read, mask)
        one = np.flatnonzero(mask)[0]
        alone = evaluate(self.tree, read, np.arange(len(mask)) == one)
        again = evaluate(self.tree, read, mask)
        self.repeats &= bool(np.array_equal(found, again) and alone[one] == found[one])
        self.values.append(found[mask])


def _play(env: Any, trial: _Trial, steps: int, seed: int) -> None:
    """Uniformly random play, to the first error at the latest."""
    wrapped: Any = wrap(env, trial)
    wrapped.action_space.seed(seed)
    wrapped.reset(seed=seed)
    while trial.steps < steps and trial.error is None:
        wrapped.step(wrapped.action_space.sample())


def _findings(trial: _Trial, limit: float) -> tuple[Finding, ...]:
    if isinstance(trial.error, NoEntryError):
        return (Finding("reads", False, str(trial.error)),)
    reads = Finding("reads", True, "all that it reads is there")
    if trial.error is not None:
        return (reads, Finding("finite", False, str(trial.error)))
    if not trial.values:
        return (reads, Finding("finite", None, f"every one of {trial.steps} steps ended its episode"))
    values = np.concatenate(trial.values)
    values += 0.0  # no -0
    low, high, beyond = values.min(), values.max(), np.count_nonzero(np.abs(values) > limit)
    return (
        reads,
        Finding("finite", True, f"at {len(values)} steps of random play"),
        Finding(
            "deterministic", trial.repeats, "the same when asked again" if trial.repeats else "differs when asked again"
        ),
        Finding(
            "bounded",
            not beyond,
            f"from {low:.4g} to {high:.4g}"
            + (f"; beyond {limit:g}, where it is cut off, at {beyond} of {len(values)} steps" if beyond else ""),
            {"least": float(low), "most": float(high)},
        ),
        Finding("varies", bool(low < high), "not constant" if low < high else f"{low:.4g} at every step"),
    )
