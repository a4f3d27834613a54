"""The batch that every view drives: B copies of one game, all arrays allocated once.

A view writes actions into ``raw``, calls :meth:`Engine.advance`, and reads ``work``, ``flags`` and the observation.
"""

from __future__ import annotations

import itertools
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any, Literal

import numpy as np
from gymnasium.error import ResetNeeded

from payoff.envs import partners as partner_policies
from payoff.envs import rewards
from payoff.envs.core import layer as layer_rule
from payoff.envs.core import loop, rng
from payoff.envs.core import partner as partner_rule
from payoff.envs.core.game import Game, Kernels
from payoff.envs.core.jit import bind
from payoff.envs.core.params import Params
from payoff.envs.core.state import CLOCK, COUNTER, EPISODE, KEY, NEVER, OVER, Array
from payoff.envs.views import actions as action_formats
from payoff.envs.views.snapshot import Snapshot

__all__ = ["AUTORESET", "Engine", "Snapshot"]

AUTORESET = {"next_step": loop.NEXT_STEP, "same_step": loop.SAME_STEP, "disabled": loop.MANUAL}


class Engine:
    """B copies of a game, with the layer, the partners and the observation wired in.

    Args:
        game: the game.
        rows: parameter records, one for all copies or one each.
        n_copies: B.
        reward: see :func:`payoff.envs.rewards.resolve`; None is the game's default.
        partners: seat -> partner of the seats that are played here; the others wait for actions in ``raw``.
        seats: seats whose observation is built, in this order.
        observe: observation setting.
        actions: action format; None is the game's default.
        clip_actions: clip what lies outside the bounds instead of raising.
        autoreset: what happens to copies whose episode is over.
        published_info: add the published entries to :meth:`features`.
        num_threads: threads that share the batch; results do not depend on it.
    """

    def __init__(
        self,
        game: Game[Any],
        rows: Sequence[Params],
        n_copies: int,
        *,
        reward: Any,
        partners: Mapping[int, partner_policies.Partner | partner_policies.PartnerFunction],
        seats: Sequence[int],
        observe: Any,
        actions: str | None,
        clip_actions: bool,
        autoreset: Literal["next_step", "same_step", "disabled"],
        published_info: bool = False,
        num_threads: int = 1,
    ) -> None:
        self.game = game
        self._more_info = game.more_info if published_info else None
        self.rows = list(rows)
        self.n_copies = n_copies
        self.shape = game.shape(self.rows[0])
        n, size = self.shape.n_agents, self.shape.action_size
        self.params = game.pack(self.rows)
        bounds = np.stack([game.bounds(p) for p in self.rows])
        self.format = action_formats.parse(
            game.default_actions if actions is None else actions, bounds[0], self.shape.n_actions
        )
        self._functions = {i: p for i, p in partners.items() if not isinstance(p, partner_policies.Partner)}
        looked_at = [*seats, *(i for i in self._functions if i not in seats)]
        self.looked_at = {seat: v for v, seat in enumerate(looked_at)}
        self.plan = game.plan(self.rows, looked_at, observe)
        self._global = game.plan(self.rows, [0], "full")
        self.depend = np.stack([game.dependence(p) for p in self.rows])
        self._custom: rewards.RewardFunction | None = None
        clip = clip_actions or (game.clips_native and self.format.mode == loop.NATIVE)
        layout = self.shape.layout
        control = np.zeros(loop.CONTROL_SIZE, dtype=np.int64)
        control[loop.MODE], control[loop.LEVELS], control[loop.CLIP] = self.format.mode, self.format.levels, clip
        control[loop.AUTORESET] = AUTORESET[autoreset]
        control[loop.AT_ACTION] = layout.at("action")
        control[loop.AT_TRUST], control[loop.AT_DAMAGE] = layout.at("trust"), layout.at("damage")
        self._wiring = (
            control,
            np.array([float(game.shape(p).max_steps) for p in self.rows]),
            bounds,
            self._partner_table(partners, n),
            np.stack([game.baseline(p) for p in self.rows]),
            *self._layer_tables(reward, n),
            self.depend,
            self.plan.table,
        )
        self.state = np.zeros((n_copies, layout.size))
        self.state[:, OVER] = NEVER
        self.raw = np.zeros((n_copies, n, size))
        self.action = np.zeros((n_copies, n, size))
        self.work = np.zeros((n_copies, loop.WORK_ROWS, n))
        self.flags = np.zeros((n_copies, 2), dtype=np.bool_)
        self.last = np.zeros((n_copies if autoreset == "same_step" else 0, layout.size))
        self._buffers = (self.raw, self.action, self.work, self.flags, self.last)
        self._obs_shape = (n_copies, len(looked_at), len(self.plan.names))
        self._seen = np.zeros(self._obs_shape, dtype=np.float32)
        self._kernels: Kernels | None = None
        self._parts = self._split(num_threads)
        self._pool = ThreadPoolExecutor(len(self._parts)) if len(self._parts) > 1 else None

    @staticmethod
    def _partner_table(partners: Mapping[int, Any], n: int) -> Array:
        table = np.zeros(n, dtype=partner_rule.PARTNER)
        for seat, partner in partners.items():
            if isinstance(partner, partner_policies.Partner):
                table[seat] = partner.record
        return table

    def _layer_tables(self, reward: Any, n: int) -> tuple[Array, Array]:
        game = self.game
        chosen = rewards.resolve(game.default_reward if reward is None else reward, game.reward_names)
        if not isinstance(chosen, rewards.Layer):
            self._custom, chosen = chosen, rewards.Private()
        seats = rewards.seat_rules(chosen, self.depend, game.reward_names)
        table = np.array([(s.code, s.first, s.second) for s in seats], dtype=layer_rule.LAYER)
        return table, np.ascontiguousarray(np.stack([s.weight for s in seats], axis=1))

    def _split(self, num_threads: int) -> list[tuple[Any, Any, slice]]:
        """Parts of the batch: (params, wiring, rows) with the per-copy arrays cut to the rows."""
        if not isinstance(num_threads, int) or isinstance(num_threads, bool) or num_threads < 1:
            raise ValueError(f"num_threads must be a positive integer, got {num_threads!r}")
        edges = np.linspace(0, self.n_copies, min(num_threads, self.n_copies) + 1).astype(int)
        parts = []
        per_copy = len(self.rows) > 1
        for low, high in itertools.pairwise(edges):
            cut = slice(int(low), int(high))
            shared = (0, 3, 5)  # control, partner and layer have no copy axis
            wiring = tuple(w if i in shared or not per_copy else w[cut] for i, w in enumerate(self._wiring))
            parts.append((tuple(p[cut] if per_copy else p for p in self.params), wiring, cut))
        return parts

    @property
    def kernels(self) -> Kernels:
        """The game's kernels, bound to this engine's array types; compiled or loaded on first use."""
        if self._kernels is None:
            given, plain = self.game.kernels, (self.params, self._wiring, self.state)
            self._kernels = Kernels(
                start=bind(given.start, *plain, np.ones(1, dtype=np.bool_), self._seen),
                transition=bind(given.transition, *plain, self._buffers, self._seen),
                look=bind(given.look, *plain, self._seen),
                read=bind(given.read, *plain, np.zeros((1, 1))),
            )
            self._transition = self._kernels.transition
        return self._kernels

    # -- episodes ----------------------------------------------------------------------------------------------

    def seed(self, b: int, seed: int) -> None:
        """Give copy ``b`` the stream of ``seed``; its next episode is the stream's first."""
        self.state[b, KEY] = rng.seed_key(seed)
        self.state[b, EPISODE] = -1.0

    def reset(self, mask: Array | None = None, groups: Sequence[int | None] | None = None) -> Array:
        """Start the next episode of the masked copies (all when None) and observe all.

        Args:
            mask: ``(B,)`` bool.
            groups: start group of each copy; copies of one group start alike, their later draws stay their own.

        Returns:
            Observations ``(B, V, O)`` float32.
        """
        # the bound kernel reads memory as it lies: a strided mask would restart other copies
        mask = np.ones(self.n_copies, dtype=np.bool_) if mask is None else np.ascontiguousarray(mask, dtype=np.bool_)
        own = self.state[:, [KEY, EPISODE]].copy()
        grouped = [b for b, g in enumerate(groups or ()) if g is not None and mask[b]]
        for b in grouped:
            self.state[b, KEY], self.state[b, EPISODE] = rng.group_key(groups[b]), -1.0  # type: ignore[index, arg-type]
        obs = np.empty(self._obs_shape, dtype=np.float32)
        self.kernels.start(self.params, self._wiring, self.state, mask, obs)
        for b in grouped:
            self.state[b, KEY], self.state[b, EPISODE], self.state[b, COUNTER] = own[b, 0], own[b, 1] + 1.0, 0.0
        self.work[mask] = 0.0
        self.flags[mask] = False
        self.action[mask] = 0.0
        self._seen = obs
        return obs

    def advance(self) -> Array:
        """One step of every copy with the actions in ``raw``.

        Returns:
            Observations ``(B, V, O)`` float32, newly allocated.

        Raises:
            ValueError: an action is not finite or outside its bounds; no copy has changed.
            gymnasium.error.ResetNeeded: a copy's episode is over and nothing resets it; no copy has changed.
        """
        if self._functions:
            self._ask_functions()
        before = self.snapshot() if self._custom is not None else None
        obs = np.empty(self._obs_shape, dtype=np.float32)
        if self._pool is None:
            bad = self._transition(self.params, self._wiring, self.state, self._buffers, obs)
        else:
            bad = loop.first_invalid(self._wiring, self.state, self._buffers)
            if bad == loop.FINE:
                list(self._pool.map(lambda part: self._run(part, obs), self._parts))
        if bad != loop.FINE:
            self._refuse(bad)
        if before is not None:
            try:
                self._apply_custom()
            except BaseException:  # whatever the user's function raised: the step did not happen
                self._put_back(before)
                raise
        self._seen = obs
        return obs

    def _run(self, part: tuple[Any, Any, slice], obs: Array) -> None:
        params, wiring, cut = part
        buffers = tuple(x[cut] for x in self._buffers)
        self.kernels.transition(params, wiring, self.state[cut], buffers, obs[cut])

    def _ask_functions(self) -> None:
        """Fill the actions of partners that are functions, once the learner's are known to be good."""
        for seat in self._functions:
            self.raw[:, seat] = self.format.low[seat]
        bad = loop.first_invalid(self._wiring, self.state, self._buffers)
        if bad != loop.FINE:
            self._refuse(bad)
        for seat, function in self._functions.items():
            self._ask(seat, function)

    def _ask(self, seat: int, function: partner_policies.PartnerFunction) -> None:
        answer = np.asarray(function(self._seen[:, self.looked_at[seat]].copy()), dtype=np.float64)
        expected = self.raw[:, seat].shape
        if answer.shape not in (expected, expected[:1]) or (answer.ndim == 1 and expected[1] != 1):
            raise ValueError(f"the partner of seat {seat} must return actions of shape {expected}, got {answer.shape}")
        self.raw[:, seat] = answer.reshape(expected)

    def _refuse(self, bad: int) -> None:
        if bad == loop.STEPPED_PAST_END:
            raise ResetNeeded(f"{self.game.id}: the episode is over, call reset() before step()")
        b, rest = divmod(int(bad), self.raw[0].size)
        seat, k = divmod(rest, self.raw.shape[2])
        allowed = (
            f"an integer in 0 .. {self.format.levels - 1}"
            if self.format.discrete
            else f"a finite number in [{self.format.low[seat, k]:g}, {self.format.high[seat, k]:g}]"
        )
        where = f" of copy {b}" if self.n_copies > 1 else ""
        raise ValueError(
            f"{self.game.id}: action of agent_{seat}{where} must be {allowed}, got {self.raw[b, seat, k]!s}; "
            "the state is unchanged"
        )

    def _apply_custom(self) -> None:
        state = self.state
        if len(self.last):
            state = np.where((self.flags[:, 0] | self.flags[:, 1])[:, None], self.last, self.state)
        layout, work = self.shape.layout, self.work
        given = rewards.RewardInput(
            payoff=work[:, loop.BASE].copy(),
            action=self.action.copy(),
            trust=layout.view(state, "trust").copy() if "trust" in layout else None,
            reputation_damage=layout.view(state, "damage").copy() if "damage" in layout else None,
            dependence=self.depend.copy(),
        )
        assert self._custom is not None
        answer = np.asarray(self._custom(given), dtype=np.float64)
        shape = given.payoff.shape
        if answer.shape != shape:
            raise ValueError(f"the reward function must return finite rewards of shape {shape}, got {answer.shape}")
        answer = np.where(self._restarted[:, None], 0.0, answer)  # nothing was played there
        if not np.isfinite(answer).all():
            bad = answer[~np.isfinite(answer)][0]
            raise ValueError(f"the reward function must return finite rewards of shape {shape}, got {bad}")
        work[:, loop.REWARD] = answer * work[:, loop.FACTOR] + work[:, loop.EXTRA]

    # -- reading -----------------------------------------------------------------------------------------------

    @property
    def running(self) -> bool:
        """Whether some copy has an episode under way; False before the first reset."""
        return bool((self.state[:, OVER] == 0.0).any())

    @property
    def _restarted(self) -> Array:
        """Copies ``(B,)`` that the last call restarted instead of stepping (next-step autoreset)."""
        restarted: Array = self.state[:, CLOCK] == 0.0
        return restarted & ~self.flags[:, 0] & ~self.flags[:, 1]

    def look(self, state: Array | None = None) -> Array:
        """Observations ``(B, V, O)`` of ``state`` (the current one when None)."""
        state = self.state if state is None else state
        obs = np.empty((len(state), *self._obs_shape[1:]), dtype=np.float32)
        self.kernels.look(self.params, self._wiring, state, obs)
        return obs

    @property
    def global_size(self) -> int:
        """Length of :meth:`global_state`."""
        return len(self._global.names)

    def global_state(self) -> Array:
        """What an observer of everything sees ``(B, S)``: the full observation of the first seat, float32 in [0, 1]."""
        if (self.state[:, OVER] == NEVER).any():
            raise ResetNeeded(f"{self.game.id}: call reset() before state()")
        obs = np.empty((self.n_copies, 1, self.global_size), dtype=np.float32)
        self.kernels.look(self.params, (*self._wiring[:-1], self._global.table), self.state, obs)
        return obs[:, 0]

    def check_seat(self, seat: int, action: Array) -> None:
        """Write a seat's action ``(A,)`` of a batch of one into ``raw``.

        Raises:
            ValueError: it is not finite or outside its bounds; nothing has changed.
        """
        before = self.raw[0, seat].copy()
        self.raw[0, seat] = action
        bad = loop.first_invalid(self._wiring, self.state, self._buffers)
        if bad != loop.FINE:
            try:
                self._refuse(bad)
            finally:
                self.raw[0, seat] = before

    def features(self, state: Array | None = None) -> dict[str, Array]:
        """State entries of ``info``: trust, damage and so on, and the readouts; fresh arrays ``(B, ...)``."""
        state = self.state if state is None else state
        layout = self.shape.layout
        found = {key: layout.view(state, name).copy() for name, key in self.game.fields.items()}
        for name in self.game.flag_fields:
            found[self.game.fields[name]] = layout.view(state, name) != 0.0
        if self.game.readouts:
            widths = [r.width(self.shape.n_agents) for r in self.game.readouts]
            out = np.empty((len(state), sum(widths)))
            self.kernels.read(self.params, self._wiring, state, out)
            at = 0
            for r, width in zip(self.game.readouts, widths, strict=True):
                value = out[:, at : at + width] if r.per_agent or r.size is not None else out[:, at]
                found[r.name] = value != 0.0 if r.flag else value
                at += width
        return found if self._more_info is None else found | self._more_info(self.rows, state)

    @property
    def payoff(self) -> Array:
        """Payoffs of the last step ``(B, N)``, a view."""
        return self.work[:, loop.PAYOFF]

    @property
    def reward(self) -> Array:
        """Rewards of the last step ``(B, N)``, a view."""
        return self.work[:, loop.REWARD]

    def snapshot(self) -> Snapshot:
        """Copy of everything that the next step depends on.

        Raises:
            gymnasium.error.ResetNeeded: before the first reset there is nothing to keep.
        """
        if (self.state[:, OVER] == NEVER).any():
            raise ResetNeeded(f"{self.game.id}: call reset() before snapshot()")
        return Snapshot(self.state.copy(), self.work.copy(), self.flags.copy(), self.action.copy())

    def _put_back(self, snapshot: Snapshot) -> None:
        self.state[...], self.work[...] = snapshot.state, snapshot.work
        self.flags[...], self.action[...] = snapshot.flags, snapshot.action

    def restore(self, snapshot: Snapshot) -> Array:
        """Go back to a snapshot of the same game, parameters and batch size, and observe.

        Raises:
            TypeError: no snapshot.
            ValueError: its arrays have other shapes; that is all that tells games apart.
        """
        if not isinstance(snapshot, Snapshot):
            raise TypeError(f"snapshot must be a Snapshot, got {type(snapshot).__name__}; see Snapshot.from_arrays")
        own = {"state": self.state, "work": self.work, "flags": self.flags, "action": self.action}
        for name, array in snapshot.arrays().items():
            if array.shape != own[name].shape:
                raise ValueError(
                    f"snapshot.{name} has shape {array.shape}, this {self.game.id} batch needs {own[name].shape}"
                )
        self._put_back(snapshot)
        self._seen = self.look()
        return self._seen

    def close(self) -> None:
        """Stop the worker threads, if any."""
        if self._pool is not None:
            self._pool.shutdown()
