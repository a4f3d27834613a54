"""``payoff llm-reward``: a language model proposes expressions for a task, and each is judged; some are trained."""

from __future__ import annotations

import json
import math
import shlex
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import tyro

from payoff.cli.checking import CheckReward
from payoff.cli.shared import UserError, assignments, console, printable, results_written, user_errors

if TYPE_CHECKING:
    from payoff.baselines.llm.methods import Outcome, Request
    from payoff.wrappers import Verdict
    from payoff.wrappers.llm.client import ChatClient
    from payoff.wrappers.llm.mutator import Mutator

__all__ = ["LlmReward"]


@dataclass(frozen=True)
class LlmReward:
    """Ask a language model for rewards, judge each as check-reward does, and say how to train with the best.

    The methods eureka, icpl, text2reward and auto_mc ask in rounds, train briefly under each candidate, and feed back
    what came of it; see docs/llm/evolution.md. With parameters the model fills in numbers of given terms, with lare it
    names what matters in a step, and with calm which steps achieve a subgoal: each has its page in docs/llm.

    The folder gets run.json, what was asked for; store.jsonl, all that was asked and replied; candidates.jsonl, what
    was proposed and what was found; and best.txt, how to train with the best. A second call with the same words goes on
    from the store, and asks nothing that stands there; with other words it is refused. A key, where the server wants
    one, goes into the environment variable PAYOFF_LLM_KEY. The exit status is 1 where no candidate met every demand.

    Examples:
        payoff llm-reward GridNav-v0 --task "reach the goal" --out results/llm --model NAME --base-url http://localhost:8080/v1
        payoff llm-reward GridNav-v0 --task "reach the goal" --out results/again --replay results/llm/store.jsonl
        payoff llm-reward GridNav-v0 --task "reach the goal" --out results/blind --mutate obs.x --method eureka:rounds=3
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
    mutate: str | None = None
    """expression to begin with, instead of a model: proposals are mutations of it, drawn by chance"""
    mutate_errors: float = 0.0
    """share of them that cannot be used or mislead"""
    method: str = "expressions"
    """how to ask, with settings after a colon, or package.module:Name"""
    use: Literal["potential", "reward", "added"] = "potential"
    """as a potential, in place of the reward, or added to it"""
    candidates: int = 4
    """proposals to ask for at a time"""
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
    most_requests: int = 100
    """prompts that may be asked of the server"""
    most_tokens: int = 1_000_000
    """after which no more is asked"""
    per_minute: float = math.inf
    """prompts in a minute, at most"""
    prices: tuple[float, float] | None = None
    """of a million tokens of prompts, and of replies: what the store cost is printed"""
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
        from payoff.baselines.llm.methods import Outcome, llm_method
        from payoff.baselines.llm.run_file import Asked, begin_run, check_folder
        from payoff.wrappers.llm.client import NoReplyError

        with user_errors():
            method, request = llm_method(self.method), self._request()
            method.check(request)
            asked = Asked.of(self.method, method, request)
            check_folder(self.out, asked)
            client = self._client()
            begin_run(self.out, asked, client)
        try:
            with user_errors():
                found = method.run(request, client)
                if not isinstance(found, Outcome):
                    raise TypeError(f"method {self.method} must return an Outcome, got {type(found).__name__}")
        except NoReplyError as error:
            raise UserError(" ".join(str(error).split())) from error
        with results_written():
            self._write(found)
        self._tell_tokens()
        self._print(found, client.by, request.env_id)
        return 0 if found.option else 1

    def _request(self) -> Request:
        from payoff.baselines import environments
        from payoff.baselines.llm.methods import Request
        from payoff.envs.core.params import check_number

        for price in self.prices or ():
            check_number("prices", price, 0.0)
        return Request(
            env_id=environments.find(self.env),
            task=self.task,
            judge=self._judge,
            out=self.out,
            keywords=assignments("params", self.params),
            use=self.use,
            candidates=self.candidates,
            tries=self.tries,
            limit=self.limit,
            gamma=self.gamma,
            steps=self.steps,
            seed=self.seed,
            say=lambda line: print(printable(line, keep="\n"), file=sys.stderr),
        )

    def _client(self) -> ChatClient:
        from payoff.files import write_atomically
        from payoff.wrappers.llm.client import OpenAIClient, Recorded
        from payoff.wrappers.llm.store import ReplyStore

        own = self.out / "store.jsonl"
        if self.replay is not None:
            if self.model is not None or self.base_url is not None or self.mutate is not None:
                raise UserError("--replay asks no model: leave out --model, --base-url and --mutate")
            if not self.replay.is_file():
                raise UserError(f"--replay must be a store of an earlier call, and there is no file {self.replay}")
            ReplyStore(self.replay)  # an error, before it is copied
            data = self.replay.read_bytes()
            if own.exists() and own.read_bytes() != data:
                raise UserError(f"{own} holds other replies than {self.replay}: name another --out")
            write_atomically(own, data)
            return Recorded(None, ReplyStore(own))
        if self.mutate is not None:
            if self.model is not None or self.base_url is not None:
                raise UserError("--mutate asks no model: leave out --model and --base-url")
            mutator = self._mutator(self.mutate)
            return Recorded(mutator, ReplyStore.begin(own, mutator.by, mutator.settings))
        if self.model is None or self.base_url is None:
            raise UserError(
                "needs --model and --base-url, whom to ask, or --replay, a store of an earlier call, or --mutate"
            )
        client = OpenAIClient(
            self.model,
            self.base_url,
            temperature=self.temperature,
            max_tokens=self.max_tokens,
            timeout=self.timeout,
            most_requests=self.most_requests,
            most_tokens=self.most_tokens,
            per_minute=self.per_minute,
        )
        return Recorded(client, ReplyStore.begin(own, client.by, client.settings))

    def _tell_tokens(self) -> None:
        """What all replies of the folder took, as servers counted it; to stderr."""
        from payoff.wrappers.llm.store import ReplyStore

        path = self.out / "store.jsonl"
        if not path.exists():  # whoever was asked keeps none
            return
        store = ReplyStore(path)
        counts = store.tokens()
        if not any(counts):
            return
        replies = "1 reply" if len(store) == 1 else f"{len(store)} replies"
        told = f"{replies} in {store.path}: {counts[0]:,} tokens of prompts, {counts[1]:,} of replies"
        if self.prices is not None:
            cost = sum(count * price for count, price in zip(counts, self.prices, strict=True)) / 1e6
            told += f", {cost:.6g} at these prices"
        print(printable(told), file=sys.stderr)

    def _mutator(self, expression: str) -> Mutator:
        from payoff.baselines import environments
        from payoff.wrappers.llm.mutator import Mutator, state_reads

        env = environments.make_vector(
            environments.find(self.env), 1, {"info": "full", **assignments("params", self.params)}
        )
        try:
            return Mutator(expression, reads=state_reads(env), errors=self.mutate_errors, seed=self.seed)
        finally:
            env.close()

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

    def _write(self, found: Outcome) -> None:
        from payoff.files import write_atomically

        lines = (json.dumps(candidate.as_dict(), sort_keys=True, allow_nan=False) for candidate in found.candidates)
        write_atomically(self.out / "candidates.jsonl", "".join(f"{line}\n" for line in lines).encode())
        if found.option is None:
            (self.out / "best.txt").unlink(missing_ok=True)  # of an earlier call
        else:
            write_atomically(self.out / "best.txt", f"{shlex.join(found.option)}\n".encode())

    def _print(self, found: Outcome, by: str, env_id: str) -> None:
        from rich.table import Table

        screen = console()
        count = len(found.candidates)
        screen.print(f"{count} candidate{'s' * (count != 1)} by {printable(by)}, as {self.use}", soft_wrap=True)
        scored = any(candidate.payoff is not None for candidate in found.candidates)
        heads = [*(["payoff"] if scored else []), "passed", found.kind, "found"]
        table = Table(*heads, box=None, pad_edge=False, header_style="bold")
        for candidate in found.candidates:
            payoff = "-" if candidate.payoff is None else f"{candidate.payoff:.6g}"
            row = "yes" if candidate.passed else "NO", printable(candidate.text), printable(candidate.found)
            table.add_row(*([payoff] if scored else []), *row)
        screen.print(table)
        if found.option is None:
            screen.print("no candidate met every demand", soft_wrap=True)
            return
        params = ["--params", *self.params] if self.params else []
        words = ["payoff", "train", "--algo", "ppo", "--env", env_id, "--out", str(self.out / "train")]
        screen.print(shlex.join([*words, *params, *found.option]), soft_wrap=True)
