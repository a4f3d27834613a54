"""The command line: ``payoff COMMAND``, the commands of the table below.

Each command is a frozen dataclass: its fields are the options (their docstrings the help), ``run`` does the work.
Whatever is heavy is imported inside ``run``, so that help and ``payoff list`` answer at once.
"""

from __future__ import annotations

import contextlib
import errno
import importlib
import inspect
import io
import os
import re
import sys
from collections.abc import Sequence
from typing import Any, Protocol

import tyro

from payoff.cli.shared import UserError, near, printable
from payoff.envs.core.specification import import_from_here

__all__ = ["COMMANDS", "Command", "UserError", "main"]


_LONGEST = 600  # letters of an error message at its start and at its end


class Command(Protocol):
    """A parsed command."""

    def run(self) -> int:
        """Do it and return the exit status."""


# name -> (class, one line for the overview); imported when it is the one that was called
COMMANDS = {
    "list": ("payoff.cli.games:ListGames", "every environment"),
    "info": ("payoff.cli.games:Info", "one environment: rules, parameters, spaces, rewards"),
    "certify": ("payoff.cli.certifying:Certify", "what social dilemma does a game of several players pose?"),
    "train": ("payoff.cli.training:Train", "train one policy and evaluate it in payoffs"),
    "ablate": ("payoff.cli.ablating:Ablate", "the same games with different rewards: figures, tables, report"),
    "evaluate": ("payoff.cli.training:Evaluate", "play a checkpoint or a simple policy"),
    "reward": ("payoff.cli.rewards:ShowReward", "a learned reward: what its file holds, and a picture"),
    "check-reward": ("payoff.cli.checking:CheckReward", "is an expression fit to be a reward or a potential here?"),
    "llm-reward": ("payoff.cli.proposing:LlmReward", "a language model proposes expressions; each is judged"),
    "corpus": ("payoff.cli.collecting:Corpus", "every candidate of llm-reward folders in one Parquet file"),
    "prefer": ("payoff.cli.preferring:Prefer", "which of two stretches of play is better? a person says"),
    "compare": ("payoff.cli.comparing:Compare", "how differently rewards order policies: distances and regret"),
}

_OVERVIEW = """usage: payoff [-h] [--version] COMMAND ...

What the reward does to behaviour: environments, reward layers and baselines.

commands (each has its own --help, with examples):
{commands}

Examples:
    payoff list
    payoff info payoff/TrustDilemma-v0
    payoff ablate --envs payoff/TrustDilemma-v0 --rewards private cooperative --seeds 3 --out results/ablation"""


def main(argv: Sequence[str] | None = None) -> int:
    """Run a command line.

    Args:
        argv: arguments after the program's name; ``sys.argv[1:]`` when None.

    Returns:
        Exit status: 0, 1 where runs failed, 2 for bad input, 130 after Ctrl-C.
    """
    arguments = list(sys.argv[1:] if argv is None else argv)
    import_from_here()
    if isinstance(sys.stdout, io.TextIOWrapper):  # a path may have bytes that are no text
        sys.stdout.reconfigure(errors="backslashreplace")
    try:
        status = _dispatch(arguments)
        sys.stdout.flush()
        return status
    except UserError as error:
        told = printable(_abridged(str(error)), keep="\n")
        print(f"payoff: error: {told}", file=sys.stderr)
        return 2
    except KeyboardInterrupt:
        print("payoff: stopped", file=sys.stderr)
        return 130
    except BrokenPipeError:  # `payoff list | head`: whoever read has enough, and Python flushes once more at exit
        _silence()
        return 0
    except OSError as error:
        if error.errno != errno.ENOSPC:
            raise
        print(f"payoff: error: cannot write: {error}", file=sys.stderr)
        _silence()
        return 2


def _silence() -> None:
    """Let nothing more go to standard output: Python flushes once more at exit."""
    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


def _abridged(text: str) -> str:
    """The text without its middle, where somebody's argument made it longer than a screen."""
    return text if len(text) <= 2 * _LONGEST else f"{text[:_LONGEST]} ... {text[-_LONGEST:]}"


def _dispatch(arguments: list[str]) -> int:
    if not arguments or arguments[0] in ("-h", "--help"):
        print(_OVERVIEW.format(commands="\n".join(f"    {name:14}{text}" for name, (_, text) in COMMANDS.items())))
        return 0 if arguments else 2
    if arguments[0] == "--version":
        import payoff

        print(f"payoff {payoff.__version__}")
        return 0
    name, *rest = arguments
    if name not in COMMANDS:
        raise UserError(f"unknown command {name!r}{near(name, COMMANDS)}; commands: {', '.join(COMMANDS)}")
    module, _, attribute = COMMANDS[name][0].partition(":")
    kind = getattr(importlib.import_module(module), attribute)
    command = _parse(kind, name, rest)
    if not isinstance(command, int) and hasattr(command, "from_file"):  # its options are the defaults of a second look
        command = _parse(kind, name, rest, command.from_file())
    return command if isinstance(command, int) else command.run()


def _parse(kind: type[Command], name: str, arguments: list[str], default: Command | None = None) -> Command | int:
    """The command, or an exit status where only its help was asked for.

    Args:
        kind: class of the command.
        name: its name.
        arguments: what follows the name.
        default: values of the options that are not given; None: those of the class.

    Raises:
        UserError: the arguments are not those of the command.
    """
    box = io.StringIO()
    try:
        with contextlib.redirect_stderr(box):
            parsed: Any = tyro.cli(
                kind,
                prog=f"payoff {name}",
                description=inspect.cleandoc(kind.__doc__ or ""),
                args=arguments,
                default=tyro.MISSING_NONPROP if default is None else default,
                config=(tyro.conf.FlagCreatePairsOff,),
            )
            return parsed  # type: ignore[no-any-return]
    except SystemExit as stop:
        if stop.code:
            raise UserError(_one_line(box.getvalue())) from None
        return 0


def _one_line(box: str) -> str:
    """The text of tyro's error box, which is its only way to say what is wrong, on one line."""
    rows = [re.sub(r"^[│|]|[│|]\s*$", "", row).strip() for row in box.splitlines()[1:-1]]
    parts = [part.strip().rstrip(":") for part in re.split("─+|-{4,}", " ".join(rows))]
    return "; ".join(part for part in parts if part)
