"""``payoff llm-reward``: a language model proposes expressions for a task, and each is judged."""

from __future__ import annotations

import json
import shlex
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import tyro

from payoff.cli.checking import CheckReward
from payoff.cli.shared import UserError, assignments, console, results_written, user_errors

if TYPE_CHECKING:
    from payoff.wrappers import Verdict
    from payoff.wrappers.llm.client import ChatClient
    from payoff.wrappers.llm.propose import Candidate
    from payoff.wrappers.llm.store import Messages

__all__ = ["LlmReward"]


@dataclass(frozen=True)
class LlmReward:
    """Ask a language model for rewards, judge each as check-reward does, and say how to train with the best.

    The folder gets store.jsonl, all that was asked and replied; candidates.jsonl, the expressions and what was found;
    and best.txt, the first that met every demand. A second call goes on from the store, and asks nothing that stands
    there. A key, where the server wants one, goes into the environment variable PAYOFF_LLM_KEY. The exit status is 1
    where no candidate met every demand.

    Examples:
        payoff llm-reward GridNav-v0 --task "reach the goal" --out results/llm --model NAME --base-url http://localhost:8080/v1
        payoff llm-reward GridNav-v0 --task "reach the goal" --out results/again --replay results/llm/store.jsonl
    """

    env: Annotated[str, tyro.conf.Positional, tyro.conf.arg(metavar="ENV")]
    """environment id; the namespace payoff/ may be left out"""
    task: str
    """what the learner should do, in a sentence"""
    out: Path
    """folder of what is found"""
    model: str | None = None
    """name of the model, as the server knows it"""
    base_url: str | None = None
    """address of a server that speaks as OpenAI's does, up to /v1"""
    replay: Path | None = None
    """store of an earlier call, instead of a model: nothing goes to the network"""
    use: Literal["potential", "reward", "added"] = "potential"
    """as a potential, in place of the reward, or added to it"""
    candidates: int = 4
    """expressions to ask for"""
    tries: int = 3
    """replies that are read, where one cannot be understood"""
    limit: float = 10.0
    """size to which values are cut"""
    temperature: float = 0.7
    """of the sampling"""
    max_tokens: int = 4000
    """most tokens of a reply"""
    timeout: float = 120.0
    """seconds that a reply may take"""
    gamma: float = 0.99
    """the learner's discount, in (0, 1)"""
    steps: int = 2000
    """steps of random play for each candidate"""
    seed: int = 0
    """seed of the random play"""
    params: tuple[str, ...] = ()
    """game parameters and view settings, name=value"""

    def run(self) -> int:
        """See :class:`payoff.cli.Command`."""
        from payoff.wrappers.llm.client import NoReplyError
        from payoff.wrappers.llm.propose import propose

        with user_errors():
            env_id, messages = self._prompt()
            client = self._client()
        try:
            with user_errors():
                found = propose(client, messages, self._judge, most=self.candidates, tries=self.tries)
        except NoReplyError as error:
            raise UserError(" ".join(str(error).split())) from error
        best = found[0] if found[0].verdict.passed else None
        with results_written():
            self._write(found, best)
        self._print(found, best, env_id)
        return 0 if best else 1

    def _prompt(self) -> tuple[str, Messages]:
        """Full id and messages; checks all that can be checked before anything is asked."""
        from payoff.baselines import environments
        from payoff.envs.core.params import check_integer, check_number
        from payoff.wrappers.llm.propose import MOST_CANDIDATES, describe, prompt

        check_integer("candidates", self.candidates, 1, MOST_CANDIDATES)
        check_integer("tries", self.tries, 1, 100)
        check_integer("steps", self.steps, 1, 10_000_000)
        check_integer("seed", self.seed, 0)
        check_number("gamma", self.gamma, 0.0, 1.0, open_low=True, open_high=True)
        check_number("limit", self.limit, 0.0, open_low=True)
        env_id = environments.find(self.env)
        env = environments.make_vector(env_id, 1, {"info": "full", **assignments("params", self.params)})
        try:
            description = describe(env)
        finally:
            env.close()
        return env_id, prompt(description, self.task, use=self.use, count=self.candidates, limit=self.limit)

    def _client(self) -> ChatClient:
        from payoff.files import write_atomically
        from payoff.wrappers.llm.client import OpenAIClient, Recorded
        from payoff.wrappers.llm.store import ReplyStore

        own = self.out / "store.jsonl"
        if self.replay is not None:
            if self.model is not None or self.base_url is not None:
                raise UserError("--replay asks no model: leave out --model and --base-url")
            ReplyStore(self.replay)  # an error, before it is copied
            data = self.replay.read_bytes()
            if own.exists() and own.read_bytes() != data:
                raise UserError(f"{own} holds other replies than {self.replay}: name another --out")
            write_atomically(own, data)
            return Recorded(None, ReplyStore(own))
        if self.model is None or self.base_url is None:
            raise UserError("needs --model and --base-url, whom to ask, or --replay, a store of an earlier call")
        client = OpenAIClient(
            self.model,
            self.base_url,
            temperature=self.temperature,
            max_tokens=self.max_tokens,
            timeout=self.timeout,
        )
        return Recorded(client, ReplyStore.begin(own, client.by, client.settings))

    def _judge(self, text: str) -> Verdict:
        return CheckReward(
            env=self.env,
            expression=text,
            use=self.use,
            limit=self.limit,
            gamma=self.gamma,
            steps=self.steps,
            seed=self.seed,
            params=self.params,
        ).verdict()

    def _write(self, found: tuple[Candidate, ...], best: Candidate | None) -> None:
        from payoff.files import write_atomically

        lines = (json.dumps(candidate.as_dict(), sort_keys=True, allow_nan=False) for candidate in found)
        write_atomically(self.out / "candidates.jsonl", "".join(f"{line}\n" for line in lines).encode())
        if best is None:
            (self.out / "best.txt").unlink(missing_ok=True)  # of an earlier call
        else:
            write_atomically(self.out / "best.txt", f"{_tidy(best.text)}\n".encode())

    def _print(self, found: tuple[Candidate, ...], best: Candidate | None, env_id: str) -> None:
        from rich.table import Table

        screen = console()
        screen.print(
            f"{len(found)} candidate{'s' * (len(found) > 1)} by {_shown(found[0].by)}, as {self.use}", soft_wrap=True
        )
        table = Table("passed", "expression", "found", box=None, pad_edge=False, header_style="bold")
        for candidate in found:
            failed = [f"{f.name}: {f.words}" for f in candidate.verdict.findings if f.passed is False]
            passed = "yes" if candidate.verdict.passed else "NO"
            table.add_row(passed, _shown(candidate.text), "; ".join(failed) or "all demands met")
        screen.print(table)
        if best is None:
            screen.print("no candidate met every demand", soft_wrap=True)
            return
        limit = "" if self.limit == 10.0 else f",limit={self.limit:g}"
        if self.use == "potential":
            option = ["--shaping", f"potential:expression={_as_value(best.text)}{limit}"]
        else:
            added = ",added=true" if self.use == "added" else ""
            option = ["--reward-learner", f"expression:text={_as_value(best.text)}{added}{limit}"]
        params = ["--params", *self.params] if self.params else []
        words = ["payoff", "train", "--algo", "ppo", "--env", env_id, "--out", str(self.out / "train")]
        screen.print(shlex.join([*words, *params, *option]), soft_wrap=True)


def _tidy(text: str) -> str:
    """A text that has passed the parser: a function as it is, an expression in one line."""
    from payoff.wrappers.llm.function import Function
    from payoff.wrappers.llm.reward_text import parse

    return text.strip() if isinstance(parse(text), Function) else " ".join(text.split())


def _as_value(text: str) -> str:
    """The same in one line, as the value of a specification."""
    from payoff.wrappers.llm.function import Function
    from payoff.wrappers.llm.reward_text import parse, unparse

    program = parse(text)
    # JSON escapes the ends of lines, and in its only form a function has no quotes
    return json.dumps(unparse(program)) if isinstance(program, Function) else _tidy(text)


def _shown(text: str) -> str:
    """A text that a terminal can show: what is not printable is written as an escape."""
    return "".join(c if c.isprintable() else c.encode("unicode_escape", "backslashreplace").decode() for c in text)
