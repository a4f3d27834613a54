"""The page of an environment: what the code says of a game, as Markdown.

Spaces, ``info`` and keywords at the default parameters, then the docstring of the game's module: there is no second
text to keep. ``payoff info ID --markdown`` prints the page of any game, one of another package included;
``docs/generate.py`` writes those of ours.
"""

from __future__ import annotations

import ast
import inspect
import io
import itertools
import json
import re
import sys
import textwrap
import tokenize
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import fields, is_dataclass
from typing import Any

import numpy as np

from payoff.envs.certificate import Estimate, certificate
from payoff.envs.core.game import Game
from payoff.envs.rewards import LAYERS

__all__ = ["page"]

EACH_UP_TO = 12  # observations with more entries than this are shown block by block
LONGEST_PATTERN = 8  # blocks that take turns, seat by seat, in one row

USAGE = """```python
import gymnasium as gym
import payoff  # registers the ids

env = gym.make("{id}"{keywords})
vector = gym.make_vec("{id}", num_envs=8{keywords})
parallel = payoff.parallel_env("{id}"{keywords})
```"""


def page(
    game: Game[Any], env_id: str | None = None, *, rewards_page: str | None = None, index: str | None = None
) -> str:
    """The page of one environment.

    Args:
        game: the game.
        env_id: id as the user writes it, with the module that registers it; None: the game's.
        rewards_page: link to the page about reward layers.
        index: link to the list of environments.
    """
    tags = f"Tags: {', '.join(game.tags)}." + (f" [All environments]({index})." if index else "")
    title = f"# {game.id.removeprefix('payoff/')}\n\n{game.summary}\n\n{tags}"
    layers = rewards(game, rewards_page)
    parts = (actions(game), observations(game), information(game), layers, keywords(game), difficulty(game))
    sections = ["\n".join(lines) for lines in parts]
    usage = USAGE.format(id=env_id or game.id, keywords=', actions="unit"' if asks_for_unit(game) else "")
    return "\n\n".join(part for part in (title, usage, *sections, prose(game.doc)) if part) + "\n"


def prose(doc: str) -> str:
    """Docstring without its first line, with a line break before each further equation ``(2) ...`` of a paragraph."""
    _, _, body = inspect.cleandoc(doc).partition("\n\n")  # the first line says what the summary says
    equations = re.compile(r"^\(\d+\) .*?(?=\n\n|\Z)", re.MULTILINE | re.DOTALL)
    return equations.sub(lambda m: re.sub(r"\n(?=\(\d)", r"\\\n", m[0]), body.strip())


def actions(game: Game[Any]) -> list[str]:
    """Native bounds of every seat's action; consecutive seats with the same bounds share a row."""
    params = game.params()
    shape, bounds = game.shape(params), game.bounds(params)
    if shape.n_actions:
        kind = f"whole numbers 0 .. {shape.n_actions - 1}"
    else:
        outside = "clipped" if game.rules.published else "refused"
        kind = (
            f'`actions="unit"`, in [-1, 1]; `actions="native"`, in the units of the table (what lies outside is '
            f'{outside}); or `actions="discrete:K"`, K equal levels. Default: `"{game.rules.default_actions}"`'
        )
    rows = []
    for _, group in itertools.groupby(range(shape.n_agents), lambda i: bounds[i].tolist()):
        seats = list(group)
        low, high = (", ".join(f"{bound:g}" for bound in bounds[seats[0], :, side]) for side in (0, 1))
        rows.append((span(seats[0], seats[-1] + 1), ends([f"agent_{i}" for i in seats]), low, high))
    size = "One number" if shape.action_size == 1 else f"{shape.action_size} numbers"
    lines = ["## Action space", "", f"{size} a seat: {kind}.", "", *table(("Seat", "Name", "Min", "Max"), rows)]
    return [*lines, "", NATIVE] if asks_for_unit(game) else lines


def asks_for_unit(game: Game[Any]) -> bool:
    """Whether learners do badly with the default actions: in native units, and far from [-1, 1]."""
    return game.rules.published and game.rules.default_actions == "native"


# E[max(0, Z)] = 1 / sqrt(2 pi) = 0.399 for a standard normal Z
NATIVE = (
    'Give learners `actions="unit"`. A Gaussian policy starts at 0 ± 1. Of [-1, 1] that is the middle; of native '
    "units it is the bottom: clipped at 0, such actions average 0.4, and little is learned from there. `native` is the "
    "default because the published code has it, and an id never changes its defaults."
)


def observations(game: Game[Any]) -> list[str]:
    """Entries of seat 0's observation under every named setting; settings that show the same share a table."""
    found: dict[tuple[Any, ...], list[str]] = {}
    for setting in game.observations:
        plan = game.plan([game.params()], [0], setting)
        entries = tuple(zip(plan.names, *(side.tolist() for side in plan.bounds), strict=True))
        found.setdefault(entries, []).append(f"`{setting}`")
    lines = [
        "## Observation space",
        "",
        "A float32 `Box`; `observe=` says which: one of the names below (`full` by default), or an `Observe` of "
        f"`{observe_module(game)}`, block by block. Tables show what seat 0 sees.",
    ]
    for entries, settings in found.items():
        lines += ["", f"### {', '.join(settings)}: {len(entries)} number{'' if len(entries) == 1 else 's'}", ""]
        lines += table(("Num", "Observation", "Min", "Max"), observation_rows(entries))
    return lines


def observe_module(game: Game[Any]) -> str:
    """Where the ``Observe`` of a game is defined: in its own module, or in ``observation`` beside it."""
    own = game.params.__module__
    return own if hasattr(sys.modules[own], "Observe") else f"{own.rpartition('.')[0]}.observation"


def observation_rows(entries: Sequence[tuple[str, float, float]]) -> Iterator[tuple[str, ...]]:
    """Rows of an observation table: an entry each, or a block each where there are many.

    A block is the entries that follow each other with the same name before ``[`` and the same bounds. Several blocks
    that take turns (``loyalty[0]``, ``window[0]``, ``loyalty[1]``, ...) within the same bounds are one row.
    """
    blocks = [(name.partition("[")[0], low, high) for name, low, high in entries]
    at = 0
    while at < len(entries):
        period, stop = 1, at + 1
        if len(entries) > EACH_UP_TO:
            period, stop = longest_pattern(blocks, at)
        names = [name for name, *_ in entries[at:stop]]
        shown = ends(names) if period == 1 else f"{code(names[:period])}, ..., {code(names[-period:])}"
        _, low, high = blocks[at]
        yield span(at, stop), shown, f"{low:.6g}", f"{high:.6g}"  # float32 has no more digits
        at = stop


def longest_pattern(blocks: Sequence[tuple[str, float, float]], at: int) -> tuple[int, int]:
    """Length and end of the pattern that, repeated from ``at`` on, covers most entries; the shortest of the best."""
    best, end = 1, at + 1
    for period in range(1, LONGEST_PATTERN + 1):
        pattern, stop = blocks[at : at + period], at + period
        if len({(low, high) for _, low, high in pattern}) > 1:
            break
        while blocks[stop : stop + period] == pattern:
            stop += period
        if stop > at + period and stop > end:
            best, end = period, stop
    return best, end


KINDS = {np.float64: "number", np.bool_: "flag", np.int8: "0 or 1", np.int64: "code"}


def information(game: Game[Any]) -> list[str]:
    """Keys of ``info`` that this game adds, with the shape of one copy's entry."""
    params = game.params()
    shape = game.shape(params)
    rows = []
    for entry in game.entries:
        kind = KINDS[entry.dtype]
        size: Any = shape.layout.shapes[entry.field] if entry.field else ()
        own = entry.shape(1 if entry.per_action else shape.n_agents, shape.n_actions)[entry.per_action :]
        rows.append((f"`{entry.name}`", own or size or "scalar", kind))
    lines = ["## Info", "", "Beside `payoff` and `rewards`, which every game reports, one number a seat."]
    if rows:
        lines += ["", *table(("Key", "Shape", "Kind"), rows)]
    if game.captions:
        lines += ["", '`env.unwrapped.caption(info["caption"])` is the text of a caption.']
    if game.more_info:
        with np.errstate(all="ignore"):  # of a blank state only the names matter
            names = game.more_info([params], np.zeros((1, shape.layout.size)))
        lines += ["", f'`info="published"` adds what the published system reports: {code(names)}.']
    return lines


def rewards(game: Game[Any], link: str | None) -> list[str]:
    """The default layer, and the names that mean another layer here."""
    rows = []
    for name in dict.fromkeys((game.rules.default_reward, *game.rules.reward_names)):
        meant = game.rules.reward_names.get(name, name.partition(":")[0])
        formula, _, _ = inspect.cleandoc(LAYERS[meant].__doc__ or "").partition("\n\n")
        default = " (default)" if name == game.rules.default_reward else ""
        rows.append((f"`{name}`{default}", f"`{meant}`", escape(" ".join(formula.split()))))
    layer = f"[layer]({link})" if link else "layer"
    which = "" if game.rules.dependence else " that does without a dependence matrix"
    every = f"Every {layer}{which} can be chosen by `reward=`."
    return ["## Reward layer", "", every, "", *table(("Name", "Layer it means here", "Reward of seat i"), rows)]


def keywords(game: Game[Any]) -> list[str]:
    """The game's own keywords; fields of a keyword that is a record follow it, with a dot."""
    header = ("Keyword", "Type", "Default", "Meaning, unit or symbol")
    intro = "Those of this game, beside the ones that every view takes."
    return ["## Keywords", "", intro, "", *table(header, keyword_rows(game.params()))]


def difficulty(game: Game[Any]) -> list[str]:
    """The levels of the certificate; no lines for a game without one."""
    if game.optimum is None:
        return []
    try:
        held = certificate(game.id)
    except ValueError:  # a game of another package may have none yet
        return []
    names = {json.dumps(dict(keywords)): f"`{name}`" for name, keywords in game.levels.items()}
    rows = []
    for level in held.levels:
        own = json.dumps(dict(level.parameters))
        made_by = ", ".join(f"`{k}={v!r}`" for k, v in level.parameters.items()) or "defaults"
        rows.append(
            (
                names.get(own, ""),
                made_by,
                level.max_steps,
                figure(level.optimum),
                figure(level.random_return),
                figure(level.random_success),
                "" if level.horizon_to_reward is None else figure(level.horizon_to_reward),
            )
        )
    header = ("Level", "Keywords", "Steps", "Optimum", "Random return", "Random success", "First reward")
    intro = (
        f"From the certificate (`{held.optimum_kind}`): return of the best policy, return and success rate of "
        "uniformly random play, least steps to a reward above 0; in brackets the standard error, over starts and, "
        f"where play was sampled, episodes. Normalised return is (return - random) / (optimum - random). {held.method}"
    )
    return ["## Difficulty", "", escape(intro), "", *table(header, rows)]


def figure(estimate: Estimate) -> str:
    """Mean, and in brackets the standard error, where there is one."""
    error = f" ({estimate.standard_error:.1g})" if estimate.standard_error > 0.0 else ""
    return f"{estimate.mean:.4g}{error}"


def keyword_rows(record: Any, prefix: str = "") -> Iterator[tuple[str, ...]]:
    """Rows of the keyword table for a dataclass instance that holds the defaults."""
    written = declared(type(record))
    for f in fields(record):
        (kind, comment), value = written[f.name], getattr(record, f.name)
        name, kind = f"{prefix}{f.name}", f"`{pipes(kind)}`"
        if is_dataclass(value):
            yield f"`{name}`", kind, "fields below", escape(comment or f"from `{type(value).__module__}`")
            yield from keyword_rows(value, f"{name}.")
        else:
            yield f"`{name}`", kind, f"`{pipes(repr(value))}`", escape(comment)


def declared(record: type) -> dict[str, tuple[str, str]]:
    """Field -> (type as written, trailing comment or ""), inherited fields first."""
    found: dict[str, tuple[str, str]] = {}
    for base in reversed([c for c in record.__mro__ if is_dataclass(c)]):
        source = textwrap.dedent(inspect.getsource(base))
        comments = {
            token.start[0]: token.string.lstrip("# ").strip()
            for token in tokenize.generate_tokens(io.StringIO(source).readline)
            if token.type == tokenize.COMMENT
        }
        definition = next(node for node in ast.parse(source).body if isinstance(node, ast.ClassDef))
        for node in definition.body:
            if isinstance(node, ast.AnnAssign) and isinstance(node.target, ast.Name):
                found[node.target.id] = (ast.unparse(node.annotation), comments.get(node.end_lineno or 0, ""))
    return found


def table(header: Sequence[str], rows: Iterable[Sequence[object]]) -> list[str]:
    """Lines of a Markdown table; cells are Markdown."""
    lines = (f"| {' | '.join(map(str, row))} |" for row in rows)
    return [f"| {' | '.join(header)} |", "|---" * len(header) + "|", *lines]


def escape(text: str) -> str:
    """Prose that shows as it is written, in a table cell too; code in backticks stays code."""
    return pipes(re.sub(r"(`[^`]*`)|([\\*<\[~$]|(?<!\w)_|_(?!\w))", lambda m: m[1] or "\\" + m[2], text))


def pipes(text: str) -> str:
    """Code for a table cell, where even inside backticks a pipe ends the cell."""
    return text.replace("|", r"\|")


def code(names: Iterable[str]) -> str:
    """Names in backticks, separated by commas."""
    return ", ".join(f"`{name}`" for name in names)


def ends(names: Sequence[str]) -> str:
    """All of up to two names, else the first and the last."""
    return code(names) if len(names) <= 2 else f"`{names[0]}` .. `{names[-1]}`"


def span(start: int, stop: int) -> str:
    """Numbers from ``start`` to before ``stop``."""
    return str(start) if stop == start + 1 else f"{start} .. {stop - 1}"
