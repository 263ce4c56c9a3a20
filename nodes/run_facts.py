"""What can be said of a task before it is done, and of a run when it has ended: facts that code reads, no opinions.

They are the features that patterns are mined from, so they have names that a person understands in a sentence: "runs
with `tool:search` fail more often".
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from ..errors import ConfigError
from .repeats import FINAL, THINKING
from .text import clean, plain

Feature = str | int | float | bool

MOST_FEATURES = 200  # of one experience
MAX_NUMBER = 2**53  # Whole numbers beyond it change in other programs' JSON.
LEAST_WORDS = 3  # Of a lesson that is looked for in an answer.
MAX_NAME = 80  # characters of a feature's name, and of its value when that is text
_NUMBER = re.compile(r"\d+(?:[.,]\d+)*")


def task_features(task: str) -> dict[str, Feature]:
    """What is known of every task before it is done: how long it is, and how many numbers are in it.

    Args:
        task: The task in words.

    Example:
        >>> task_features("A baker sells 17 boxes with 23 rolls each. How many rolls is that?")
        {'task_words': 14, 'task_numbers': 2, 'task_lines': 1}
    """
    return {
        "task_words": len(task.split()),
        "task_numbers": len(_NUMBER.findall(task)),
        "task_lines": len([line for line in task.splitlines() if line.strip()]),
    }


def run_features(output: Mapping[str, Any], said: Sequence[Any] = ()) -> dict[str, Feature]:
    """What happened in a run: how it ended, which tools were called, how many steps and errors there were.

    A graph of this package says it in its output (`steps`, `stop`, `plan`, `usage`...); of any other one the messages
    say it.

    Args:
        output: What the graph returned.
        said: The messages behind the task: anything with `type`, and `tool_calls` or `status`.

    Returns:
        `stop` (text), `steps` and `errors` (numbers), `tool:NAME` (True for each tool that was called), `planned`,
        `looped`, `agents` (how many took part): only those that are known.

    Example:
        >>> steps = [{"action": "search", "is_error": True}, {"action": "final_answer", "is_error": False}]
        >>> run_features({"stop": "answer", "steps": steps})
        {'stop': 'answer', 'steps': 2, 'errors': 1, 'planned': False, 'looped': False, 'tool:search': True}
    """
    found: dict[str, Feature] = {}
    if isinstance(output.get("stop"), str):
        found["stop"] = clean(output["stop"], MAX_NAME)
    steps = output.get("steps")
    if isinstance(steps, list) and all(isinstance(step, Mapping) for step in steps):
        found |= _of_steps(steps)
    else:
        found |= _of_messages(said)
    usage = output.get("usage")
    if isinstance(usage, Mapping) and len(usage) > 1:
        found["agents"] = len(usage)
    for key in ("replans", "rounds"):
        if isinstance(output.get(key), int) and not isinstance(output[key], bool):
            found[key] = output[key]
    return dict(list(found.items())[:MOST_FEATURES])


def checked_features(given: Any, of: str) -> dict[str, Feature]:
    """Return features that somebody gave: names and texts that are clean, numbers that are finite.

    Args:
        given: Name -> text, number or bool.
        of: Where they are from, for the message.

    Raises:
        ConfigError: They are no such mapping, or there are more than 200.
    """
    if not isinstance(given, Mapping) or len(given) > MOST_FEATURES:
        many = f"{len(given)} features" if isinstance(given, Mapping) else repr(given)
        raise ConfigError(f"{of} gave {many}; give at most {MOST_FEATURES}: name -> text, number or bool.")
    for name, value in given.items():
        good = isinstance(value, str | bool) or (isinstance(value, int | float) and abs(value) <= MAX_NUMBER)
        if not isinstance(name, str) or not name.strip() or not good:
            raise ConfigError(
                f"{of} gave the feature {name!r}: {value!r}; give a name, and a text, a number up to 2**53, or a bool."
            )
    return {clean(name, MAX_NAME): _kept(value) for name, value in given.items()}


def without(text: str, told: Sequence[str]) -> str:
    """A text without what it repeats of lessons: what was recalled must not come back as an experience.

    Of 10,134 memories in an audit of such a loop 97.8 % were junk (mem0, issue 4573). Words are compared, so that
    quotation marks and line breaks hide nothing; one or two words alone are too little to tell.

    Example:
        >>> without("My notes say 'count every box twice'. There are 391.", ["Count every box twice."])
        "My notes say ''. There are 391."
    """
    for one in told:
        words = re.findall(r"\w+", one)
        if len(words) >= LEAST_WORDS:
            text = re.sub(r"\W+".join(map(re.escape, words)), "", text, flags=re.IGNORECASE)
    return "\n".join(line for line in text.splitlines() if re.search(r"\w", line))


def features_in(given: Sequence[str]) -> dict[str, Feature]:
    """Features from name=value: numbers and true or false are read as such, all else is text.

    Raises:
        ConfigError: One has no name or no value.

    Example:
        >>> features_in(["domain=finance", "rows=12", "draft=true"])
        {'domain': 'finance', 'rows': 12, 'draft': True}
    """
    read: dict[str, Feature] = {}
    for one in given:
        name, equals, value = (part.strip() for part in one.partition("="))
        if not name or not equals or not value:
            raise ConfigError(f"The feature was {one!r}; give name=value, such as domain=finance.")
        read[name] = _value_in(value)
    return checked_features(read, "The command line")


def has_answer(wanted: str, task: str, output: Mapping[str, Any]) -> bool:
    """Whether an answer has what was wanted in it: a number by its value and on its own, words without their case.

    Example:
        >>> has_answer("391", "", {"answer": "17 * 23 is 391."}), has_answer("391", "", {"answer": "1391"})
        (True, False)
        >>> has_answer("1200", "", {"answer": "It is 1,200.00"}), has_answer("Bern", "", {"answer": "bern, I think"})
        (True, True)
    """
    number, answer = _value_in(wanted.strip()), str(output.get("answer", "")).replace("\N{MINUS SIGN}", "-")
    if isinstance(number, bool | str):
        words = re.escape(clean(wanted).strip().casefold())
        return re.search(rf"(?<!\w){words}(?!\w)", answer.casefold()) is not None
    found = (match[0].replace(",", "") for match in _SIGNED.finditer(answer))
    return any(abs(float(one) - number) <= 1e-9 * max(1.0, abs(number)) for one in found)


_SIGNED = re.compile(r"(?<![\w.])-?(?:\d{1,3}(?:,\d{3})+|\d+)(?:\.\d+)?(?!\d)")


def _value_in(text: str) -> Feature:
    if text.lower() in ("true", "false"):
        return text.lower() == "true"
    try:
        number = float(text)
    except ValueError:
        return text
    if number != number or abs(number) == float("inf"):
        return text
    return int(number) if number.is_integer() and "." not in text and "e" not in text.lower() else number


def _kept(value: Feature) -> Feature:
    return clean(value, MAX_NAME) if isinstance(value, str) else plain(value)


def _of_steps(steps: Sequence[Mapping[str, Any]]) -> dict[str, Feature]:
    actions = [str(step.get("action", "")) for step in steps]
    guarded = [metadata for step in steps if isinstance(metadata := step.get("metadata"), Mapping)]
    tools = (action for action in actions if action not in ("", FINAL, "invalid", *THINKING))
    return {
        "steps": len(steps),
        "errors": sum(bool(step.get("is_error")) for step in steps),
        "planned": "plan" in actions,
        "looped": any(metadata.get("guard") for metadata in guarded),
        **_called(tools),
    }


def _of_messages(said: Sequence[Any]) -> dict[str, Feature]:
    replies = [message for message in said if getattr(message, "type", "") == "ai"]
    if not replies:
        return {}
    calls = [str(call.get("name", "")) for message in replies for call in getattr(message, "tool_calls", ()) or ()]
    failed = [one for one in said if getattr(one, "type", "") == "tool" and getattr(one, "status", "") == "error"]
    return {"steps": len(replies), "errors": len(failed), **_called(calls)}


def _called(names: Iterable[str]) -> dict[str, Feature]:
    return {f"tool:{clean(name, MAX_NAME)}": True for name in sorted(set(names))}
