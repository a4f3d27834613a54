"""The batch that every view drives: B copies of one game, all arrays allocated once.

A view writes actions into ``raw``, calls :meth:`Engine.advance`, and reads ``payoff``, ``reward``, ``ended`` and the
observation.
"""

from __future__ import annotations

import itertools
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import cached_property, partial
from typing import Any, Literal

import numpy as np
from gymnasium.error import ResetNeeded

from payoff.envs import partners as partner_policies
from payoff.envs.core import binding, loop, rng
from payoff.envs.core.arrays import reals
from payoff.envs.core.game import Entry, Game
from payoff.envs.core.jit import bind
from payoff.envs.core.params import Params
from payoff.envs.core.partner import PARTNER
from payoff.envs.core.state import CLOCK, COUNTER, EPISODE, KEY, MARKED, NEVER, OVER, Array
from payoff.envs.rewards.functions import RewardFunction, RewardInput
from payoff.envs.rewards.wiring import wire
from payoff.envs.views import actions as action_formats
from payoff.envs.views.snapshot import Snapshot, described

__all__ = ["AUTORESET", "Engine", "Snapshot", "bare_engine"]

AUTORESET = {name: getattr(loop.AUTORESET, name) for name in ("next_step", "same_step", "disabled")}


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
        reads: work out the computed entries of ``info`` at every step.
        published_info: add the published entries to :meth:`features`.
        limit: steps after which an episode is truncated, where that is before its horizon.
        num_threads: threads that share the batch; results do not depend on it.

    Attributes:
        horizon: most steps that an episode of any copy can have.
        state: ``(B, S)`` state rows, a view; writing to it writes to the copies.
        raw: ``(B, N, A)`` actions as sent, a view.
        action: ``(B, N, A)`` native actions of the last step, a view.
        payoff: ``(B, N)`` payoffs of the last step, a view.
        reward: ``(B, N)`` rewards of the last step, a view.
        out: ``(B, 2 N + 2 + K)`` what a step reports: payoffs, rewards, flags, computed entries of ``info``.
        ended: ``(B, 2)`` whether the last step terminated, and truncated, the episode; a view, 1 or 0.
        last: ``(B, S)`` final state of the copies that ended in the last step, a view (same-step autoreset only).
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
        reads: bool = False,
        published_info: bool = False,
        limit: int | None = None,
        num_threads: int = 1,
    ) -> None:
        self.game = game
        self._more_info = game.more_info if published_info else None
        self.rows = list(rows)
        self.n_copies = n_copies
        self.shape = game.shape(self.rows[0])
        n = self.shape.n_agents
        self.params = game.pack(self.rows)
        bounds = np.stack([game.bounds(p) for p in self.rows])
        self.format = action_formats.parse(
            game.rules.default_actions if actions is None else actions, bounds[0], self.shape.n_actions
        )
        self._functions = {i: p for i, p in partners.items() if not isinstance(p, partner_policies.Partner)}
        looked_at = [*seats, *(i for i in self._functions if i not in seats)]
        self.looked_at = {seat: v for v, seat in enumerate(looked_at)}
        self.plan = game.plan(self.rows, looked_at, observe)
        self._global = game.plan(self.rows, [0], "full")
        self.depend = np.stack([game.dependence(p) for p in self.rows])
        self._reads = reads
        clip = clip_actions or (game.rules.published and self.format.mode == loop.MODE.native)
        frame = self._frame(clip, autoreset)
        seat_table = np.zeros((len(self.rows), n), dtype=loop.SEAT)
        seat_table["partner"] = self._partner_table(partners, n)
        self._rewards = wire(game.rules.default_reward if reward is None else reward, game, self.depend)
        seat_table["layer"] = self._rewards.table
        seat_table["baseline"] = [game.baseline(p) for p in self.rows]
        horizons = [p.horizon if limit is None else min(p.horizon, limit) for p in self.rows]
        self.horizon = max(horizons)
        seat_table["horizon"] = np.array(horizons, dtype=np.float64)[:, None]
        bound_table = np.zeros(bounds.shape[:-1], dtype=loop.BOUND)
        bound_table["low"], bound_table["high"] = bounds[..., 0], bounds[..., 1]
        links = np.zeros(self.depend.shape, dtype=loop.LINK)
        links["weight"], links["depend"] = self._rewards.weight, self.depend
        self._wiring = loop.Wiring(frame, seat_table, bound_table, links, self.plan.table)
        self._allocate(frame[0], sum(e.width(n, self.shape.n_actions) for e in game.entries))
        self._obs_shape = (n_copies, len(looked_at), len(self.plan.names))
        self._seen = np.zeros(self._obs_shape, dtype=np.float32)
        self._fresh = partial(np.empty, self._obs_shape, self._seen.dtype)
        self._parts = self._split(num_threads)
        self._pool = ThreadPoolExecutor(len(self._parts)) if len(self._parts) > 1 else None
        self._plain = self._pool is None and not self._functions and not self._rewards.functions

    def _frame(self, clip: bool, autoreset: str) -> Array:
        n, size, layout = self.shape.n_agents, self.shape.action_size, self.shape.layout
        frame = np.zeros(1, dtype=loop.FRAME)
        desk, width = layout.size, loop.desk_size(n, size, self.game.rules.published)
        given = {
            "n_agents": n,
            "action_size": size,
            "mode": self.format.mode,
            "levels": self.format.levels,
            "clip": clip,
            "autoreset": AUTORESET[autoreset],
            "state_size": layout.size,
            "desk": desk,
            "desk_end": desk + width,
            "published": self.game.rules.published,
            "last": desk + width if autoreset == "same_step" else 0,
        }
        if layout.shapes.get("action") == (n,):
            given |= {"acting": n, "at_action": layout.column("action"), "action_step": layout.steps("action")[0]}
        if layout.shapes.get("trust") == (n, n):
            given |= {"trusting": n, "at_trust": layout.column("trust"), "pair_step": layout.steps("trust")[1]}
        if layout.shapes.get("damage") == (n, n):
            given |= {"damaging": n, "at_damage": layout.column("damage")}
        for name, value in given.items():
            frame[name] = value
        frame["parts"][0, : len(layout.places)] = layout.places
        return frame

    def _allocate(self, frame: Any, n_read: int) -> None:
        b, n, size, s = self.n_copies, self.shape.n_agents, self.shape.action_size, self.shape.layout.size
        desk, end, kept = int(frame["desk"]), int(frame["desk_end"]), int(frame["last"])
        self._copies = np.zeros((b, end + (s if kept else 0)))
        self.out = np.zeros((b, 2 * n + 2 + n_read))
        self.state = self._copies[:, :s]
        self.state[:, OVER] = NEVER
        self.raw = self._copies[:, desk : desk + n * size].reshape(b, n, size)
        self.action = self._copies[:, desk + n * size : desk + 2 * n * size].reshape(b, n, size)
        self.payoff, self.reward = self.out[:, :n], self.out[:, n : 2 * n]
        # what a reward layer is given, and what a published game does to the reward afterwards
        self._base, self._factor, self._extra = self.payoff, np.ones(1), np.zeros(1)
        if frame["published"]:
            at = desk + 2 * n * size
            self._base, self._factor, self._extra = (self._copies[:, at + k * n : at + k * n + n] for k in range(3))
        self.ended = self.out[:, 2 * n : 2 * n + 2]
        self.last = self._copies[:, kept:] if kept else self._copies[:0, :s]

    @staticmethod
    def _partner_table(partners: Mapping[int, Any], n: int) -> Array:
        table = np.zeros(n, dtype=PARTNER)
        for seat, partner in partners.items():
            if isinstance(partner, partner_policies.Partner):
                table[seat] = partner.record
        return table

    def _split(self, num_threads: int) -> list[tuple[Any, Any, slice]]:
        """Parts of the batch: (params, wiring, copies) with the per-copy arrays cut to the copies."""
        if not isinstance(num_threads, int) or isinstance(num_threads, bool) or num_threads < 1:
            raise ValueError(f"num_threads must be a positive integer, got {num_threads!r}")
        edges = np.linspace(0, self.n_copies, min(num_threads, self.n_copies) + 1).astype(int)
        parts = []
        per_copy = len(self.rows) > 1
        for low, high in itertools.pairwise(edges):
            cut = slice(int(low), int(high))
            frame, *others = self._asked(loop.TASK.step)
            wiring = loop.Wiring(frame, *(w[cut] if per_copy else w for w in others))
            parts.append((tuple(p[cut] if per_copy else p for p in self.params), wiring, cut))
        return parts

    # the game's compiled loop, for each task with all that is the same at every call

    @cached_property
    def _run(self) -> Any:
        """The loop, bound to the types of this engine's arrays; compiled or loaded on first use."""
        return bind(binding.kernel(self.game), self.params, self._wiring, self._copies, self.out, self._seen)

    def _asked(self, task: int, *, looks: bool = True, reads: bool | None = None) -> loop.Wiring:
        """The wiring, with what a call is to do."""
        frame = self._wiring.frame.copy()
        frame["task"], frame["looks"], frame["reads"] = task, looks, self._reads if reads is None else reads
        return self._wiring._replace(frame=frame)

    def _whole_batch(self, task: int) -> Any:
        return partial(self._run, self.params, self._asked(task), self._copies, self.out)

    @cached_property
    def _step(self) -> Any:
        return self._whole_batch(loop.TASK.step)

    @cached_property
    def _restart(self) -> Any:
        return self._whole_batch(loop.TASK.restart)

    @cached_property
    def _restart_marked(self) -> Any:
        return self._whole_batch(loop.TASK.restart_marked)

    @cached_property
    def _looking(self) -> loop.Wiring:
        return self._asked(loop.TASK.show, reads=False)

    @cached_property
    def _reading(self) -> loop.Wiring:
        return self._asked(loop.TASK.show, looks=False, reads=True)

    def _look(self, wiring: loop.Wiring, rows: Array, seats: int, size: int) -> Array:
        """Observations ``(B, seats, size)`` of copies, or of states alone."""
        obs = np.empty((len(rows), seats, size), dtype=np.float32)
        self._run(self.params, wiring, rows, np.empty((len(rows), 0)), obs)
        return obs

    def _read(self, rows: Array, out: Array) -> None:
        """Write the computed entries of ``info`` of copies, or of states alone."""
        self._run(self.params, self._reading, rows, out, np.empty((len(rows), 0, 0), np.float32))

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
        obs: Array = self._fresh()
        if mask is None and groups is None:
            self._restart(obs)
        else:
            mask = np.ones(self.n_copies, dtype=np.bool_) if mask is None else np.asarray(mask, dtype=np.bool_)
            self._restart_some(mask, groups, obs)
        self._seen = obs
        return obs

    def _restart_some(self, mask: Array, groups: Sequence[int | None] | None, obs: Array) -> None:
        grouped = [] if groups is None else [b for b, g in enumerate(groups) if g is not None and mask[b]]
        own = self.state[:, [KEY, EPISODE]] if grouped else self.state  # fancy indexing copies
        for b in grouped:
            self.state[b, KEY], self.state[b, EPISODE] = rng.group_key(groups[b]), -1.0  # type: ignore[index, arg-type]
        restart = self._restart_marked  # compiled, if need be, before anything changes
        self.state[mask, OVER] = MARKED
        restart(obs)
        for b in grouped:
            self.state[b, KEY], self.state[b, EPISODE], self.state[b, COUNTER] = own[b, 0], own[b, 1] + 1.0, 0.0

    def advance(self) -> Array:
        """One step of every copy with the actions in ``raw``.

        Returns:
            Observations ``(B, V, O)`` float32, newly allocated.

        Raises:
            ValueError: an action is not finite or outside its bounds; no copy has changed.
            gymnasium.error.ResetNeeded: a copy's episode is over and nothing resets it; no copy has changed.
        """
        obs: Array = self._fresh()
        if self._plain:
            bad = self._step(obs)
            if bad != loop.FINE:
                self._refuse(bad)
        else:
            self._advance_with_others(obs)
        self._seen = obs
        return obs

    def _advance_with_others(self, obs: Array) -> None:
        """A step in which functions of the user, or several threads, have a part."""
        if self._functions:
            self._ask_functions()
        before = self.snapshot() if self._rewards.functions else None
        if self._pool is None:
            bad = self._step(obs)
        else:
            bad = loop.first_invalid(self._wiring, self._copies)
            if bad == loop.FINE:
                list(self._pool.map(lambda part: self._step_part(part, obs), self._parts))
        if bad != loop.FINE:
            self._refuse(bad)
        if before is not None:
            try:
                self._apply_functions()
            except BaseException:  # whatever the user's function raised: the step did not happen
                self._put_back(before)
                raise

    def _step_part(self, part: tuple[Any, Any, slice], obs: Array) -> None:
        params, wiring, cut = part
        self._run(params, wiring, self._copies[cut], self.out[cut], obs[cut])

    def _ask_functions(self) -> None:
        """Fill the actions of partners that are functions, once the learner's are known to be good."""
        for seat in self._functions:
            self.raw[:, seat] = self.format.low[seat]
        bad = loop.first_invalid(self._wiring, self._copies)
        if bad != loop.FINE:
            self._refuse(bad)
        for seat, function in self._functions.items():
            self._ask(seat, function)

    def _ask(self, seat: int, function: partner_policies.PartnerFunction) -> None:
        answer = reals(f"what the partner of seat {seat} returns", function(self._seen[:, self.looked_at[seat]].copy()))
        expected = self.raw[:, seat].shape
        if answer.shape not in (expected, expected[:1]) or (answer.ndim == 1 and expected[1] != 1):
            raise ValueError(f"the partner of seat {seat} must return actions of shape {expected}, got {answer.shape}")
        self.raw[:, seat] = answer.reshape(expected)

    def _refuse(self, bad: int, raw: Array | None = None) -> None:
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
        sent = (self.raw if raw is None else raw)[b, seat, k]
        raise ValueError(
            f"{self.game.id}: action of agent_{seat}{where} must be {allowed}, got {sent!s}; the state is unchanged"
        )

    def _apply_functions(self) -> None:
        """Rewards of the seats that a function of the user decides."""
        state = self.state
        if len(self.last):
            state = np.where(self.ended.any(axis=1, keepdims=True), self.last, self.state)
        told = self.reward.copy()
        for function, seats in self._rewards.functions:
            answer = self._answer(function, self._happened(state))[:, seats]
            factor, extra = (x[:, seats] if x.ndim > 1 else x for x in (self._factor, self._extra))
            told[:, seats] = answer * factor + extra
        self.reward[...] = told

    def _happened(self, state: Array) -> RewardInput:
        """What reward functions are given; ``state`` is the one after the step."""
        layout, wiring = self.shape.layout, self._wiring
        return RewardInput(
            payoff=self._base.copy(),
            action=self.action.copy(),
            low=wiring.bounds["low"].copy(),
            high=wiring.bounds["high"].copy(),
            neutral=wiring.seats["baseline"].copy(),
            trust=layout.view(state, "trust").copy() if "trust" in layout else None,
            reputation_damage=layout.view(state, "damage").copy() if "damage" in layout else None,
            dependence=self.depend.copy(),
        )

    def _answer(self, function: RewardFunction, given: RewardInput) -> Array:
        """Rewards ``(B, N)`` that a function says, checked; 0 where nothing was played."""
        shape = self._base.shape
        answer = reals("what the reward function returns", function(given))
        if answer.shape != shape:
            raise ValueError(f"the reward function must return finite rewards of shape {shape}, got {answer.shape}")
        answer = np.where(self._restarted[:, None], 0.0, answer)
        if not np.isfinite(answer).all():
            bad = answer[~np.isfinite(answer)][0]
            raise ValueError(f"the reward function must return finite rewards of shape {shape}, got {bad}")
        return answer

    # -- reading -----------------------------------------------------------------------------------------------

    @property
    def flags(self) -> Array:
        """Whether the last step terminated, and truncated, the episodes: ``(B, 2)`` booleans, a fresh array."""
        flags: Array = self.ended != 0.0
        return flags

    @property
    def running(self) -> bool:
        """Whether some copy has an episode under way; False before the first reset."""
        return bool((self.state[:, OVER] == 0.0).any())

    @property
    def _restarted(self) -> Array:
        """Copies ``(B,)`` that the last call restarted instead of stepping (next-step autoreset)."""
        restarted: Array = self.state[:, CLOCK] == 0.0
        return restarted & ~self.ended.any(axis=1)

    def look(self, state: Array | None = None) -> Array:
        """Observations ``(B, V, O)`` of ``state`` (the current one when None)."""
        rows = self._copies if state is None else np.ascontiguousarray(state)
        return self._look(self._looking, rows, *self._obs_shape[1:])

    @property
    def global_size(self) -> int:
        """Length of :meth:`global_state`."""
        return len(self._global.names)

    def global_state(self) -> Array:
        """What an observer of everything sees ``(B, S)``: the full observation of the first seat, float32 in [0, 1]."""
        if (self.state[:, OVER] == NEVER).any():
            raise ResetNeeded(f"{self.game.id}: call reset() before state()")
        return self._look(self._looking._replace(table=self._global.table), self._copies, 1, self.global_size)[:, 0]

    def check_raw(self, raw: Array) -> None:
        """Raise ValueError unless these may be the actions of a step, whether or not one may be made.

        Args:
            raw: ``(B, N, A)`` as they would be sent.
        """
        rows = self._copies.copy()
        rows[:, OVER] = 0.0
        at = self._wiring.frame[0]["desk"]
        rows[:, at : at + self.raw[0].size] = raw.reshape(len(rows), -1)
        bad = loop.first_invalid(self._wiring, rows)
        if bad != loop.FINE:
            self._refuse(bad, raw)

    @property
    def publishes(self) -> bool:
        """Whether there are entries of ``info`` that only the published system had."""
        return self._more_info is not None

    def published(self, state: Array | None = None) -> dict[str, Array]:
        """Those entries; fresh arrays ``(B, ...)``."""
        assert self._more_info is not None
        return self._more_info(self.rows, self.state if state is None else state)

    def entries(self, state: Array | None = None, out: Array | None = None) -> list[tuple[Entry, Array]]:
        """Entries of ``info`` that show the state, each with a view ``(B, ...)`` of its numbers.

        Args:
            state: ``(B, S)`` state rows; None: the current ones, which the views then follow.
            out: ``(B, ...)`` what the compiled loop has written of them; None: what it writes at every step.
        """
        state, out = self.state if state is None else state, self.out if out is None else out
        layout, n, actions = self.shape.layout, self.shape.n_agents, self.shape.n_actions
        found, at = [], 2 * n + 2
        for entry in self.game.entries:
            width = entry.width(n, actions)
            if entry.field:
                view = layout.view(state, entry.field)
                view = view[:, None] if entry.per_agent and view.ndim == 1 else view
            else:
                view = out[:, at : at + width].reshape(len(out), *entry.shape(n, actions))
            found.append((entry, view))
            at += width
        return found

    @cached_property
    def described(self) -> str:
        """The parameters, as a snapshot holds them."""
        return described(self.rows)

    @cached_property
    def ranges(self) -> tuple[Array, Array, Array]:
        """Smallest and largest value of every column of the state ``(P, S)``, and whether it must be whole."""
        layouts = [self.game.shape(p).layout.ranges(p, p.horizon) for p in self.rows]
        low, high, whole = (np.stack(side) for side in zip(*layouts, strict=True))
        return low, high, whole

    @cached_property
    def per_agent(self) -> dict[str, bool]:
        """Entry of ``info`` that the game declares -> whether it has a part for each seat."""
        return {e.name: e.per_agent for e in self.game.entries}

    @cached_property
    def _entries(self) -> list[tuple[Entry, Array]]:
        return self.entries()

    def features(self, state: Array | None = None, *, told: bool = False) -> dict[str, Array]:
        """Entries of ``info`` that show the state: trust, damage and so on; fresh arrays ``(B, ...)``.

        Args:
            state: ``(B, S)`` state rows; None: the current ones.
            told: take the computed ones as the last step, reset or restore worked them out.
        """
        if told and state is None and self._reads:
            entries = self._entries
        else:
            rows = self._copies if state is None else np.ascontiguousarray(state)
            out = np.empty((len(rows), self.out.shape[1]))
            self._read(rows, out)
            entries = self.entries(state, out)
        found = {entry.name: view.astype(entry.dtype) for entry, view in entries}
        return found | self.published(state) if self.publishes else found

    def action_mask(self) -> Array:
        """Which actions of each seat are of use, ``(B, N, K)`` bool; all where the game has no mask.

        K is the number of a seat's integer actions, or of the levels of all its numbers.

        Raises:
            ValueError: actions are continuous.
            gymnasium.error.ResetNeeded: before the first reset there is nothing to mask.
        """
        if not self.format.discrete:
            raise ValueError(
                f"{self.game.id}: actions={self.format.name!r} has no masks, 'discrete:K' has (all levels are allowed)"
            )
        if self.game.rules.mask is None:
            choices = self.shape.action_size * self.format.levels
            return np.ones((self.n_copies, self.shape.n_agents, choices), dtype=np.bool_)
        if (self.state[:, OVER] == NEVER).any():
            raise ResetNeeded(f"{self.game.id}: call reset() before action_masks()")
        mask: Array = self.features(told=True)["action_mask"]
        return mask.astype(np.bool_)

    def snapshot(self) -> Snapshot:
        """Copy of everything that the next step depends on.

        Raises:
            gymnasium.error.ResetNeeded: before the first reset there is nothing to keep.
        """
        if (self.state[:, OVER] == NEVER).any():
            raise ResetNeeded(f"{self.game.id}: call reset() before snapshot()")
        return Snapshot(
            self.game.id,
            self.described,
            self.state.copy(),
            self.action.copy(),
            self.payoff.copy(),
            self.reward.copy(),
            self.ended.copy(),
        )

    def _put_back(self, snapshot: Snapshot) -> None:
        self.state[...], self.action[...] = snapshot.state, snapshot.action
        self.payoff[...], self.reward[...], self.ended[...] = snapshot.payoff, snapshot.reward, snapshot.ended
        if self._reads:
            self._read(self._copies, self.out)

    def restore(self, snapshot: Snapshot) -> Array:
        """Go back to a snapshot of the same game, parameters and batch size, and observe.

        Raises:
            TypeError: no snapshot.
            ValueError: it is of another game, of other parameters or of another batch size, or holds a number out of
                its range; nothing has changed.
        """
        if not isinstance(snapshot, Snapshot):
            raise TypeError(f"snapshot must be a Snapshot, got {type(snapshot).__name__}; see Snapshot.from_arrays")
        snapshot.check(self)
        self._put_back(snapshot)
        self._seen = self.look()
        return self._seen

    def close(self) -> None:
        """Stop the worker threads, if any."""
        if self._pool is not None:
            self._pool.shutdown()


def bare_engine(
    game: Game[Any],
    params: Params,
    n_copies: int,
    *,
    reward: str = "private",
    observe: str = "minimal",
    autoreset: Literal["next_step", "disabled"] = "disabled",
) -> Engine:
    """Copies in which nobody learns and every action is given, in native units: for enumerations and certificates.

    Args:
        game: the game.
        params: of all copies.
        n_copies: B.
        reward: layer.
        observe: what the first seat sees.
        autoreset: what happens to copies whose episode is over.
    """
    return Engine(
        game,
        [params],
        n_copies,
        reward=reward,
        partners={},
        seats=[0],
        observe=observe,
        actions="native",
        clip_actions=False,
        autoreset=autoreset,
    )
