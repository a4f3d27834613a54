"""``payoff list`` and ``payoff info``: what environments there are."""

from __future__ import annotations

import importlib
import inspect
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, fields
from typing import TYPE_CHECKING, Annotated, Any

import tyro

from payoff.cli.shared import UserError, console, near, user_errors

if TYPE_CHECKING:
    from rich.table import Table

    from payoff.envs.core.game import Game

__all__ = ["Info", "ListGames"]


@dataclass(frozen=True)
class ListGames:
    """List every environment: seats, actions, horizon, kind and, where there is room for it, one line about it.

    Examples:
        payoff list
        payoff list --tag trust
        payoff list my_package.games
    """

    modules: Annotated[tuple[str, ...], tyro.conf.Positional, tyro.conf.arg(metavar="MODULE")] = ()
    """modules of other packages, which are imported first and register their games"""
    tag: str | None = None
    """only environments with this tag"""

    def run(self) -> int:
        """See :class:`payoff.cli.Command`."""
        from rich.measure import Measurement

        from payoff.envs import registry
        from payoff.envs.rewards import LAYERS

        for name in self.modules:
            try:
                with user_errors():
                    importlib.import_module(name)
            except UserError as error:
                raise UserError(f"cannot import the module {name!r}: {error}") from error
        games = [registry.load(i) for i in registry.ids()]
        shown = [g for g in games if self.tag in (None, *g.tags)]
        if not shown:
            tags = sorted({tag for g in games for tag in g.tags})
            raise UserError(f"no environment has the tag {self.tag!r}{near(self.tag or '', tags)}: {', '.join(tags)}")
        out = console()
        for left_out in ((), ("tags",), ("tags", "what it is")):
            table = _overview(shown, left_out)
            if Measurement.get(out, out.options.update_width(1000), table).maximum <= out.width:
                break
        out.print(table)
        missing = f"; a wider terminal shows {' and '.join(left_out)} as well" if left_out else ""
        out.print(f"\nrewards: {', '.join(LAYERS)} (numbers after a colon: svo:0.4), or package.module:Name")
        out.print(f"payoff info ID shows the rules, parameters and spaces of one of them{missing}")
        return 0


def _overview(games: Sequence[Game[Any]], left_out: Sequence[str]) -> Table:
    """A line for each game, without some of the columns."""
    from rich.table import Table

    lines = []
    for game in games:
        shape = game.shape(game.params())
        kind, *tags = game.tags
        lines.append(
            {
                "id": game.id,
                "seats": str(shape.n_agents),
                "actions": _actions(game),
                "steps": str(shape.max_steps),
                "kind": kind,
                "tags": ", ".join(tags),
                "what it is": game.summary,
            }
        )
    columns = [name for name in lines[0] if name not in left_out]
    table = Table(*columns, box=None, pad_edge=False, header_style="bold")
    table.columns[0].no_wrap = True
    for line in lines:
        table.add_row(*(line[name] for name in columns))
    return table


@dataclass(frozen=True)
class Info:
    """Show one environment: its page, parameters with defaults and units, spaces, rewards and certificate.

    Examples:
        payoff info payoff/TrustDilemma-v0
        payoff info KeyRoom-v0
        payoff info my_package.games:mine/Lock-v0 --markdown
    """

    id: Annotated[str, tyro.conf.Positional, tyro.conf.arg(metavar="ID")]
    """environment id; the namespace payoff/ may be left out, and package.module: before it is imported first"""
    markdown: bool = False
    """print the page of docs/environments as Markdown"""

    def run(self) -> int:
        """See :class:`payoff.cli.Command`."""
        from rich.markdown import Markdown
        from rich.table import Table
        from rich.text import Text

        from payoff.envs import registry

        with user_errors():
            game = registry.load(self.id)
        if self.markdown:
            from payoff.page import page

            print(page(game, registry.full_id(self.id)), end="")
            return 0
        out = console()
        out.print(Text.assemble((game.id, "bold"), f"  {', '.join(game.tags)}\n"))
        out.print(Markdown(game.doc.strip()))
        table = Table("parameter", "default", "meaning and unit", title="\nParameters", title_justify="left")
        for name, default, comment in _parameters(game):
            table.add_row(name, default, Text(comment))
        out.print(table)
        facts = Table.grid("", "", padding=(0, 2))
        for title, text in (*_facts(game), *_certificate(game)):
            facts.add_row(Text(title, "bold"), Text(text))
        out.print(facts)
        return 0


def _actions(game: Game[Any]) -> str:
    shape = game.shape(game.params())
    return f"{shape.n_actions} discrete" if shape.n_actions else f"{shape.action_size} continuous"


def _parameters(game: Game[Any]) -> Iterator[tuple[str, str, str]]:
    """Name, default and trailing comment (symbol and unit) of each parameter."""
    source = inspect.getsource(game.params)
    for parameter in fields(game.params):
        match = re.search(rf"^    {parameter.name}\s*:.*?#\s*(.*)$", source, re.MULTILINE)
        yield parameter.name, repr(getattr(game.params(), parameter.name)), match[1] if match else ""


def _facts(game: Game[Any]) -> Iterator[tuple[str, str]]:
    """Sizes, spaces and rewards, at the default parameters."""
    from payoff.envs.rewards.naming import working

    params = game.params()
    shape = game.shape(params)
    yield "seats", f"{shape.n_agents}"
    yield "horizon", f"{shape.max_steps} steps"
    if shape.n_actions:
        yield "actions", _actions(game)
    else:
        highs = ", ".join(f"[0, {high:g}]" for high in game.bounds(params)[:, 0, 1])
        yield (
            "actions",
            f"native, one interval a seat: {highs}; unit: [-1, 1]; discrete:K; default {game.rules.default_actions}",
        )
    for setting in game.observations:
        names = game.plan([params], [0], setting).names
        yield f"observe={setting}", f"{len(names)} numbers in [0, 1]: {_abridged(names)}"
    meant = (
        f"{name} (here {game.rules.reward_names[name]})" if name in game.rules.reward_names else name
        for name in working(game)
    )
    yield "rewards", f"{', '.join(meant)}; default {game.rules.default_reward}"


def _certificate(game: Game[Any]) -> Iterator[tuple[str, str]]:
    """What is proved about the game, one line a level or equilibrium."""
    from payoff.envs.certificate import certificate

    try:
        held = certificate(game.id)
    except ValueError as error:  # having none is an answer; a damaged one shows what is wrong with it
        yield "certificate", str(error)
        return
    kind = f"; {held.dilemma}" if held.dilemma else ""
    where = " at the defaults" if held.levels else ""
    yield "certificate", f"optimum {held.optimum:.6g}{where} ({held.optimum_kind}){kind}; {held.method}"
    for level in held.levels:
        name = ", ".join(f"{key}={value}" for key, value in level.parameters.items()) or "defaults"
        first = level.horizon_to_reward
        yield (
            f"  {name}",
            f"optimum {level.optimum.mean:.4g}, random success {level.random_success.mean:.3g}"
            + (f", first payment after {first.mean:.4g} steps at best" if first else ""),
        )
    for point in held.equilibria:
        actions, payoffs = (_abridged([f"{x:.6g}" for x in numbers]) for numbers in (point.actions, point.payoffs))
        yield f"  {point.name}", f"actions {actions}; payoffs {payoffs}"


def _abridged(names: Sequence[str]) -> str:
    return ", ".join(names if len(names) <= 16 else (*names[:12], f"... ({len(names) - 12} more)"))
