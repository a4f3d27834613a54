"""The stage game of an environment: what one step from the start of an episode pays, by the game's own kernel.

Every profile of actions is played by a copy of its own, from the same state and with the same random numbers, so the
payoffs are those of the kernel and no formula is typed twice. What the future adds is left out: a step also changes
trust, stocks or reputation, and with them later payoffs. The stage game is the whole game only where nothing is carried
over; elsewhere it says what is at stake in one round, before anything has happened.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from payoff.envs import registry
from payoff.envs.core.game import Game
from payoff.envs.core.params import Params, check_integer
from payoff.envs.core.state import Array
from payoff.envs.rewards.linear import Mutuality
from payoff.envs.theory.stage_game import Curve, Dilemma, Profile, StageGame
from payoff.envs.theory.transfers import Thresholds, thresholds
from payoff.envs.views.engine import bare_engine

__all__ = ["StageCertificate", "certify_stage", "stage_game"]

_HARDLY = 0.01  # share of the optimum's welfare: less than that is hardly a dilemma
_ABOVE = 0.01  # a level of self-interest this close to 1/n is no threshold: gains near an optimum are of second order
_COPIES = 512  # profiles played at once; a few play in a small batch


class _Kernel:
    """Payoffs ``(B, N)`` of profiles ``(B, N)``, each played for one step from the first state of seed 0."""

    def __init__(self, game: Game[Any], params: Params) -> None:
        self._engines = {
            copies: bare_engine(game, params, copies, observe=game.observations[-1]) for copies in (32, _COPIES)
        }
        self._starts = {}
        for copies, engine in self._engines.items():
            for b in range(copies):
                engine.seed(b, 0)
            engine.reset()
            self._starts[copies] = engine.state.copy()

    def __call__(self, profiles: Array) -> Array:
        found = np.empty(profiles.shape)
        copies = 32 if len(profiles) <= 32 else _COPIES
        engine = self._engines[copies]
        for at in range(0, len(profiles), copies):
            part = profiles[at : at + copies]
            engine.state[...] = self._starts[copies]
            engine.raw[: len(part), :, 0] = part
            engine.raw[len(part) :, :, 0] = part[0]  # copies left over
            engine.advance()
            found[at : at + copies] = engine.payoff[: len(part)]
        return found


def stage_game(env_id: str, levels: int = 21, **keywords: Any) -> StageGame:
    """The stage game of an environment of several players, each of whom chooses one number.

    Args:
        env_id: environment.
        levels: actions of each player on which searches begin, equally spaced from the least to the greatest; of whole
            numbers, all are taken.
        **keywords: the game's own.

    Raises:
        ValueError: an unknown id, a game of one player or of several numbers each, fewer than 11 levels, or a keyword
            that is not allowed.
        TypeError: an unknown keyword.
    """
    check_integer("levels", levels, 11)
    game = registry.load(env_id)
    params = game.params.from_keywords(game.id, keywords)
    shape = game.shape(params)
    if shape.n_agents < 2 or shape.action_size != 1:
        raise ValueError(
            f"{game.id} must have at least 2 players who choose one number each to have a stage game, got "
            f"{shape.n_agents} with {shape.action_size}"
        )
    whole = shape.n_actions is not None
    bounds = game.bounds(params)[:, 0]
    grid = tuple(np.linspace(low, high, shape.n_actions or levels) for low, high in bounds)
    kernel = _Kernel(game, params)
    return StageGame(kernel, grid, continuous=not whole, symmetric=_symmetric(kernel, grid))


def _symmetric(kernel: _Kernel, grid: tuple[Array, ...]) -> bool:
    """Whether exchanging neighbours exchanges their payoffs, in 16 profiles drawn at random; that makes all orders."""
    if any(not np.array_equal(levels, grid[0]) for levels in grid):
        return False
    n = len(grid)
    profiles = grid[0][np.random.default_rng(0).integers(len(grid[0]), size=(16, n))]
    payoffs = kernel(profiles)
    for i in range(n - 1):
        order = np.arange(n)
        order[[i, i + 1]] = i + 1, i
        if not np.allclose(kernel(profiles[:, order]), payoffs[:, order], rtol=1e-12, atol=1e-12):
            return False
    return True


@dataclass(frozen=True, slots=True, eq=False)
class StageCertificate:
    """What the stage game of an environment poses.

    Attributes:
        id: environment.
        game: its stage game.
        nash: the worst Nash equilibrium that was found; None where none was.
        best_nash: the best one.
        optimum: the profile of most welfare; its gain is what one player gains by leaving it.
        dilemma: between Nash (to defect) and optimum (to cooperate); None without Nash equilibrium, where it is the
            optimum, and among players who are alike but do not all do the same at one of the two.
        curve: W(s).
        mutuality: levels m of the layer ``mutuality:m`` from 0 to 1, with welfare in payoffs at the worst and at the
            best equilibrium, ``(3, 5)``; None where the game has no dependence.
        s_eq: largest s at which the optimum is an equilibrium; None where it is hardly above 1/n, as at every optimum
            of a smooth game that lies inside the range of actions: there are no thresholds then.
        thresholds: between the actions of ``dilemma``; None where that is, or ``s_eq``, or for more than 10 players who
            are not alike.
    """

    id: str
    game: StageGame
    nash: Profile | None
    best_nash: Profile | None
    optimum: Profile
    dilemma: Dilemma | None
    curve: Curve
    mutuality: Array | None
    s_eq: float | None
    thresholds: Thresholds | None

    @property
    def gap(self) -> float | None:
        """Share of the optimum's welfare that Nash misses; None without Nash equilibrium, or of a welfare of 0."""
        if self.nash is None or self.optimum.welfare == 0.0:
            return None
        return (self.optimum.welfare - self.nash.welfare) / abs(self.optimum.welfare)

    @property
    def lost(self) -> float | None:
        """Share that Nash misses of what the optimum pays above what all can make sure of (``StageGame.safe``).

        Unlike :attr:`gap` it does not depend on an endowment that nobody can lose. None without Nash equilibrium, or
        where there is nothing to be won.
        """
        won = self.optimum.welfare - float(self.game.safe.sum())
        if self.nash is None or won <= self.game.tolerance:
            return None
        return (self.optimum.welfare - self.nash.welfare) / won

    @property
    def price_of_anarchy(self) -> float | None:
        """Welfare at the optimum over that at Nash; None unless both are above 0."""
        if self.nash is None or min(self.nash.welfare, self.optimum.welfare) <= 0.0:
            return None
        return self.optimum.welfare / self.nash.welfare

    @property
    def verdict(self) -> str:
        """One line: whether there is a dilemma, and how large it is."""
        if self.nash is None:
            return "no pure Nash equilibrium was found, so nothing is said of a dilemma"
        missed = self.optimum.welfare - self.nash.welfare
        if missed <= self.game.tolerance:
            return "no dilemma: the worst Nash equilibrium that was found is the optimum"
        share = missed if self.gap is None else 100.0 * self.gap
        told = f"at Nash, {share:.3g} {'(payoff)' if self.gap is None else '%'} of the optimum's welfare is missed"
        if self.gap is not None and self.gap < _HARDLY:
            return f"hardly a dilemma: {told}"
        return f"{self.dilemma.kind if self.dilemma is not None else 'a dilemma'}: {told}"

    def record(self) -> dict[str, Any]:
        """All numbers, in plain lists and dictionaries; what there is not is None, or NaN within a list."""
        between, levels = self.dilemma, self.thresholds
        return {
            "id": self.id,
            "verdict": self.verdict,
            "players": self.game.n_players,
            "alike": self.game.symmetric,
            "nash": _profile(self.nash),
            "best_nash": _profile(self.best_nash),
            "optimum": _profile(self.optimum),
            "safe": self.game.safe.tolist(),
            "gap": self.gap,
            "lost": self.lost,
            "price_of_anarchy": self.price_of_anarchy,
            "dilemma": None
            if between is None
            else {
                "kind": between.kind,
                "T": between.temptation,
                "R": between.reward,
                "P": between.punishment,
                "S": between.sucker,
                "greed": between.greed,
                "fear": between.fear,
                "together": between.together,
                "cooperate": between.cooperate.tolist(),
                "defect": between.defect.tolist(),
            },
            "self_interest": {name: getattr(self.curve, name).tolist() for name in ("s", "worst", "best", "gain")},
            "s_95": self.curve.s_95,
            "slope": self.curve.slope,
            "mutuality": None
            if self.mutuality is None
            else dict(zip(("m", "worst", "best"), self.mutuality.tolist(), strict=True)),
            "s_eq": self.s_eq,
            "thresholds": None
            if levels is None
            else {
                "s_dom": levels.s_dom,
                "s_eq": levels.s_eq,
                "g": levels.kept,
                "T": None if levels.transfer is None else levels.transfer.tolist(),
            },
        }


def _profile(profile: Profile | None) -> dict[str, Any] | None:
    if profile is None:
        return None
    return {
        "actions": profile.actions.tolist(),
        "payoffs": profile.payoffs.tolist(),
        "welfare": profile.welfare,
        "gain": profile.gain,
    }


def certify_stage(env_id: str, levels: int = 21, **keywords: Any) -> StageCertificate:
    """Work out what the stage game of an environment poses; see :func:`stage_game` for arguments and errors."""
    game = stage_game(env_id, levels, **keywords)
    record = registry.load(env_id)
    found, optimum = game.equilibria(), game.optimum
    nash = found[0] if found else None
    s_eq = game.s_eq if game.s_eq > 1.0 / game.n_players + _ABOVE else None
    between = None
    if nash is not None and nash.welfare < optimum.welfare - game.tolerance:
        same = np.ptp(nash.actions) == np.ptp(optimum.actions) == 0.0
        between = game.dilemma(nash.actions, optimum.actions) if same or not game.symmetric else None
    levels_of = None
    if between is not None and nash is not None and s_eq is not None and (game.symmetric or game.n_players <= 10):
        levels_of = thresholds(game, nash.actions, optimum.actions)
    depend = None
    if record.rules.dependence is not None:
        depend = record.dependence(record.params.from_keywords(record.id, keywords))
    return StageCertificate(
        id=record.id,
        game=game,
        nash=nash,
        best_nash=found[-1] if found else None,
        optimum=optimum,
        dilemma=between,
        curve=game.curve(),
        mutuality=None if depend is None else _mutuality(game, depend),
        s_eq=s_eq,
        thresholds=levels_of,
    )


def _mutuality(game: StageGame, depend: Array) -> Array:
    """Levels, and welfare at the worst and the best equilibrium, ``(3, 5)``; NaN where none was found."""
    rows = []
    for m in np.linspace(0.0, 1.0, 5).tolist():
        found = game.equilibria(Mutuality(m).weights(depend[None])[0])
        rows.append([m, *((found[0].welfare, found[-1].welfare) if found else (np.nan, np.nan))])
    return np.array(rows).T
