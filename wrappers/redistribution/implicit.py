"""Implicit step rewards: the logarithm of a ratio of two policies is a reward for each step.

(1) r_t = beta log( pi_phi(a_t | s_t) / pi_ref(a_t | s_t) ),  q_t = sum of r up to t
(2) sum_t r_t = beta log of the ratio of the probabilities of the whole sequence of actions
(3) cross entropy:  loss = - y log sigmoid(q_T) - (1 - y) log(1 - sigmoid(q_T)),  y the outcome, in [0, 1]
(4) pairs:          loss = - log sigmoid(q+ - q-) over pairs of a better and a worse episode from the same start, q the
                    mean of r over the steps

Where transitions are deterministic and pi_phi is the best policy for an outcome R minus beta times the divergence from
pi_ref, r_t = V(s_{t+1}) - V(s_t) with the soft value V, and sum_t r_t = R - V(s_0): potential shaping of R. Nobody
labels a step; the outcome alone teaches which actions made the difference.

Sources: ImplicitPRM and PRIME ((3), with a fixed reference) and OPRL / iStar ((4), with the policy that played as the
reference), and their published code, beta = 0.05 in all. Those are language models; one action here is one token
there. unverified: the result tables of OPRL / iStar, which are from memory.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, Literal, cast

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from payoff.envs.core.params import check_flag, check_integer, check_number, check_word
from payoff.wrappers.arguments import as_array, check_mapping, check_names, reals, state_array
from payoff.wrappers.redistribution.base import EpisodeBatch, RewardTransform
from payoff.wrappers.redistribution.episode_learning import EpisodeLearning
from payoff.wrappers.rows import Array
from payoff.wrappers.small_networks import adam_arrays, grad, mlp, take_adam_arrays

__all__ = ["ImplicitStepRewards", "implicit_rewards", "paid_something"]

_LIMIT = 10.0  # largest log ratio that is paid


def implicit_rewards(log_prob: Array, log_reference: Array, *, beta: float, limit: float = _LIMIT) -> Array:
    """Equation (1), the log ratio clipped to [-limit, limit].

    Args:
        log_prob: log probabilities of the actions under pi_phi.
        log_reference: under pi_ref, of the same shape.
        beta: units of reward of a factor e, above 0.
        limit: largest size of a log ratio, above 0; infinity for none.

    Raises:
        ValueError: arrays of different shapes, or an argument out of its range.
    """
    log_prob, log_reference = reals("log_prob", log_prob), reals("log_reference", log_reference)
    if log_prob.shape != log_reference.shape:
        raise ValueError(f"log_reference must have the shape of log_prob {log_prob.shape}, got {log_reference.shape}")
    check_number("beta", beta, 0.0, open_low=True)
    if not (isinstance(limit, float) and limit == np.inf):
        check_number("limit", limit, 0.0, open_low=True)
    ratio = log_prob - log_reference
    rewards: Array = beta * np.clip(ratio, -limit, limit)
    return rewards


def paid_something(batch: EpisodeBatch) -> Array:
    """Outcome ``(B,)``: 1 where the return is above 0."""
    outcomes: Array = (batch.returns > 0.0).astype(np.float64)
    return outcomes


class ImplicitStepRewards(RewardTransform):
    """Adds (1) to the rewards, pi_phi being a network that learns from outcomes as episodes come in.

    Each call makes gradient steps on its own finished episodes, then pays; episodes that all had the same outcome teach
    nothing and are passed over. With ``reference="played"`` the reward means something else in each call, so what is
    learned from it should not be kept from one to the next.

    Args:
        num_actions: K, number of integer actions of each entry.
        loss: ``"cross_entropy"``, (3), or ``"pairs"``, (4); pairs are of one start group where the batch has groups.
        reference: ``"start"``, the network as it was before it learned from an outcome, or ``"played"``, the policy
            that played, which a trainer tells in ``log_prob``.
        beta: see (1), above 0.
        coef: factor on (1) where it is added to the rewards, at least 0.
        keep: add it to the given rewards; False pays it alone.
        imitate: gradient steps on the log probability of the actions of the first batch, before anything else, so that
            the network starts from the policy that played.
        outcome: function from the batch to ``(B,)`` in [0, 1]; by default whether an episode returned more than 0.
        learning: ``hidden``, ``learning_rate``, ``gradient_steps`` (a call, each on all its episodes) and ``seed``.

    Raises:
        TypeError: ``outcome`` cannot be called, or ``learning`` is no EpisodeLearning.
        ValueError: another argument is out of its range.
    """

    def __init__(
        self,
        num_actions: int,
        *,
        loss: Literal["cross_entropy", "pairs"] = "cross_entropy",
        reference: Literal["start", "played"] = "start",
        beta: float = 0.05,
        coef: float = 1.0,
        keep: bool = True,
        imitate: int = 0,
        outcome: Callable[[EpisodeBatch], Array] = paid_something,
        learning: EpisodeLearning | None = None,
    ) -> None:
        check_integer("num_actions", num_actions, 2)
        check_word("loss", loss, ("cross_entropy", "pairs"))
        check_word("reference", reference, ("start", "played"))
        check_number("beta", beta, 0.0, open_low=True)
        check_number("coef", coef, 0.0)
        check_flag("keep", keep)
        check_integer("imitate", imitate, 0)
        function, given = cast(Any, outcome), cast(Any, learning)
        if not callable(function):
            raise TypeError(f"outcome must be a function of an EpisodeBatch, got {outcome!r}")
        if given is not None and not isinstance(given, EpisodeLearning):
            raise TypeError(f"learning must be an EpisodeLearning, got {type(given).__name__}")
        self.num_actions, self.kind, self.reference = num_actions, loss, reference
        self.beta, self.coef, self.keep, self.imitate, self.outcome = beta, coef, keep, imitate, outcome
        self.learning = learning or EpisodeLearning(gradient_steps=10)
        self.needs = ("log_prob",) if reference == "played" else ()
        self.sizes: tuple[int, int] | None = None  # entries of an observation, entries of an action

    # -- the network ---------------------------------------------------------------------------------------------

    def _build(self, obs_size: int, action_size: int) -> None:
        generator = torch.Generator().manual_seed(self.learning.seed)
        outputs = action_size * self.num_actions
        with grad():
            self.net = mlp((obs_size, *self.learning.hidden, outputs), generator)
            self.start = mlp((obs_size, *self.learning.hidden, outputs), generator)
        self.start.load_state_dict(self.net.state_dict())
        self.adam = torch.optim.Adam(self.net.parameters(), lr=self.learning.learning_rate, foreach=False)
        self.sizes, self._steps = (obs_size, action_size), 0

    def _log_probs(self, net: nn.Module, batch: EpisodeBatch) -> Tensor:
        """Log probabilities ``(R,)`` of the actions of the valid steps, summed over the entries of an action."""
        assert self.sizes is not None
        valid = batch.valid
        rows = int(valid.sum())
        obs = torch.from_numpy(batch.obs[:-1][valid].reshape(rows, -1).astype(np.float64))
        actions = torch.from_numpy(batch.actions[valid].reshape(rows, -1).astype(np.int64))
        logits = net(obs).unflatten(-1, (self.sizes[1], self.num_actions))
        return F.log_softmax(logits, dim=-1).gather(-1, actions[..., None])[..., 0].sum(-1)

    def _log_reference(self, batch: EpisodeBatch) -> Tensor:
        if self.reference == "played":
            return torch.from_numpy(np.asarray(batch.info["log_prob"][batch.valid], dtype=np.float64))
        with torch.no_grad():
            return self._log_probs(self.start, batch)

    # -- learning and paying -------------------------------------------------------------------------------------

    def learn(self, batch: EpisodeBatch) -> None:
        """Gradient steps on the finished episodes, unless all had the same outcome.

        Raises:
            ValueError: an action is no integer in 0 .. K - 1, or an outcome lies outside [0, 1].
        """
        chosen = batch.actions[batch.valid]
        if not np.isin(chosen, np.arange(self.num_actions)).all():
            raise ValueError(f"actions must be integers in 0 .. {self.num_actions - 1}, got {np.unique(chosen)}")
        if self.sizes is None:
            self._build(*(int(np.prod(x.shape[2:])) for x in (batch.obs, batch.actions)))
            self._descend(self.imitate, lambda: -self._log_probs(self.net, batch).mean())
            self.start.load_state_dict(self.net.state_dict())
        outcomes = reals("what outcome returns", self.outcome(batch))
        if outcomes.shape != batch.returns.shape or not ((outcomes >= 0.0) & (outcomes <= 1.0)).all():
            raise ValueError(f"outcome must return {batch.returns.shape} numbers in [0, 1], got {outcomes}")
        told = outcomes[batch.finished]
        if self.kind == "pairs":
            some = bool(self._pairs(batch, outcomes)[0].size)  # without a pair Adam would still follow its momentum
        else:
            some = bool(told.size and told.min() < told.max())
        if some:
            reference = self._log_reference(batch)
            self._descend(self.learning.gradient_steps, lambda: self._loss(batch, reference, outcomes))

    def _descend(self, steps: int, loss: Callable[[], Tensor]) -> None:
        with grad():
            for _ in range(steps):
                self.adam.zero_grad()
                loss().backward()  # type: ignore[no-untyped-call]
                self.adam.step()
        self._steps += steps

    def _loss(self, batch: EpisodeBatch, reference: Tensor, outcomes: Array) -> Tensor:
        """(3) or (4) over the finished episodes."""
        steps = self.beta * (self._log_probs(self.net, batch) - reference)
        episode = torch.from_numpy(np.broadcast_to(np.arange(len(outcomes)), batch.valid.shape)[batch.valid])
        q = torch.zeros(len(outcomes), dtype=torch.float64).index_add(0, episode, steps)
        finished = np.flatnonzero(batch.finished)
        if self.kind == "cross_entropy":
            return F.binary_cross_entropy_with_logits(q[finished], torch.from_numpy(outcomes[finished]))
        q = q / torch.from_numpy(batch.lengths)
        first, second = self._pairs(batch, outcomes)
        return -F.logsigmoid(q[first] - q[second]).mean()

    @staticmethod
    def _pairs(batch: EpisodeBatch, outcomes: Array) -> tuple[Array, Array]:
        """Numbers of the better and of the worse episode of each pair of (4); none where no start had both kinds."""
        group = np.zeros_like(outcomes) if batch.group is None else batch.group
        better = np.greater.outer(outcomes, outcomes) & np.equal.outer(group, group)
        first, second = np.nonzero(better & np.logical_and.outer(batch.finished, batch.finished))
        return first, second

    def rewrite(self, batch: EpisodeBatch) -> Array:
        """(1) of each step, with the given rewards where they are kept; nothing before the first call."""
        given = batch.paid if self.keep else np.zeros(batch.rewards.shape)
        if self.sizes is None:
            return given
        with torch.no_grad():
            ratio = self._log_probs(self.net, batch).numpy()
        given[batch.valid] += self.coef * implicit_rewards(ratio, self._log_reference(batch).numpy(), beta=self.beta)
        return given

    # -- state ---------------------------------------------------------------------------------------------------

    def state_dict(self) -> dict[str, Array]:
        """Weights of pi_phi and of the start, moments of Adam; empty before the first call."""
        if self.sizes is None:
            return {}
        found = {"sizes": np.array(self.sizes), "steps": np.array(self._steps)}
        for name, weight in self.start.named_parameters():
            found[f"start.{name}"] = weight.detach().numpy().copy()
        return found | adam_arrays(self.net, self.adam, "adam.")

    def load_state_dict(self, state: Mapping[str, Array]) -> None:
        """Take over what :meth:`state_dict` gave.

        Raises:
            ValueError: other names or shapes than these settings give, or a number that is not finite; nothing has
                changed.
        """
        check_mapping("state", state, "arrays")
        if not state and self.sizes is None:
            return
        kind, sizes = type(self).__name__, as_array(state.get("sizes", ()))
        whole = sizes.dtype.kind in "iu" and sizes.shape == (2,) and sizes.min() >= 1
        if not whole or self.sizes not in (None, tuple(int(x) for x in sizes)):
            raise ValueError(f"{kind}: sizes must be two whole numbers, those of its network, got {sizes.tolist()!r}")
        other = type(self).__new__(type(self))
        other.__dict__.update(self.__dict__)
        other._build(int(sizes[0]), int(sizes[1]))
        blank = other.state_dict()
        check_names(kind, state, blank)
        arrays = {name: state_array(kind, name, state[name], like) for name, like in blank.items()}
        if arrays["steps"] < 0:
            raise ValueError(f"{kind}: steps must be a whole number of at least 0, got {arrays['steps']!r}")
        other._steps = int(arrays["steps"])
        with torch.inference_mode(False), torch.no_grad():
            for name, weight in other.start.named_parameters():
                weight.copy_(torch.from_numpy(arrays[f"start.{name}"]))
        take_adam_arrays(other.net, other.adam, arrays, other._steps, "adam.")
        self.__dict__.update(other.__dict__)
