"""The twenty published games a second time: slow and plain, written from the published equations alone.

A test oracle. It shares no code with the package and was written without reading it, so a slip in one is unlikely to
be in the other too. There is one engine, ``play``, and one table, ``GAMES``, with every published keyword but
``render_mode``.

A round, in the published order: cast the actions to float32 and clip them to [0, e]; update trust and damage; value the
actions and form the mode's reward with the *updated* trust; add what the game adds (loyalty, thresholds and coalition;
memory; breach penalty; reputation tier); count the round; ask whether the episode ends.

Notation: actions ``a``, endowments ``e``, baselines ``b``, rates ``r = a / e``; ``D[i, j]`` dependence of i on j,
``T[i, j]`` trust of i in j, ``R[i, j]`` damage that j has in i's record.
"""

from types import SimpleNamespace

import numpy as np

MODES = ("private", "integrated", "cooperative")
VALUE = {"form": "log", "theta": 20.0, "beta": 0.75, "gamma": 0.65}
TRUST = {  # trust_params of the reciprocity games names some of these, value_params some of VALUE
    "lambda_plus": 0.10,
    "lambda_minus": 0.30,
    "mu_R": 0.60,
    "delta_R": 0.03,
    "xi": 0.50,
    "kappa": 1.0,
    "initial_trust": 0.50,
    "initial_reputation": 0.0,
    "trust_enabled": True,
}
TIERS = ((0.80, 1.30), (0.50, 1.00), (0.25, 0.70), (-np.inf, 0.40))  # ReputationMarket: score from, multiplier

# ------------------------------------------------------------------------------------------------ table of the games


def game(n, k, *, e=100.0, b, D, alpha=None, trust=None, **rest):
    """One game as a namespace: ``b`` in shares of the endowments, numbers for what is the same for every agent.

    ``trust`` is a row of the published table (lambda plus and minus, mu, delta, xi, kappa, initial trust, and initial
    damage where there is any) or names a few of ``TRUST``. A later source overrides an earlier one.
    """
    shapes = {"e": np.full(n, e, float), "b": np.full(n, e, float) * b, "D": np.full((n, n), D, float)}
    np.fill_diagonal(shapes["D"], 0.0)
    shapes["alpha"] = np.full(n, 1.0 / n) if alpha is None else np.array(alpha, float)
    if isinstance(trust, tuple):
        trust = dict(zip(TRUST, trust, strict=False))
    return SimpleNamespace(
        **(VALUE | TRUST | {"kind": None, "ends": None, "n": n} | vars(k) | shapes | (trust or {}) | rest)
    )


def hub(n, hub_on_spokes, spokes_on_hub):
    D = np.zeros((n, n))
    D[0, 1:], D[1:, 0] = hub_on_spokes, spokes_on_hub
    return D


def pair(first_on_second, second_on_first):
    return hub(2, first_on_second, second_on_first)


def mean_off_diagonal(M):
    return M[~np.eye(len(M), dtype=bool)].mean()


# The table keeps its lines as they are.
# fmt: off


def platform(k):
    n, share = k.n_developers, k.platform_share
    return game(
        1 + n, k, e=[150] + [80] * n, b=0.30, D=hub(1 + n, k.platform_dependency, k.developer_dependency),
        alpha=[share] + [(1 - share) / n] * n, theta=25, gamma=0.75, trust=(0.08, 0.25, 0.45, 0.02, 0.40, 1.0, 0.60),
        ends=lambda T: (T[1:, 0].mean(), "<", 0.15)
    )


def synergy(k):
    """``gamma`` names what a reset drew; without it the range must be one point."""
    if k.gamma is None and k.gamma_range[0] != k.gamma_range[1]:
        raise ValueError("this range draws gamma at random: pass gamma")
    gamma = k.gamma_range[0] if k.gamma is None else k.gamma
    return game(2, k, b=0.40, D=0.50, theta=20, gamma=gamma, trust=(0.10, 0.30, 0.60, 0.03, 0.50, 1.0, 0.55))


def renault_nissan(k):
    """Nissan on Renault, Renault on Nissan, initial trust, initial damage."""
    D01, D10, T0, R0 = {
        "formation": (0.78, 0.66, 0.45, 0.05),
        "mature": (0.51, 0.66, 0.70, 0.02),
        "crisis": (0.35, 0.72, 0.30, 0.45),
        "strained": (0.28, 0.65, 0.40, 0.35)
    }[k.phase.lower()]
    return game(
        2, k, e=(90, 100), b=0.30, D=pair(D01, D10), alpha=(0.48, 0.52), theta=22, gamma=0.58,
        trust=(0.08, 0.25, 0.55, 0.02, 0.50, 1.0, T0, R0)
    )


def collective(n, k, e=50.0, **rest):
    """Games of collective action: one dependence, one trust; their own payoff is only reported."""
    defaults = {"kind": "loyalty", "c": 1.0, "cap": 1.0, "keeps": False, "minimum": None}
    return game(n, k, e=e, b=0.40, D=0.55, trust=(0.10, 0.25, 0.40, 0.02, 0.50, 1.0, 0.50), **(defaults | rest))


def apache(k):
    """Agents, loyalty multiplier, omega."""
    phases = {"emergence": (8, 1.00, 20.0), "growth": (15, 0.85, 25.0), "maturity": (40, 0.70, 30.0)}
    n, cap, omega = (phases | {"evolution": (35, 0.60, 28.0)})[k.phase]
    return collective(n, k, cap=cap, omega=omega, beta=0.7, phi_B=0.75, phi_C=0.25)


def reciprocal(n, k, rho_0, eta, slope, window, lambda_R, omega_R, e=100.0, *, D, b=0.30, initial_trust=0.50):
    """Games of reciprocity, with their row of the published table."""
    trust = {"initial_trust": initial_trust} | (getattr(k, "trust_params", None) or {}) | (k.value_params or {})
    row = {"rho_0": rho_0, "eta": eta, "slope": slope, "window": window, "lambda_R": lambda_R, "omega_R": omega_R}
    return game(n, k, e=e, b=b, D=D, trust=trust, kind="reciprocity", **row)


STEPS, TEAM = {"max_steps": 100}, {"n_agents": 4, "omega": 25.0, "beta": 0.7, "c": 1.0, "max_steps": 100}
PARAMS = {"value_params": None, "trust_params": None}
GAMES = {  # id: (published keywords with their defaults, function from the keywords to the game)
    "TrustDilemma-v0": (
        STEPS | {"trust_sensitivity": 1.5, "trust_building_rate": 0.15, "trust_erosion_rate": 0.45},
        lambda k: game(
            2, k, b=0.40, D=0.60, theta=20, gamma=0.70, ends=lambda T: (mean_off_diagonal(T), "<", 0.05),
            trust=(k.trust_building_rate, k.trust_erosion_rate, 0.50, 0.02, 0.60, k.trust_sensitivity, 0.50)
        )
    ),
    "PartnerHoldUp-v0": (
        STEPS | {"strong_dependency": 0.35, "weak_dependency": 0.85},
        lambda k: game(
            2, k, e=(120, 80), b=0.35, D=pair(k.strong_dependency, k.weak_dependency), alpha=(0.6, 0.4), theta=20,
            gamma=0.60, trust=(0.10, 0.35, 0.55, 0.025, 0.70, 1.2, 0.55), ends=lambda T: (T[1, 0], "<", 0.10)
        )
    ),
    "PlatformEcosystem-v0": (
        STEPS
        | {"n_developers": 4, "platform_share": 0.30, "platform_dependency": 0.25, "developer_dependency": 0.75},
        platform
    ),
    "DynamicPartnerSelection-v0": (
        {"n_agents": 6, "reputation_weight": 0.5, "max_steps": 50},
        lambda k: game(
            k.n_agents, k, b=0.35, D=0.40, theta=18, gamma=0.55, kind="scores",
            trust=(0.12, 0.35, 0.60, 0.015, 0.45, 1.2, 0.50)
        )
    ),
    "RecoveryRace-v0": (
        {"initial_trust": 0.25, "initial_reputation_damage": 0.50, "recovery_target": 0.90, "max_steps": 150},
        lambda k: game(
            2, k, b=0.35, D=0.55, theta=20, gamma=0.60,
            trust=(0.08, 0.35, 0.70, 0.01, 0.40, 1.0, k.initial_trust, k.initial_reputation_damage),
            ends=lambda T: (mean_off_diagonal(T), ">=", k.recovery_target)
        )
    ),
    "SynergySearch-v0": (STEPS | {"gamma_range": (0.20, 0.90), "reveal_gamma_in_obs": False, "gamma": None}, synergy),
    "SLCD-v0": (
        STEPS | {"trust_enabled": True},
        lambda k: game(
            2, k, b=0.30, D=pair(0.64, 0.86), alpha=(0.55, 0.45), theta=20, gamma=0.65,
            trust=(0.08, 0.28, 0.50, 0.02, 0.45, 1.0, 0.65)
        )
    ),
    "RenaultNissan-v0": (STEPS | {"phase": "mature"}, renault_nissan),
    "CooperativeNegotiation-v0": (
        STEPS | {"agreement_threshold": 10.0, "breach_penalty_multiplier": 3.0, "negotiation_rounds": 5},
        lambda k: game(
            2, k, b=0.35, D=0.55, theta=20, gamma=0.60, trust=(0.12, 0.40, 0.65, 0.02, 0.55, 1.2, 0.50),
            kind="negotiation"
        )
    ),
    "ReputationMarket-v0": (
        STEPS | {"n_agents": 5, "reputation_visibility": 1.0, "tier_enabled": True},
        lambda k: game(
            k.n_agents, k, b=0.35, D=0.35, theta=18, gamma=0.50, kind="tiers",
            trust=(0.10, 0.30, 0.55, 0.015, 0.45, 1.0, 0.50)
        )
    ),
    "TeamProduction-v0": (TEAM, lambda k: collective(k.n_agents, k, kind="team", c=k.c, phi_B=0.0, phi_C=0.0)),
    "LoyaltyTeam-v0": (TEAM | {"phi_B": 0.8, "phi_C": 0.3}, lambda k: collective(k.n_agents, k, c=k.c)),
    "CoalitionFormation-v0": (
        {"n_agents": 6, "omega": 25.0, "beta": 0.7, "max_steps": 150}
        | {"min_coalition_size": 3, "exit_threshold": 0.15, "reentry_cooldown": 5},
        lambda k: collective(k.n_agents, k, phi_B=0.7, phi_C=0.3, minimum=k.min_coalition_size)
    ),
    "ApacheProject-v0": ({"phase": "maturity", "max_steps": 60}, apache),
    "PublicGoods-v0": (
        STEPS | {"n_agents": 5, "multiplier": 2.0, "endowment": 50.0, "phi_B": 0.6, "phi_C": 0.2},
        lambda k: collective(k.n_agents, k, k.endowment, omega=k.multiplier, beta=1.0, keeps=True)
    ),
    "ReciprocalDilemma-v0": (STEPS | PARAMS, lambda k: reciprocal(2, k, 1.0, 1.0, 1.0, 5, 1.0, 0.6, D=0.5)),
    "GiftExchange-v0": (
        STEPS | PARAMS,
        lambda k: reciprocal(2, k, 1.2, 1.5, 1.0, 3, 1.2, 0.8, e=(100, 80), D=pair(0.4, 0.7))
    ),
    "IndirectReciprocity-v0": (
        PARAMS | {"max_steps": 150},
        lambda k: reciprocal(4, k, 0.8, 1.0, 1.0, 7, 1.5, 0.5, D=0.4)
    ),
    "GraduatedSanction-v0": (
        PARAMS | {"max_steps": 200},
        lambda k: reciprocal(6, k, 0.6, 1.5, 0.8, 10, 1.8, 1.0, D=0.35, b=0.40)
    ),
    "AppleAppStore-v0": (
        {"max_steps": 66, "value_params": None},
        lambda k: reciprocal(
            3, k, 1.0, 1.2, 0.8, 4, 1.0, 0.8, e=(100, 80, 60), D=[[0, 0.3, 0.2], [0.8, 0, 0.15], [0.85, 0.1, 0]],
            initial_trust=0.60
        )
    )
}
# fmt: on


# ------------------------------------------------------------------------------------------------------- the engine


class State(SimpleNamespace):
    """What a round hands to the next, and ``edge``: how close a comparison came to going the other way, in rates.

    Implementations that round differently may part at a small edge. An exact tie is no edge where both sides are exact.
    """

    def near(self, x, threshold, exact=False):
        distance = np.abs(np.asarray(x, float) - threshold)
        if exact:
            distance = distance[distance > 0]
        self.edge = np.min(distance, initial=self.edge)


def values(g, a):
    """Individual values f(a_i), and the surplus gamma * (geometric mean)."""
    f = g.theta * np.log1p(a) if g.form == "log" else np.maximum(a, 1e-10) ** g.beta
    return f, 0.0 if (a <= 1e-10).any() else g.gamma * np.exp(np.log(a).mean())


def trust_update(g, a, T, R):
    """Trust and damage after actions a, both from the old T and R. Column j moves with the signal of agent j."""
    if not g.trust_enabled:
        return T, R
    s = np.tanh(g.kappa * (a - g.b))[None, :]
    gain = g.lambda_plus * s * np.maximum(0, 1 - R - T)
    loss = g.lambda_minus * s * T * (1 + g.xi * g.D)
    new_T = np.clip(T + np.where(s > 0, gain, loss), 0, 1 - R)
    new_R = np.clip(np.where(s < 0, R + g.mu_R * -s * (1 - R), R * (1 - g.delta_R)), 0, 1)
    own = np.eye(g.n, dtype=bool)
    return np.where(own, T, new_T), np.where(own, R, new_R)


def mode_reward(g, mode, pi, T, R):
    utility = pi + (np.minimum(T, 1 - R) * g.D) @ pi
    return {"private": pi, "integrated": utility, "cooperative": np.full(g.n, utility.mean())}[mode]


def theory_payoff(g, a, loyalty):
    """What a member of the team would be paid in theory; the public good also keeps e - a."""
    team = g.omega * a.sum() ** g.beta / g.n - g.c * a
    mates = (team.sum() - team) / (g.n - 1)
    return team + loyalty * (g.phi_B * mates + g.phi_C * g.c * a) + (g.e if g.keeps else 0.0)


def coalition_update(g, s):
    """Leave below the exit threshold while the coalition stays large enough; come back after the cooldown.

    Loyalty is float32 here, as published, and its arithmetic too: steps of 0.02 and 0.025 like to end on a threshold.
    """
    for i in list(s.members):
        if s.loyalty[i] < np.float32(g.exit_threshold) and len(s.members) > g.minimum:
            s.members.remove(i)
            s.timers[i] = g.reentry_cooldown
    for i in list(s.timers):  # in the order of leaving, those who left just now included
        s.timers[i] -= 1
        if s.timers[i] <= 0 and s.loyalty[i] >= np.float32(0.4):
            del s.timers[i]
            s.members.append(i)


def loyalty_factor(g, s, a):
    """Multipliers of a collective game, after the round's update of loyalty and coalition."""
    # float32 quotients, so that 0.2, 0.3 and 0.6 of the endowment reach these thresholds
    r32 = a.astype(np.float32) / g.e.astype(np.float32)
    r = r32.astype(float)
    for threshold in [0.2] if g.kind == "team" else [0.3, 0.5]:
        s.near(a / g.e, threshold, exact=True)
    if g.kind == "team":
        return np.where(r < 0.2, 0.9, 1.0)
    real = np.float64 if g.minimum is None else np.float32
    step = np.where(r >= 0.5, real(0.02) * r.astype(real), real(-0.05) * (real(0.5) - r.astype(real)))
    s.loyalty = np.clip(s.loyalty.astype(real) + step, real(0), real(g.cap))
    if g.minimum is not None:
        coalition_update(g, s)
    s.rates.append(r32)
    # numpy's float32 mean over each agent's own window: of the usual sums only this one gives the published returns of
    # a constant rate 0.6, which lies on the threshold (and falls short of it in rounds 6 and 7)
    q = np.array([np.array(window).mean() for window in zip(*s.rates[-10:], strict=True)])
    mixed = np.ptp(s.rates[-10:], axis=0) > 0
    s.near(q[mixed], 0.6)
    s.near(a[~mixed] / g.e[~mixed], 0.6, exact=True)
    m = np.where(r < 0.3, 0.5, 1.0) * np.where(q >= np.float32(0.6), 1 + 0.15 * q.astype(float), 1.0)
    m *= 1.2 if (r >= 0.5).all() else 1.0
    if g.minimum is not None:
        inside = np.isin(np.arange(g.n), s.members)
        m *= np.where(inside, 1.1 if len(s.members) >= g.minimum else 1.0, 0.5)
    return m


def reciprocity_factor(g, s, a, T):
    """The published memory: its window includes the round just played, and is empty in the first round."""
    s.history.append(a)
    w = min(g.window, len(s.history) - 1)
    s.memory = np.mean(s.history[-w:], axis=0) if w else np.zeros(g.n)
    response = g.rho_0 * g.D**g.eta * np.tanh(g.slope * (a - s.memory))
    U = g.lambda_R * (T * (1 + g.omega_R * g.D) * response * (1 - np.eye(g.n))).sum(axis=1)
    return np.maximum(0.01, 1 + U / g.e.mean())


def build(name, **keywords):
    """The game of an id, its keywords as published where they are not given."""
    defaults, from_keywords = GAMES[name]
    if unknown := set(keywords) - set(defaults):
        raise TypeError(f"{name} has no keyword {sorted(unknown)}")
    return from_keywords(SimpleNamespace(**(defaults | keywords)))


def play(name, actions, mode="integrated", **keywords):
    """Records of the rounds that ``actions[t][i]`` (as submitted) play from a reset, up to the end of the episode.

    ``rewards`` are those of the mode, ``private`` those of the private mode: what the game adds is in both.
    """
    g = build(name, **keywords)
    T = np.where(np.eye(g.n), 1.0, g.initial_trust if g.trust_enabled else 1.0)
    R = np.where(np.eye(g.n), 0.0, g.initial_reputation if g.trust_enabled else 0.0)
    s = State(history=[], rates=[], members=list(range(g.n)), timers={}, agreement=None, q=np.zeros(g.n))
    s.loyalty = np.full(g.n, 0.5 * getattr(g, "cap", 1.0))
    s.q += 0.5 if g.kind == "tiers" else 0.0
    records = []
    for t, submitted in enumerate(actions, start=1):
        raw = np.array(submitted, np.float32).astype(float)
        a = np.clip(raw, 0, g.e)
        s.edge = np.inf
        s.near((a - g.b) / g.e, 0.0, exact=True)
        T, R = trust_update(g, a, T, R)
        f, surplus = values(g, a)
        pi = g.e - a + f + g.alpha * surplus
        factor, penalty = 1.0, 0.0
        record = {"trust": T, "reputation_damage": R, "total_value": f.sum() + surplus}
        if g.kind in ("team", "loyalty"):
            factor = loyalty_factor(g, s, a)
            record |= {"loyalty": s.loyalty, "theory_payoff": theory_payoff(g, a, s.loyalty.astype(float))}
            if g.minimum is not None:
                record["members"] = np.isin(np.arange(g.n), s.members)
        elif g.kind == "reciprocity":
            factor = reciprocity_factor(g, s, a, T)
            record["memory_average"] = s.memory
        elif g.kind == "negotiation":
            if s.agreement is not None:
                change = np.abs(a - s.agreement)
                s.near(change / g.e, g.agreement_threshold / g.e, exact=True)
                if (change > g.agreement_threshold).any():
                    penalty = g.breach_penalty_multiplier * change
            s.near([abs(a[0] - a[1]) / 100], g.agreement_threshold / 100, exact=True)
            if abs(a[0] - a[1]) <= g.agreement_threshold:
                s.agreement = a
            record["agreement"] = np.zeros(2) if s.agreement is None else s.agreement
        elif g.kind == "scores":
            s.q = 0.9 * s.q + 0.1 * raw / g.e
        elif g.kind == "tiers":
            s.q = np.clip(s.q + 0.1 * (raw / g.e - 0.5), 0, 1)
            for low, _ in TIERS:
                s.near(s.q[(s.q != 0.5) | (t > 1)], low)
            if g.tier_enabled:
                factor = np.array([next(m for low, m in TIERS if q >= low) for q in s.q])
        if g.kind in ("scores", "tiers"):
            record["reputation_scores"] = s.q
        ends = False
        if g.ends:
            level, sign, threshold = g.ends(T)
            s.near(level, threshold)
            ends = level < threshold if sign == "<" else level >= threshold
        elif g.kind == "loyalty" and g.minimum is not None:
            ends = len(s.members) < g.minimum
        paid = {"private": pi * factor - penalty, "rewards": mode_reward(g, mode, pi, T, R) * factor - penalty}
        record |= paid | {"terminated": bool(ends), "truncated": t >= g.max_steps, "edge": s.edge}
        records.append(record)
        if ends or t >= g.max_steps:
            break
    return records
