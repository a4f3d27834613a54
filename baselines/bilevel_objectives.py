"""What a learner climbs under a blended reward and what its designer wants, as functions that torch differentiates.

With theta the policy's numbers, phi the blend's (:mod:`payoff.wrappers.learned.blend`), G_t returns to go, which are 0
after the end, and T the length to which episodes are padded,

(1) J_in(theta, phi) = mean over episodes of 1/T sum_t G_t(phi) log pi_theta(a_t | s_t) + c mean H_t
(2) J_out(theta)     = the same with the returns of r_p, the true discount, and without entropy

The exact gradient of the discounted return has gamma^t in front of G_t; it is left out, as is usual. Where (2) is
evaluated after a step that used the same episodes, these are weighted by the ratio of new to old probabilities.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor
from torch.func import grad

from payoff.baselines.trajectories import Batch
from payoff.wrappers.learned.blend import BlendForm, head_size, layers
from payoff.wrappers.learned.hypergradient import Objective

__all__ = ["Objectives", "discounted", "outputs"]


def discounted(rewards: Tensor, gamma: Tensor | float) -> Tensor:
    """Returns to go ``(..., T)`` of rewards ``(..., T)``.

    Sums over 1, 2, 4, ... steps are put together, so a long episode takes few operations.
    """
    span, total = 1, rewards
    while span < rewards.shape[-1]:
        later = torch.nn.functional.pad(total[..., span:], (0, span))
        total = total + gamma**span * later
        span *= 2
    return total


def outputs(flat: Tensor, sizes: tuple[int, ...], features: Tensor) -> Tensor:
    """Outputs ``(..., n)`` of a head (:func:`payoff.wrappers.learned.blend.head`) that torch differentiates."""
    *hidden, last = layers(flat, sizes)
    for matrix in hidden:
        bent = torch.tanh(features @ matrix)
        features = torch.cat([bent, torch.ones_like(bent[..., :1])], dim=-1)
    found: Tensor = features @ last
    return found


@dataclass(frozen=True, slots=True)
class Objectives:
    """Blend, policy, and both aims, as functions of theta and phi.

    Attributes:
        form: what the blend consists of.
        num_steps: T of equation (1).
        gamma: discount of what is wanted, and of the learner where that is not learned.
        ent_coef: c of equation (1).
        hidden: widths of the policy's network.
        fed: whether w is an input of the policy: scores get theta's last number times w(s, a).
        reward_penalty: weight of half the square of the blend's numbers.
        gamma_penalty: weight of half the square of the learned discount.
    """

    form: BlendForm
    num_steps: int
    gamma: float
    ent_coef: float = 0.0
    hidden: tuple[int, ...] = ()
    fed: bool = False
    reward_penalty: float = 0.0
    gamma_penalty: float = 0.0

    @property
    def sizes(self) -> tuple[int, ...]:
        """Of the layers of the policy's head, inputs first."""
        return (self.form.inputs, *self.hidden, self.form.actions)

    @property
    def theta_size(self) -> int:
        """P."""
        return head_size(self.sizes) + self.fed

    def discount(self, phi: Tensor) -> Tensor | float:
        """The learner's discount."""
        return torch.sigmoid(phi[-1]) if self.form.learn_gamma else self.gamma

    def blended(self, phi: Tensor, batch: Batch) -> Tensor:
        """Rewards ``(n, T)`` that the learner is told, 0 after the end."""
        form = self.form
        if form.aux == "share":
            m = torch.sigmoid(phi[-1 - form.learn_gamma])
            reward = (1.0 - m) * batch.primary + m * batch.aux
        else:
            reward = form.primary * batch.primary
        own, aux = form.widths
        if own or aux:
            out = outputs(phi, form.sizes, batch.features)
            if own:
                reward = reward + _of_action(out[..., :own], batch.actions)
            if aux:
                reward = reward + _of_action(out[..., own:], batch.actions) * batch.aux
        return reward * batch.mask

    def log_policy(self, theta: Tensor, phi: Tensor, batch: Batch) -> Tensor:
        """Log pi ``(n, T, A)``."""
        scores = outputs(theta, self.sizes, batch.features)
        if self.fed:
            scores = scores + theta[-1] * outputs(phi, self.form.sizes, batch.features)[..., self.form.widths[0] :]
        return torch.log_softmax(scores, dim=-1)

    def inner(self, batch: Batch) -> Objective:
        """Equation (1) on these episodes."""
        scale = 1.0 / (len(batch.mask) * self.num_steps)

        def objective(theta: Tensor, phi: Tensor) -> Tensor:
            log_pi = self.log_policy(theta, phi, batch)
            returns = discounted(self.blended(phi, batch), self.discount(phi))
            score = scale * (batch.mask * returns * _of_action(log_pi, batch.actions)).sum()
            entropy = -(log_pi.exp() * log_pi).sum(dim=-1)
            found: Tensor = score + self.ent_coef * (batch.mask * entropy).sum() / batch.mask.sum()
            return found

        return objective

    def outer(self, batch: Batch, *, weighted: bool) -> Objective:
        """Equation (2) on these episodes, ``weighted`` by the ratio of probabilities.

        The gradient of the ratio at the point where it is 1 is that of the log probability.
        """
        returns = discounted(batch.primary, self.gamma) * batch.mask / (len(batch.mask) * self.num_steps)

        def objective(theta: Tensor, phi: Tensor) -> Tensor:
            chosen = _of_action(self.log_policy(theta, phi, batch), batch.actions)
            if weighted:
                chosen = torch.exp((chosen - batch.log_prob) * batch.mask)
            return (returns * chosen).sum()

        return objective

    def penalty(self, phi: Tensor) -> Tensor:
        """What is taken off the gradient of phi ``(Q,)``."""

        def size(phi: Tensor) -> Tensor:
            head = phi[: head_size(self.form.sizes)]
            found = 0.5 * self.reward_penalty * (head * head).sum()
            if self.form.learn_gamma:
                found = found + 0.5 * self.gamma_penalty * torch.sigmoid(phi[-1]) ** 2
            return found

        found: Tensor = grad(size)(phi)
        return found


def _of_action(values: Tensor, actions: Tensor) -> Tensor:
    """``(n, T)`` of ``(n, T, A)``, or of ``(n, T, 1)``, which is of no action."""
    if values.shape[-1] == 1:
        return values[..., 0]
    return values.gather(-1, actions[..., None])[..., 0]
