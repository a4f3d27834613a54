"""HERON: a reward from a ranking of what matters, without weights.

Often it is clear what matters more and unclear how much more: queues before waiting, waiting before switching. So let
z_1, ..., z_n be quantities of a step, the most important first, each with a sign s_i, +1 where more is better. Two
items x and y, steps or segments with the sums over their steps, are compared by the first quantity that tells them
apart by more than a margin:

(1) i* = min { i : |z_i(x) - z_i(y)| > delta_i },  x is better if s_i* (z_i*(x) - z_i*(y)) > 0; without i*, no answer
(2) delta_i = c_i std_i, the standard deviation over the items of the warm-up

A network r learns from such answers (:mod:`payoff.wrappers.preference.comparison`) while the agent plays, and pays

(3) (r - mean) / std, mean and std over the items in memory

Source: Bukharin and others, "Deep reinforcement learning from hierarchical preference design" (arXiv 2309.02632,
earlier under the name HERON), and its published code: comparisons within minibatches of 16, learned every 400 steps
after the first 1,000. There delta follows a growing memory; here it is fixed at the end of the warm-up, so that an
answer does not change later.

What a ranking cannot do: no finite reward is lexicographic. The network saturates, and the margins decide what is
traded for what, so say which margins were used.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, ClassVar

import numpy as np

from payoff.envs.core.params import check_flag, check_integer, check_number
from payoff.wrappers.arguments import as_array, check_mapping, check_names, check_sequence, reals, state_array
from payoff.wrappers.base import RewardMethod, Transition
from payoff.wrappers.learned.network_reward import NetworkReward
from payoff.wrappers.learned.step_inputs import StepInputs, checked_inputs
from payoff.wrappers.preference.comparison import Comparer
from payoff.wrappers.preference.fitting import NetworkSettings, check_network, part_of
from payoff.wrappers.rows import Array, Batch, BatchInfo
from payoff.wrappers.transforms.signals import Signal, as_signal

__all__ = ["Factor", "HierarchicalPreferenceReward", "HierarchyLearning", "compare_ranked", "margins_of"]


@dataclass(frozen=True, slots=True)
class Factor:
    """A quantity of a step that matters.

    Attributes:
        of: name of an entry of ``info``, or a function from a transition to ``(R,)`` numbers.
        sign: 1 where more is better, -1 where less is.
        margin: c of (2), in standard deviations; 0 where every difference counts, as of something that either happens
            or not.
        index: place in an entry that is a list; None: it is a number.

    Raises:
        TypeError: ``of`` is neither a name nor a function.
        ValueError: ``sign`` is neither 1 nor -1, ``margin`` is negative, or ``index`` is no place.
    """

    of: Signal
    sign: int = 1
    margin: float = 0.5
    index: int | None = None

    def __post_init__(self) -> None:
        """Check the fields."""
        as_signal("of", self.of)
        if self.sign not in (1, -1):
            raise ValueError(f"sign must be 1 or -1, got {self.sign!r}")
        check_number("margin", self.margin, 0.0)
        if self.index is not None:
            check_integer("index", self.index, 0)

    def __call__(self, t: Transition) -> Array:
        """The quantity ``(R,)``.

        Raises:
            KeyError: ``info`` lacks the entry.
            ValueError: it has no such place, another shape, or a number of an active row that is not finite.
        """
        name = self.of if isinstance(self.of, str) else getattr(self.of, "__name__", "a factor")
        found = reals(name, as_signal("of", self.of)(t)).astype(np.float64)
        if self.index is not None:
            if found.ndim != 2 or self.index >= found.shape[1]:
                raise ValueError(f"{name} must have an entry {self.index} in each row, got shape {found.shape}")
            found = found[:, self.index]
        elif found.ndim == 2 and found.shape[1] == 1:
            found = found[:, 0]
        if found.shape != t.reward.shape:
            raise ValueError(f"{name} must have shape {t.reward.shape}, got {found.shape}: a list needs an index")
        bad = t.active & ~np.isfinite(found)
        if bad.any():
            raise ValueError(f"{name} must be finite, got {found[bad][0]}")
        return np.where(t.active, found, 0.0)


def margins_of(values: Array, shares: Sequence[float]) -> Array:
    """Margins ``(n,)`` of (2), of items ``(m, n)`` and the shares c of a standard deviation."""
    found: Array = np.asarray(shares) * np.asarray(values, dtype=np.float64).std(axis=0)
    return found


def compare_ranked(first: Array, second: Array, signs: Sequence[int], margins: Array) -> Array:
    """Answers of (1).

    Args:
        first: ``(..., n)`` quantities of items, the most important first.
        second: ``(..., n)`` those of the items they are compared with.
        signs: ``(n,)`` 1 or -1.
        margins: ``(n,)`` delta.

    Returns:
        ``(...)``, 1 where the first is better, -1 where the second is, 0 where nothing tells them apart.
    """
    apart = np.asarray(first, dtype=np.float64) - np.asarray(second, dtype=np.float64)
    tells = np.abs(apart) > margins
    deciding = tells.argmax(axis=-1)[..., None]
    answer = np.sign(np.take_along_axis(apart * np.asarray(signs), deciding, axis=-1))[..., 0]
    return np.where(tells.any(axis=-1), answer, 0.0)


@dataclass(frozen=True, slots=True, kw_only=True)
class HierarchyLearning:
    """When and from what the network learns; the defaults are those of the published code, but for a smaller network.

    Attributes:
        segment: L, steps of an item. Where an episode ends for good before that, the item is shorter; where it is cut
            off by time, it is dropped.
        warmup: items before the first learning; until then the reward is 0.
        learn_every: items from one learning to the next.
        minibatches: gradient steps of a learning.
        batch_size: items of one, which are all compared with each other.
        memory: items that are kept, the oldest being forgotten first.
        centre: subtract the mean in (3). Without it the reward keeps the network's own zero, which matters where the
            agent can end the episode.
        network: see :class:`payoff.wrappers.NetworkSettings`.

    Raises:
        TypeError: ``network`` is something else.
        ValueError: a field is out of its range.
    """

    segment: int = 1
    warmup: int = 1000
    learn_every: int = 400
    minibatches: int = 16
    batch_size: int = 16
    memory: int = 10_000
    centre: bool = True
    network: NetworkSettings = field(default_factory=NetworkSettings)

    def __post_init__(self) -> None:
        """Check the fields."""
        for name, low in (("segment", 1), ("warmup", 2), ("learn_every", 1), ("minibatches", 1), ("batch_size", 2)):
            check_integer(name, getattr(self, name), low)
        check_integer("memory", self.memory, self.warmup)
        check_flag("centre", self.centre)
        check_network(self.network)


class HierarchicalPreferenceReward(RewardMethod):
    """Pays (3) instead of the reward, and learns while it pays.

    All rows teach one network. Draws depend on the seed and the number of learnings alone.

    Args:
        factors: what matters, the most important first.
        inputs: what the network sees of a step beside the factors; None: the observation after it.
        learning: see :class:`HierarchyLearning`; None: its defaults.

    Attributes:
        margins: delta ``(n,)``; None before the end of the warm-up.
        answered: share of the compared pairs of the last learning that (1) answered; NaN before any.

    Raises:
        TypeError: ``factors`` is no sequence of at least one factor, ``inputs`` are no StepInputs, or ``learning`` is
            no HierarchyLearning.
    """

    sees_factors: ClassVar[bool] = True  # whether the network does

    def __init__(
        self,
        factors: Sequence[Factor],
        *,
        inputs: StepInputs | None = None,
        learning: HierarchyLearning | None = None,
    ) -> None:
        check_sequence("factors", factors, "factors")
        self.factors = tuple(factors)
        if not self.factors or not all(isinstance(f, Factor) for f in self.factors):
            raise TypeError(f"factors must be at least one Factor, got {list(factors)!r}")
        given: Any = learning
        if given is not None and not isinstance(given, HierarchyLearning):
            raise TypeError(f"learning must be a HierarchyLearning, got {type(given).__name__}")
        self.inputs = checked_inputs(StepInputs(("next_obs",)) if inputs is None else inputs)
        self.learning = learning or HierarchyLearning()
        self.signs = [f.sign for f in self.factors]
        self.margins: Array | None = None
        self.answered = float("nan")
        self.net: Comparer | None = None
        self.shift, self.scale = 0.0, 1.0
        self._rounds = self._since = 0  # learnings, and items since the last one
        self._items: dict[str, Array] = {}  # in memory, in the order of their age
        self._rows: dict[str, Array] = {}  # unfinished items of the rows

    # -- what is compared ----------------------------------------------------------------------------------------

    def reset(self, obs: Batch, info: BatchInfo, mask: Array) -> None:
        """Rows that begin an episode drop what they had of an item."""
        if self._rows and len(self._rows["filled"]) == mask.size:
            self._rows["filled"] = np.where(mask, 0, self._rows["filled"])
        else:
            self._rows = {}

    def __call__(self, t: Transition) -> Array:
        """Rewards ``(R,)``; then the step is remembered, and where it is time, the network learns.

        Raises:
            KeyError: ``info`` lacks a factor.
            ValueError: a number that is not finite, a warm-up in which no two items could be told apart, or a loss
                that is not finite.
        """
        factors = np.stack([factor(t) for factor in self.factors], axis=1)
        numbers = self.inputs(t)
        if self.sees_factors:
            numbers = np.concatenate([numbers, factors], axis=1)
        if self._items and numbers.shape[1] != self._items["numbers"].shape[2]:
            raise ValueError(f"a step must have {self._items['numbers'].shape[2]} numbers, got {numbers.shape[1]}")
        paid = np.zeros(len(t.reward))
        if self.net is not None:
            paid = (self.net.scores(numbers[:, None, :]) - self.shift) / self.scale
        self._remember(numbers, factors, t)
        if self._is_due():
            self._learn()
        return paid

    def _remember(self, numbers: Array, factors: Array, t: Transition) -> None:
        """Add a step to the items of the rows, and finished items to the memory."""
        if not self._rows:
            self._rows = self._blank_rows(len(numbers), numbers.shape[1])
        rows, length = self._rows, self.learning.segment
        if len(rows["filled"]) != len(numbers):
            raise ValueError(f"{len(rows['filled'])} rows have begun, got {len(numbers)}: reset comes first")
        at, active = rows["filled"], np.flatnonzero(t.active)
        fresh = active[at[active] == 0]
        rows["valid"][fresh], rows["factors"][fresh] = False, 0.0
        rows["numbers"][active, at[active]], rows["valid"][active, at[active]] = numbers[active], True
        rows["factors"][active] += factors[active]
        filled = at + t.active
        whole = np.flatnonzero(t.active & ((filled == length) | t.terminated))
        done = t.active & (t.terminated | t.truncated | (filled == length))
        rows["filled"] = np.where(done, 0, filled)
        if not whole.size:
            return
        valid = rows["valid"][whole]
        new = {"valid": valid, "factors": rows["factors"][whole]}
        new["numbers"] = np.where(valid[:, :, None], rows["numbers"][whole], 0.0)
        kept = {name: np.concatenate([self._items[name], x]) for name, x in new.items()} if self._items else new
        self._items = {name: x[-self.learning.memory :] for name, x in kept.items()}
        self._since += len(whole)

    def _blank_rows(self, rows: int, inputs: int) -> dict[str, Array]:
        length = self.learning.segment
        return {
            "numbers": np.zeros((rows, length, inputs)),
            "valid": np.zeros((rows, length), dtype=np.bool_),
            "factors": np.zeros((rows, len(self.factors))),
            "filled": np.zeros(rows, dtype=np.int64),
        }

    # -- learning ------------------------------------------------------------------------------------------------

    def answers(self, first: Array, second: Array, margins: Array) -> Array:
        """What is said of pairs of items with these factors ``(P, n)``: ``(P,)`` as :func:`compare_ranked` says it."""
        return compare_ranked(first, second, self.signs, margins)

    def _is_due(self) -> bool:
        return self._since >= (self.learning.warmup if self.net is None else self.learning.learn_every)

    def _learn(self) -> None:
        items, learning = self._items, self.learning
        net, margins = self.net, self.margins
        if net is None or margins is None:
            margins = margins_of(items["factors"], [f.margin for f in self.factors])
            net = Comparer(items["numbers"].shape[2], learning.network)
            net.whitening.take_in(items["numbers"][items["valid"]])
        draws = np.random.default_rng([learning.network.seed, self._rounds])
        size = min(learning.batch_size, len(items["factors"]))
        ahead, behind = np.triu_indices(size, 1)
        answered = 0
        for _ in range(learning.minibatches):
            drawn = draws.choice(len(items["factors"]), size=size, replace=False)
            z = items["factors"][drawn]
            answers = self.answers(z[ahead], z[behind], margins)
            told = np.flatnonzero(answers)
            answered += told.size
            if told.size:
                pair = ahead[told], behind[told]
                net.learn(items["numbers"][drawn], items["valid"][drawn], *pair, (answers[told] + 1.0) / 2.0)
        if not answered and self.net is None:
            raise ValueError(
                f"no two of {len(items['factors'])} items differ in any factor by more than its margin {margins}: "
                "there is nothing to learn from; play longer first (warmup), or take smaller margins"
            )
        self.net, self.margins = net, margins
        self.answered = answered / (learning.minibatches * len(ahead))
        each = net.scores(items["numbers"][items["valid"]][:, None, :])
        self.shift = float(each.mean()) if learning.centre else 0.0
        self.scale = max(float(each.std()), 1e-8)
        self._rounds, self._since = self._rounds + 1, 0

    def frozen(self) -> NetworkReward:
        """The reward as it is now, finished: it learns no more. Its factors must be entries of ``info``.

        Raises:
            ValueError: nothing has been learned yet, or a factor is a function, which no file can hold.
        """
        if self.net is None:
            raise ValueError(f"nothing is learned before {self.learning.warmup} items have been seen")
        names: list[str] = []
        for factor in self.factors if self.sees_factors else ():
            if not isinstance(factor.of, str):
                raise ValueError(f"a factor must be an entry of info to be kept in a file, got {factor.of!r}")
            names.append(factor.of if factor.index is None else f"{factor.of}[{factor.index}]")
        inputs = StepInputs((*self.inputs.parts, *names), self.inputs.num_actions)
        return self.net.frozen(inputs, shift=self.shift, scale=self.scale)

    # -- state ---------------------------------------------------------------------------------------------------

    def state_dict(self) -> dict[str, Array]:
        """Items, unfinished items, margins, network; empty before the first step."""
        if not self._rows and not self._items:
            return {}
        found = {"rounds": np.array(self._rounds), "since": np.array(self._since)}
        found |= {f"rows.{name}": array.copy() for name, array in self._rows.items()}
        found |= {f"items.{name}": array.copy() for name, array in self._items.items()}
        if self.net is not None and self.margins is not None:
            found |= {"margins": self.margins.copy(), "zero": np.array([self.shift, self.scale])}
            found |= {f"net.{name}": array for name, array in self.net.state_dict().items()}
        return found

    def read_state(self, state: Mapping[str, Array]) -> Callable[[], None]:
        """See :meth:`payoff.wrappers.RewardMethod.read_state`."""
        kind, learning, n = type(self).__name__, self.learning, len(self.factors)
        check_mapping("state", state, "arrays")
        parts = {prefix: part_of(state, prefix) for prefix in ("rows.", "items.", "net.")}
        blank: dict[str, Array] = {}
        net: Comparer | None = None
        if state:
            sizes = [as_array(part["numbers"]).shape for part in (parts["rows."], parts["items."]) if "numbers" in part]
            if not sizes or any(len(size) != 3 or size[1:] != (learning.segment, sizes[0][2]) for size in sizes):
                raise ValueError(
                    f"{kind}: numbers must have shape (items, {learning.segment}, I), got {sizes or 'none'}"
                )
            blank = {"rounds": np.array(0), "since": np.array(0)}
            for prefix in ("rows.", "items."):
                if parts[prefix]:
                    count = len(np.atleast_1d(as_array(parts[prefix].get("factors", ()))))
                    like = self._blank_rows(count, sizes[0][2])
                    names = like if prefix == "rows." else {k: v for k, v in like.items() if k != "filled"}
                    blank |= {f"{prefix}{name}": array for name, array in names.items()}
            if parts["net."]:
                blank |= {"margins": np.zeros(n), "zero": np.zeros(2)}
                net = Comparer.from_state(kind, parts["net."], sizes[0][2], learning.network)
        own = {name: array for name, array in state.items() if not str(name).startswith("net.")}
        check_names(kind, own, blank)
        arrays = {name: state_array(kind, name, own[name], like) for name, like in blank.items()}
        rows, items = part_of(arrays, "rows."), part_of(arrays, "items.")
        rounds, since = (int(arrays.get(name, 0)) for name in ("rounds", "since"))
        filled = rows.get("filled", np.zeros(0))
        if min(rounds, since) < 0 or (filled < 0).any() or (filled >= learning.segment).any():
            raise ValueError(
                f"{kind}: rounds and since must not be negative, and filled be in 0 .. {learning.segment - 1}"
            )
        least = max(learning.warmup if net is not None else 0, min(since, learning.memory))
        if (count := len(items.get("valid", ()))) < least:
            raise ValueError(f"{kind}: items must be at least {least} after since={since} new ones, got {count}")
        if items and not items["valid"][:, 0].all():
            raise ValueError(f"{kind}: items.valid must be True in the first step of every item")
        margins: Array | None = None
        shift, scale = 0.0, 1.0
        if net is not None:
            margins = arrays["margins"]
            shift, scale = map(float, arrays["zero"])
            if (margins < 0.0).any() or scale <= 0.0:
                raise ValueError(f"{kind}: margins must not be negative and the scale be above 0")

        def take_over() -> None:
            self._rows, self._items, self._rounds, self._since = rows, items, rounds, since
            self.net, self.margins, self.shift, self.scale = net, margins, shift, scale
            self.answered = float("nan")

        return take_over
