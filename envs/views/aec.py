"""PettingZoo ``AECEnv``: seats move one after another, and later movers see what earlier ones did.

A round is the same joint step as in the parallel view; what the order changes is information. An observation is the
parallel observation followed by one block of N x A revealed actions: the share of the action range that a seat has
chosen in the running round (own seat first), -1 where it has not moved yet or where the observation setting hides
actions.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Literal

import gymnasium as gym
import numpy as np
from pettingzoo import AECEnv
from pettingzoo.utils import wrappers

from payoff.envs.core.params import check_integer, check_number
from payoff.envs.core.state import Array
from payoff.envs.views import common
from payoff.envs.views.actions import NUMERIC
from payoff.envs.views.drawing import METADATA, Drawn
from payoff.envs.views.info import Captioned
from payoff.envs.views.parallel import agent_infos
from payoff.envs.views.snapshot import Snapshot

__all__ = ["AECSnapshot", "GameAECEnv", "aec_env"]

_METADATA: dict[str, Any] = {**METADATA, "is_parallelizable": True, "name": "payoff_aec"}


@dataclass(frozen=True, slots=True)
class AECSnapshot:
    """A round in progress.

    Attributes:
        batch: the game.
        order: seats in the order they move.
        raw: ``(1, N, A)`` actions of the seats that have moved in this round; of the others, their lower bounds.
        moved: number of seats that have moved.
        live: agents that are alive.
        rewards: what each live agent got at the last call.
        cumulative: reward that each live agent has not collected yet.
        selection: agent that moves next.
        after_dead: agent that moves once the dead ones are gone (PettingZoo's own bookkeeping).
    """

    batch: Snapshot
    order: tuple[int, ...]
    raw: Array
    moved: int
    live: tuple[str, ...]
    rewards: tuple[float, ...]
    cumulative: tuple[float, ...]
    selection: str
    after_dead: str | None


class GameAECEnv(Drawn, Captioned, common.Rebuilt, AECEnv):
    """All seats of a game, moving in turn.

    Args:
        game: environment id.
        order: the agents in the order they move, numbers or names; None is seat order.
        reward: reward layer, name or function; None is the game's default.
        observe: observation setting.
        actions: ``"native"``, ``"unit"`` or ``"discrete:K"``; None is the game's default.
        clip_actions: clip actions to their bounds instead of raising.
        info: ``"full"``, ``"minimal"`` for payoff and rewards only, or ``"published"`` for what the published code
            reported as well (published games only).
        max_cycles: rounds after which an episode is truncated, where that is before the game's own horizon.
        render_mode: None, ``"rgb_array"`` or ``"human"`` (needs the extra ``play``).
        **parameters: the game's own keywords.

    Raises:
        TypeError: an unknown keyword.
        ValueError: a value that is not allowed.
    """

    metadata = _METADATA

    def __init__(
        self,
        game: str,
        *,
        order: Sequence[int | str] | None = None,
        reward: Any = None,
        observe: Any = "full",
        actions: str | None = None,
        clip_actions: bool = False,
        info: Literal["full", "minimal", "published"] = "full",
        max_cycles: int | None = None,
        render_mode: str | None = None,
        **parameters: Any,
    ) -> None:
        super().__init__()
        common.check_choice("render_mode", render_mode, [None, *_METADATA["render_modes"]])
        self.engine = common.build_engine(
            type(self),
            game,
            parameters,
            1,
            reward=reward,
            observe=observe,
            actions=actions,
            clip_actions=clip_actions,
            info=info,
            limit=max_cycles,
        )
        engine = self.engine
        n = engine.shape.n_agents
        self.metadata = {**_METADATA, "name": engine.game.id}
        self.full_info = info != "minimal"
        self.render_mode = render_mode
        self.possible_agents = common.agent_names(n)
        if order is not None and not isinstance(order, list | tuple):
            raise ValueError(f"order must be a list of agents, got {order!r}")
        self._order = list(range(n)) if order is None else [common.seat_index(a, n) for a in order]
        if sorted(self._order) != list(range(n)):
            raise ValueError(f"order must name each of {self.possible_agents} once, got {list(order or [])}")
        self._revealed_size = n * engine.shape.action_size
        low, high = engine.plan.bounds
        revealed = np.ones(self._revealed_size, np.float32)
        space = gym.spaces.Box(np.concatenate([low, -revealed]), np.concatenate([high, revealed]))
        self.observation_spaces = dict.fromkeys(self.possible_agents, space)
        self.action_spaces = {a: engine.format.space(i) for i, a in enumerate(self.possible_agents)}
        self.state_space = gym.spaces.Box(0.0, 1.0, (engine.global_size,), np.float32)
        self._started = False
        self._skip_agent_selection: str | None = None

    def observation_space(self, agent: str) -> gym.Space[Any]:
        """Observation space of an agent; the same object on every call."""
        return self.observation_spaces[agent]

    def action_space(self, agent: str) -> gym.Space[Any]:
        """Action space of an agent; the same object on every call."""
        return self.action_spaces[agent]

    def reset(self, seed: int | None = None, options: dict[str, Any] | None = None) -> None:
        """Start an episode; see :meth:`payoff.envs.views.parallel.GameParallelEnv.reset`."""
        groups = common.start_groups(options, 1, others_allowed=True)
        seeds = common.copy_seeds(seed, 1)
        if seeds[0] is None and not self._started:
            seeds = [int(np.random.SeedSequence().generate_state(1)[0])]
        if seeds[0] is not None:
            self.engine.seed(0, seeds[0])
        self._started = True
        self._seen = self.engine.reset(groups=groups)[0]
        self._begin(self.possible_agents, moved=0)
        self._cumulative_rewards = dict.fromkeys(self.agents, 0.0)
        self._skip_agent_selection = None
        self.show_if_human()

    def _begin(self, live: Sequence[str], moved: int) -> None:
        self.agents = list(live)
        self._moved = moved
        self._raw = self.engine.format.low[None].copy()
        self.rewards = dict.fromkeys(self.agents, 0.0)
        terminated, truncated = (bool(flag) and not self.engine.running for flag in self.engine.ended[0])
        self.terminations = dict.fromkeys(self.agents, terminated)
        self.truncations = dict.fromkeys(self.agents, truncated)
        infos = agent_infos(self)
        self.infos = {a: infos[a] for a in self.agents}
        if self.agents:
            self.agent_selection = self._mover()

    def _mover(self) -> str:
        waiting = [self.possible_agents[i] for i in self._order[self._moved :]]
        return next(a for a in waiting if a in self.agents)

    def step(self, action: Any) -> None:
        """Action of ``agent_selection``; the round is played when the last seat has moved.

        Args:
            action: its action, or None for an agent whose episode is over.

        Raises:
            ValueError: a live agent sends None or a bad action; nothing has changed.
        """
        if not self._started or not self.agents:
            raise gym.error.ResetNeeded(f"{self.engine.game.id}: no episode is running, call reset() before step()")
        agent = self.agent_selection
        if self.terminations[agent] or self.truncations[agent]:
            self._was_dead_step(action)
            return
        engine = self.engine
        seat = self.possible_agents.index(agent)
        if action is None:
            raise ValueError(f"{engine.game.id}: {agent} is alive, its action must not be None")
        raw = self._raw.copy()
        raw[0, seat] = engine.format.read(action, (engine.shape.action_size,), f"{engine.game.id} {agent}")
        engine.check_raw(raw)
        closes = self._moved + 1 == len(self.possible_agents)
        if closes:  # first of all: a user's reward function may raise, and then nobody has moved
            engine.raw[...] = raw
            self._seen = engine.advance()[0]
        self._raw = raw
        self._cumulative_rewards[agent] = 0.0
        self._clear_rewards()
        if closes:
            self._close_round()
        else:
            self._moved += 1
        self.agent_selection = self._mover()

    def _close_round(self) -> None:
        self._begin(self.agents, moved=0)
        self.rewards = {a: self.engine.reward.item(i) for i, a in enumerate(self.possible_agents)}
        self._accumulate_rewards()
        self.show_if_human()

    def observe(self, agent: str) -> Array:
        """Parallel observation of an agent, then the actions revealed so far in this round; float32.

        Raises:
            gymnasium.error.ResetNeeded: before the first reset.
        """
        if not self._started:
            raise gym.error.ResetNeeded(f"{self.engine.game.id}: call reset() before observe()")
        seat = self.possible_agents.index(agent)
        return np.concatenate([self._seen[seat], self._revealed(seat)])

    def _revealed(self, seat: int) -> Array:
        engine = self.engine
        n = engine.shape.n_agents
        shown = np.full((n, engine.shape.action_size), -1.0, dtype=np.float32)
        moved = set(self._order[: self._moved]) if engine.plan.sees_actions else set()
        low, high = engine.format.low, engine.format.high
        for at, i in enumerate([seat, *(j for j in range(n) if j != seat)]):
            if i in moved:
                shown[at] = np.clip((self._raw[0, i] - low[i]) / (high[i] - low[i]), 0.0, 1.0)
        return shown.ravel()

    def state(self) -> Array:
        """Everything, for centralised critics: ``(S,)`` float32 in [0, 1], whatever the observation setting."""
        state: Array = self.engine.global_state()[0]
        return state

    def snapshot(self) -> AECSnapshot:
        """Copy of everything that the next step depends on, the round in progress included."""
        batch = self.engine.snapshot()
        return AECSnapshot(
            batch,
            tuple(self._order),
            self._raw.copy(),
            self._moved,
            tuple(self.agents),
            tuple(self.rewards[a] for a in self.agents),
            tuple(self._cumulative_rewards[a] for a in self.agents),
            self.agent_selection,
            self._skip_agent_selection,
        )

    def restore(self, snapshot: AECSnapshot) -> None:
        """Go back to a snapshot.

        Raises:
            TypeError: no snapshot of this view.
            ValueError: it is of another game, other parameters or another order, or holds what none can hold; nothing
                has changed.
        """
        if not isinstance(snapshot, AECSnapshot):
            raise TypeError(f"snapshot must be an AECSnapshot, got {type(snapshot).__name__}")
        raw = self._checked(snapshot)
        self._seen = self.engine.restore(snapshot.batch)[0]
        self._started = True
        self._begin(snapshot.live, snapshot.moved)
        self._raw = raw
        self.rewards = dict(zip(snapshot.live, snapshot.rewards, strict=True))
        self._cumulative_rewards = dict(zip(snapshot.live, snapshot.cumulative, strict=True))
        self.agent_selection = snapshot.selection
        self._skip_agent_selection = snapshot.after_dead

    def _checked(self, snapshot: AECSnapshot) -> Array:
        """Actions of the round ``(1, N, A)``; ValueError where a part is not what this view can hold."""
        engine, names = self.engine, self.possible_agents
        if not isinstance(snapshot.batch, Snapshot):
            raise ValueError(f"snapshot.batch must be a Snapshot, got {type(snapshot.batch).__name__}")
        snapshot.batch.check(engine)
        if snapshot.order != tuple(self._order):
            raise ValueError(f"snapshot.order must be {tuple(self._order)}, got {snapshot.order!r}")
        check_integer("snapshot.moved", snapshot.moved, 0, len(names) - 1)
        live = snapshot.live
        if not isinstance(live, tuple) or list(live) != [name for name in names if name in live]:
            raise ValueError(f"snapshot.live must be agents in the order of {names}, got {live!r}")
        for part, given in (("rewards", snapshot.rewards), ("cumulative", snapshot.cumulative)):
            if not isinstance(given, tuple) or len(given) != len(live):
                raise ValueError(f"snapshot.{part} must be {len(live)} numbers, got {given!r}")
            for k, number in enumerate(given):
                check_number(f"snapshot.{part}[{k}]", number, -np.inf)
        for part, agent, allowed in (
            ("selection", snapshot.selection, live or tuple(names)),
            ("after_dead", snapshot.after_dead, (None, *names)),
        ):
            if not any(agent is name or agent == name for name in allowed):
                raise ValueError(f"snapshot.{part} must be one of {allowed}, got {agent!r}")
        raw = snapshot.raw
        if not isinstance(raw, np.ndarray) or raw.dtype.kind not in NUMERIC or raw.shape != engine.raw.shape:
            raise ValueError(f"snapshot.raw must be numbers of shape {engine.raw.shape}, got {raw!r}")
        waiting = self._order[snapshot.moved :]
        raw = raw.astype(np.float64)
        raw[0, waiting] = engine.format.low[waiting]
        engine.check_raw(raw)
        return raw


class _Ordered(wrappers.OrderEnforcingWrapper):
    """PettingZoo's guard against calls out of order, which takes a restored snapshot for a reset."""

    def step(self, action: Any) -> None:
        """See :meth:`GameAECEnv.step`."""
        self._check_started()
        super().step(action)

    def state(self) -> Array:
        """See :meth:`GameAECEnv.state`."""
        self._check_started()
        state: Array = super().state()
        return state

    def _check_started(self) -> None:
        """PettingZoo's guard raises AssertionError."""
        if not self._has_reset:
            raise gym.error.ResetNeeded(f"{self.env.metadata['name']}: call reset() first")

    def restore(self, snapshot: AECSnapshot) -> None:
        """See :meth:`GameAECEnv.restore`."""
        self.env.restore(snapshot)
        self._has_reset = True
        self._has_updated = True


def aec_env(game: str, **keywords: Any) -> AECEnv:
    """AEC view of an id, guarded against calls out of order."""
    return _Ordered(GameAECEnv(game, **keywords))
