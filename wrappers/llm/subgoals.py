"""The steps on the way to a goal, as a language model or a user lists them.

The reply is one JSON object of this form, and nothing else is read of it::

    {"subgoals": ["picked up the key", "opened the door"]}

The texts are shown to people and to the model again, and compared; they are never run.
"""

from __future__ import annotations

from payoff.envs.core.arrays import shown
from payoff.envs.core.params import check_integer
from payoff.wrappers.arguments import check_text
from payoff.wrappers.llm.questions import check_goal, last_object, quoted
from payoff.wrappers.llm.store import Messages
from payoff.wrappers.llm.subset_questions import check_texts

__all__ = ["MOST_SUBGOALS", "read_subgoals", "subgoal_prompt"]

MOST_SUBGOALS = 8

_SYSTEM = """You take tasks of a game apart, for somebody who has to learn them.
Reply with one JSON object of this form and with nothing else:
{"subgoals": ["what was done first", "what was done next"]}"""


def subgoal_prompt(description: str, task: str, most: int) -> Messages:
    """The messages that ask for subgoals.

    Args:
        description: of the environment; see :func:`payoff.wrappers.llm.propose.describe`.
        task: what the learner should do, in a sentence.
        most: subgoals, 1 to ``MOST_SUBGOALS``.

    Raises:
        TypeError: a text is none.
        ValueError: the task is empty or too long, or ``most`` is out of its range.
    """
    check_text("description", description)
    check_goal(task)
    check_integer("most", most, 1, MOST_SUBGOALS)
    asked = (
        f"{description}\n\n# The task\n\n{quoted(task.strip())}\n\n# What to write\n\nThe things that have to happen "
        f"on the way, at most {most}, in their order and without the last one, which the game pays for itself. Each is "
        "a short text that says what has just happened, so that whoever sees one step of the game can say whether that "
        "step did it."
    )
    return [{"role": "system", "content": _SYSTEM}, {"role": "user", "content": asked}]


def read_subgoals(reply: str, most: int = MOST_SUBGOALS) -> tuple[str, ...]:
    """The subgoals in a reply.

    Raises:
        ValueError: the reply is not of the form in the module's docstring; says why in one line.
    """
    found = last_object(reply, "subgoals")
    listed = found["subgoals"]
    if len(found) > 1 or not isinstance(listed, list) or not 1 <= len(listed) <= most:
        raise ValueError(f"subgoals must be a list of 1 to {most} texts and alone, got {shown(found)}")
    try:
        return check_texts("subgoals", [text.strip() if isinstance(text, str) else text for text in listed])
    except TypeError as error:
        raise ValueError(str(error)) from error
