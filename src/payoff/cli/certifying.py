"""``payoff certify``: what social dilemma does one step of a game pose, if any?"""

from __future__ import annotations

import json
import math
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import tyro

from payoff.cli.shared import UserError, assignments, console, user_errors

if TYPE_CHECKING:
    from payoff.envs.stage import StageCertificate

__all__ = ["Certify"]


@dataclass(frozen=True)
class Certify:
    """Say what social dilemma a game of several players poses: Nash equilibrium, optimum, greed and fear, and W(s).

    W(s) is the welfare, in payoffs, where players end up who keep a share s of their payoff and give the rest to the
    others (the reward self_interest:s): from s = 1, selfish, to 1/n, where all have one goal. Everything is about one
    step from the start of an episode, by the game's own rules; what that step does to later ones is left out.

    Examples:
        payoff certify TrustDilemma-v0
        payoff certify PublicGoods-v0 --params n_agents=8 --out results/public_goods.png
        payoff certify my_package.games:mine/Commons-v0 --levels 51 --json
    """

    id: Annotated[str, tyro.conf.Positional, tyro.conf.arg(metavar="ID")]
    """environment id; the namespace payoff/ may be left out, and package.module: before it is imported first"""
    levels: int = 21
    """actions of each player on which searches begin, at least 11"""
    out: Path | None = None
    """file of a figure, .png or .svg: welfare where all do the same, and W(s)"""
    json: bool = False
    """print JSON"""
    params: tuple[str, ...] = ()
    """game parameters, name=value"""

    def run(self) -> int:
        """See :class:`payoff.cli.Command`."""
        with user_errors():
            self._check_figure()
            from payoff.envs.stage import certify_stage

            found = certify_stage(self.id, self.levels, **assignments("params", self.params))
            self._draw(found)
        if self.json:
            print(json.dumps(_plain(found.record()), indent=2, allow_nan=False))
            return 0
        screen = console()
        screen.print(f"{found.id}: one step from the start of an episode, in payoffs\n", soft_wrap=True)
        for title, text in _lines(found):
            screen.print(f"{title:18}{text}".rstrip(), soft_wrap=True)
        if self.out is not None:
            screen.print(f"\nfigure: {self.out}", soft_wrap=True)
        return 0

    def _check_figure(self) -> None:
        """Before the work: the figure can be drawn, and its form is known."""
        if self.out is None:
            return
        from payoff.calibration.compare.figure import FORMS
        from payoff.extras import require

        if self.out.suffix[1:].lower() not in FORMS:
            raise UserError(f"--out must be a file that ends in .{' or .'.join(FORMS)}, got {self.out}")
        require("matplotlib", "train")

    def _draw(self, found: StageCertificate) -> None:
        if self.out is None:
            return
        from payoff.baselines.stage_figure import stage_figure
        from payoff.calibration.compare.figure import encode
        from payoff.files import write_atomically

        figure = stage_figure(found.id.rpartition("/")[2], found.game, found.nash, found.optimum, found.curve)
        self.out.parent.mkdir(parents=True, exist_ok=True)
        write_atomically(self.out, encode(figure, self.out.suffix[1:].lower()))


def _plain(value: Any) -> Any:
    """What JSON can hold: NaN is null."""
    if isinstance(value, dict):
        return {key: _plain(entry) for key, entry in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(entry) for entry in value]
    return None if isinstance(value, float) and math.isnan(value) else value


def _lines(found: StageCertificate) -> list[tuple[str, str]]:
    """What is printed: title and text."""
    game, curve, n = found.game, found.curve, found.game.n_players
    alike = "alike" if game.symmetric else "not alike"
    lines = [("verdict", found.verdict), ("", ""), ("players", f"{n}, {alike}")]
    if found.nash is None:
        lines.append(("Nash", "no pure equilibrium was found"))
    else:
        lines.append(("Nash", f"{_profile(found.nash)}; residual {found.nash.gain:.2g}"))
        if found.best_nash is not None and found.best_nash.welfare > found.nash.welfare + game.tolerance:
            lines.append(("best Nash", f"{_profile(found.best_nash)}; residual {found.best_nash.gain:.2g}"))
    lines.append(("optimum", f"{_profile(found.optimum)}; leaving it alone gains {found.optimum.gain:.2g}"))
    if found.price_of_anarchy is not None:
        lines.append(("price of anarchy", f"{found.price_of_anarchy:.6g} (welfare at the optimum over that at Nash)"))
    if found.lost is not None:
        safe = f"{float(game.safe.sum()):.6g}"
        lines.append(
            ("lost", f"{_percent(found.lost)} of what the optimum pays above what all can make sure of, {safe}")
        )
    if (between := found.dilemma) is not None:
        numbers = (between.temptation, between.reward, between.punishment, between.sucker)
        trps = ", ".join(f"{name} {x:.6g}" for name, x in zip("TRPS", numbers, strict=True))
        lines.append(("", ""))
        lines.append(("kind", f"{between.kind}, between Nash (defect) and optimum (cooperate), mean over players"))
        lines.append(("  payoffs", f"{trps}; greed T - R {between.greed:.4g}, fear P - S {between.fear:.4g}"))
        if n == 2:
            lines.append(("  together", f"2 R {'>' if between.together else '<='} T + S"))
        else:
            lines.append(("  together", f"one defector {'lowers' if between.together else 'does not lower'} welfare"))
        lines.append(("Schelling", f"others who cooperate  {_row(range(n))}"))
        lines.append(("", f"a cooperator is paid  {_row(between.cooperate)}"))
        lines.append(("", f"a defector is paid    {_row(between.defect)}"))
    lines.append(("", ""))
    shown = range(0, len(curve.s), max(1, (len(curve.s) - 1) // 4))
    lines.append(("self-interest s", _row(curve.s[shown])))
    lines.append(("  W(s), worst", _row(curve.worst[shown])))
    lines.append(("  W(s), best", _row(curve.best[shown])))
    if found.mutuality is not None:
        m, worst, best = found.mutuality
        lines += [("mutuality m", _row(m)), ("  W(m), worst", _row(worst)), ("  W(m), best", _row(best))]
    largest = max((g for g in curve.gain.tolist() if not math.isnan(g)), default=0.0)
    lines.append(("residual", f"at most {largest:.2g} is gained by leaving one of these equilibria alone"))
    if curve.slope is not None:
        lines.append(("slope of W at 1", f"{curve.slope:.4g} per unit of s"))
    s_95 = "none" if curve.s_95 is None else f"{curve.s_95:.4g}"
    lines.append(("s_95", f"{s_95}: largest s at which W is 95 % of the way from Nash to the optimum"))
    lines.append(("thresholds", _thresholds(found)))
    return lines


def _thresholds(found: StageCertificate) -> str:
    if found.s_eq is None:
        return f"none: the optimum is an equilibrium at no s above 1/{found.game.n_players}"
    parts = [f"the optimum is an equilibrium up to s_eq = {found.s_eq:.4g}"]
    if found.thresholds is not None:
        parts.append(f"cooperating is dominant up to s_dom = {_level(found.thresholds.s_dom)}")
        parts.append(f"with transfers of one's choice everybody can keep g = {_level(found.thresholds.kept)}")
    return "; ".join(parts)


def _level(s: float | None) -> str:
    return "none" if s is None else f"{s:.4g}"


def _percent(share: float) -> str:
    return f"{100.0 * share:.3g} %"


def _profile(profile: Any) -> str:
    return f"actions {_row(profile.actions)}; welfare {profile.welfare:.6g}"


def _row(numbers: Any) -> str:
    shown = [f"{x:.6g}" for x in numbers]
    return ", ".join(shown if len(shown) <= 12 else (*shown[:8], f"... ({len(shown) - 8} more)"))
