"""The only list of environments: ids, and where their games live. Importing it imports no game and no numba.

A game of another package joins it with :func:`register`, and is then an environment like the others: in every view, by
``gym.make``, and in every command that has imported its module.
"""

from __future__ import annotations

import difflib
import importlib
import re
from typing import TYPE_CHECKING, Any

import gymnasium as gym
import pettingzoo

if TYPE_CHECKING:
    from payoff.envs.core.game import Game

__all__ = ["GAMES", "full_id", "ids", "load", "register", "register_all"]

GAMES = {
    "payoff/TrustDilemma-v0": "payoff.envs.coopetition.trust_dilemma:V0",
    "payoff/PartnerHoldUp-v0": "payoff.envs.coopetition.partner_hold_up:V0",
    "payoff/PlatformEcosystem-v0": "payoff.envs.coopetition.platform_ecosystem:V0",
    "payoff/DynamicPartnerSelection-v0": "payoff.envs.coopetition.dynamic_partner_selection:V0",
    "payoff/RecoveryRace-v0": "payoff.envs.coopetition.recovery_race:V0",
    "payoff/SynergySearch-v0": "payoff.envs.coopetition.synergy_search:V0",
    "payoff/SLCD-v0": "payoff.envs.coopetition.slcd:V0",
    "payoff/RenaultNissan-v0": "payoff.envs.coopetition.renault_nissan:V0",
    "payoff/CooperativeNegotiation-v0": "payoff.envs.coopetition.cooperative_negotiation:V0",
    "payoff/ReputationMarket-v0": "payoff.envs.coopetition.reputation_market:V0",
    "payoff/TeamProduction-v0": "payoff.envs.coopetition.team_production:V0",
    "payoff/LoyaltyTeam-v0": "payoff.envs.coopetition.loyalty_team:V0",
    "payoff/CoalitionFormation-v0": "payoff.envs.coopetition.coalition_formation:V0",
    "payoff/ApacheProject-v0": "payoff.envs.coopetition.apache_project:V0",
    "payoff/PublicGoods-v0": "payoff.envs.coopetition.public_goods:V0",
    "payoff/ReciprocalDilemma-v0": "payoff.envs.coopetition.reciprocal_dilemma:V0",
    "payoff/GiftExchange-v0": "payoff.envs.coopetition.gift_exchange:V0",
    "payoff/IndirectReciprocity-v0": "payoff.envs.coopetition.indirect_reciprocity:V0",
    "payoff/GraduatedSanction-v0": "payoff.envs.coopetition.graduated_sanction:V0",
    "payoff/AppleAppStore-v0": "payoff.envs.coopetition.apple_app_store:V0",
    "payoff/KeyRoom-v0": "payoff.envs.sparse.key_room:V0",
    "payoff/MultiRoom-v0": "payoff.envs.sparse.multi_room:V0",
    "payoff/Chain-v0": "payoff.envs.sparse.chain:V0",
    "payoff/CorridorStar-v0": "payoff.envs.sparse.corridor_star:V0",
    "payoff/FourRooms-v0": "payoff.envs.sparse.four_rooms:V0",
    "payoff/LineKey-v0": "payoff.envs.sparse.line_key:V0",
    "payoff/GridNav-v0": "payoff.envs.sparse.grid_nav:V0",
    "payoff/SparseMountainCar-v0": "payoff.envs.sparse.mountain_car:V0",
    "payoff/WatchRepair-v0": "payoff.envs.sparse.watch_repair:V0",
    "payoff/CoinLine-v0": "payoff.envs.sparse.coin_line:V0",
    "payoff/HyperGrid-v0": "payoff.envs.sparse.hyper_grid:V0",
    "payoff/AdditiveSet-v0": "payoff.envs.sparse.additive_set:V0",
    "payoff/Minesweeper-v0": "payoff.envs.sparse.minesweeper:V0",
    "payoff/DeepSea-v0": "payoff.envs.sparse.deep_sea:V0",
    "payoff/CliffWalk-v0": "payoff.envs.sparse.cliff_walk:V0",
    "payoff/SparseCartPole-v0": "payoff.envs.sparse.cart_pole:V0",
    "payoff/Bifurcation-v0": "payoff.envs.sparse.bifurcation:V0",
    "payoff/FillerSteps-v0": "payoff.envs.sparse.filler_steps:V0",
    "payoff/Sudoku-v0": "payoff.envs.sparse.sudoku:V0",
    "payoff/TwentyQuestions-v0": "payoff.envs.sparse.twenty_questions:V0",
    "payoff/NoisyTesting-v0": "payoff.envs.sparse.noisy_testing:V0",
    "payoff/RedundantArm-v0": "payoff.envs.sparse.redundant_arm:V0",
    "payoff/HardMaze-v0": "payoff.envs.sparse.hard_maze:V0",
    "payoff/Delivery-v0": "payoff.envs.sparse.delivery:V0",
    "payoff/RepeatBandit-v0": "payoff.envs.sparse.repeat_bandit:V0",
    "payoff/RepeatMaze-v0": "payoff.envs.sparse.repeat_maze:V0",
    "payoff/Tamper-v0": "payoff.envs.sparse.tamper:V0",
    "payoff/Curling-v0": "payoff.envs.sparse.curling:V0",
    "payoff/RouteDrive-v0": "payoff.envs.sparse.route_drive:V0",
    "payoff/CarBall-v0": "payoff.envs.sparse.car_ball:V0",
    "payoff/TwoUsers-v0": "payoff.envs.sparse.two_users:V0",
    "payoff/TrafficGrid-v0": "payoff.envs.sparse.traffic_grid:V0",
    "payoff/Congestion-v0": "payoff.envs.social.congestion:V0",
}


_ADDED: dict[str, Game[Any]] = {}  # games of other packages


def ids() -> list[str]:
    """All environment ids, in the order of the list; those of other packages come last."""
    return [*GAMES, *_ADDED]


def register(game: Game[Any]) -> None:
    """Add a game of another package; the same game again changes nothing.

    Registers its id with Gymnasium and PettingZoo as well. A worker process that starts empty knows only what it
    imports: name the module in the id, ``gym.make("my_games:mine/Lock-v0")``.

    Args:
        game: its record; the id is ``namespace/Name-vN``, with a namespace other than ``payoff``.

    Raises:
        TypeError: no Game.
        ValueError: an id of another form, or one that another game has.
    """
    from payoff.envs.core.game import Game

    if not isinstance(game, Game):
        raise TypeError(f"game must be a Game, got {type(game).__name__}")
    if not re.fullmatch(r"(?!payoff/)[\w-]+/[A-Za-z0-9]+-v\d+", game.id):
        raise ValueError(f"game.id must be namespace/Name-vN with a namespace of your own, got {game.id!r}")
    if _ADDED.get(game.id, game) is not game:
        raise ValueError(f"game.id must be new, got {game.id!r}, which another game has")
    _ADDED[game.id] = game
    _register(game.id)


def full_id(env_id: str) -> str:
    """The id itself; the namespace ``payoff/`` may be left out.

    As in Gymnasium, ``package.module:namespace/Name-v0`` imports the module first, which registers the game; the id
    keeps that part, so that another process can do the same.

    Raises:
        ValueError: an unknown id, with the nearest known one, or there is no such module.
    """
    module, colon, name = env_id.rpartition(":")
    if colon:
        try:
            importlib.import_module(module)
        except ModuleNotFoundError as error:
            if error.name and not f"{module}.".startswith(f"{error.name}."):
                raise  # the module is there; one that it imports is not
            raise ValueError(f"environment {env_id}: there is no module {error.name}") from error
    full = name if "/" in name else f"payoff/{name}"
    if full in GAMES or full in _ADDED:
        return module + colon + full
    near = difflib.get_close_matches(full, ids(), n=1, cutoff=0.4)
    hint = f" (did you mean {near[0]!r}?)" if near else ""
    raise ValueError(f"unknown environment {env_id!r}{hint}; known: {', '.join(ids())}")


def load(env_id: str) -> Game[Any]:
    """Game of an id; the first call imports its module, and with it numba.

    Raises:
        ValueError: an unknown id.
    """
    full = full_id(env_id).rpartition(":")[2]
    if full in _ADDED:
        return _ADDED[full]
    module, _, attribute = GAMES[full].partition(":")
    game: Game[Any] = getattr(importlib.import_module(module), attribute)
    return game


def register_all() -> None:
    """Register every id with Gymnasium and PettingZoo; running it again changes nothing."""
    for env_id in GAMES:
        _register(env_id)


def _register(env_id: str) -> None:
    if env_id not in gym.registry:
        gym.register(
            id=env_id,
            entry_point="payoff.envs.views.env:GameEnv",
            vector_entry_point="payoff.envs.views.vector:GameVectorEnv",
            kwargs={"game": env_id},
        )
    if hasattr(pettingzoo, "register"):  # since 1.27
        for kind, entry_point in _PETTINGZOO.items():
            if env_id not in getattr(pettingzoo, f"{kind}_registry"):
                pettingzoo.register(kind, env_id, entry_point, kwargs={"game": env_id})


_PETTINGZOO = {"parallel": "payoff.envs.views.parallel:GameParallelEnv", "aec": "payoff.envs.views.aec:aec_env"}
