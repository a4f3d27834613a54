"""``payoff check-reward``: whether an expression or a function is fit to be a reward, or a potential, somewhere."""

from __future__ import annotations

import json
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

import tyro

from payoff.cli.shared import assignments, console, printable, user_errors

if TYPE_CHECKING:
    from payoff.wrappers import Verdict

__all__ = ["CheckReward"]


@dataclass(frozen=True)
class CheckReward:
    """Say whether a text is fit to be a potential or a reward; the exit status is 1 where a demand fails.

    The text is an expression, or a Python function as in docs/llm/functions.md. It is read, and evaluated along random
    play; on tabular games of one player an exact model says as well whether it can be farmed, and what following it
    costs in payoff. Nothing is trained, and Python runs nothing of the text.

    Examples:
        payoff check-reward GridNav-v0 --expression "obs.x+obs.y"
        payoff check-reward GridNav-v0 --expression "next_obs.x>obs.x" --use reward
        payoff check-reward GridNav-v0 --file reward.py --use reward
        payoff check-reward SparseMountainCar-v0 --expression "abs(next_obs.velocity)" --use added --limit 1 --json
    """

    env: Annotated[str, tyro.conf.Positional, tyro.conf.arg(metavar="ENV")]
    """environment id; the namespace payoff/ may be left out"""
    expression: str | None = None
    """such as "1 - abs(obs.position)"; see docs/llm/expressions.md"""
    file: Path | None = None
    """file of the text, in place of --expression"""
    use: Literal["potential", "reward", "added"] = "potential"
    """as a potential, in place of the reward, or added to it"""
    limit: float = 10.0
    """size to which its values are cut"""
    gamma: float = 0.99
    """the learner's discount, in (0, 1)"""
    steps: int = 2000
    """steps of random play"""
    max_states: int = 10_000
    """largest exact model"""
    seed: int = 0
    """seed of the random play"""
    params: tuple[str, ...] = ()
    """game parameters and view settings, name=value"""
    json: bool = False
    """print JSON"""

    def run(self) -> int:
        """See :class:`payoff.cli.Command`."""
        with user_errors():
            found = self.verdict()
        if self.json:
            print(json.dumps(found.as_dict(), indent=2, allow_nan=False))
        else:
            _print(found)
        return 0 if found.passed else 1

    def verdict(self) -> Verdict:
        """All that is found.

        Raises:
            ValueError: an option is out of its range.
        """
        from payoff.baselines import environments
        from payoff.envs.core.params import check_integer, check_number
        from payoff.wrappers import check_expression

        check_number("gamma", self.gamma, 0.0, 1.0, open_low=True, open_high=True)
        check_integer("max_states", self.max_states, 1)
        text = self._text()
        env_id = environments.find(self.env)
        keywords: dict[str, Any] = assignments("params", self.params)
        env = environments.make_vector(env_id, 8, {"info": "full", **keywords})
        try:
            found = check_expression(env, text, use=self.use, limit=self.limit, steps=self.steps, seed=self.seed)
        finally:
            env.close()
        if not found.usable or environments.is_outside(env_id):
            return found
        return replace(found, findings=(*found.findings, *self._exact(text, env_id, keywords)))

    def _text(self) -> str:
        if self.expression is None and self.file is not None:
            try:
                return self.file.read_text(encoding="utf-8")
            except UnicodeDecodeError as error:
                raise ValueError(f"--file must be a text in UTF-8, got {self.file}: {error.reason}") from error
        if self.expression is not None and self.file is None:
            return self.expression
        raise ValueError("there must be either --expression or --file")

    def _exact(self, text: str, env_id: str, keywords: dict[str, Any]) -> Any:
        from payoff.calibration.compare.proposal import exact_findings
        from payoff.envs import registry
        from payoff.wrappers import Finding

        own = {name: x for name, x in keywords.items() if name in registry.load(env_id).params.names()}
        if len(own) < len(keywords):
            others = ", ".join(sorted(keywords.keys() - own.keys()))
            return (Finding("exact", None, f"the exact model is of the game, and not of the view: {others}"),)
        return exact_findings(
            env_id,
            text,
            use=self.use,
            limit=self.limit,
            gamma=self.gamma,
            max_states=self.max_states,
            parameters=own,
        )


def _print(found: Verdict) -> None:
    from rich.table import Table

    screen = console()
    text = printable(found.text, keep="\n")
    screen.print(f"{text}  ({found.use})", soft_wrap=True)
    table = Table("demand", "met", "found", box=None, pad_edge=False, header_style="bold")
    for finding in found.findings:
        met = {True: "yes", False: "NO", None: "-"}[finding.passed]
        table.add_row(finding.name, met, printable(finding.words))
    screen.print(table)
