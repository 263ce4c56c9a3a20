"""What the parties of a conflict are asked, by its kind, and how their answers are read."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import partial
from typing import Annotated, Any

from pydantic import BaseModel, Field, create_model

from .ask import Reply, read_json
from .ballots import MAX_OPTIONS, Reason, ballot_of, canonical, tidy, validated, vote_question
from .dispute import Conflict
from .issues import issues_from
from .panel import Heard, Question
from .text import clean, only_number, shorten
from .wishes import preferences_in, wishes_question

MOST = 1_000  # What models may name for a number or a value where nothing else bounds it.


class Position(BaseModel):
    """A number that an agent stands for."""

    reason: Reason = ""
    number: Annotated[float, Field(allow_inf_nan=False)]


def question_about(conflict: Conflict, reasons: Mapping[str, Sequence[str]]) -> Question | None:
    """What to ask a party of which it is not known what it wants; None where there is nothing to ask.

    Args:
        conflict: The conflict.
        reasons: Option -> what was said for it; quoted as data.
    """
    if conflict.kind == "options":
        return vote_question("ranking", conflict.options, reasons) if len(conflict.options) > 1 else None
    if conflict.kind == "numeric":
        return _number_question(conflict.body)
    if conflict.kind == "allocation":
        return _values_question(conflict.options)
    if conflict.kind == "multi_issue":
        return wishes_question(issues_from(conflict.body["issues"]))
    return None


def wanted(conflict: Conflict, value: Any) -> Any:
    """What an answer says that its agent wants, as JSON in the form of its kind; None when it wants nothing."""
    if conflict.kind == "options":
        return ballot_of("ranking", value, conflict.options)
    if conflict.kind == "numeric":
        number = float(value.number)
        return int(number) if number == int(number) else number
    if conflict.kind == "allocation":
        return {item: getattr(value, f"value_{number}") for number, item in enumerate(conflict.options, 1)}
    return preferences_in(value, issues_from(conflict.body["issues"])).to_dict()


def known(conflict: Conflict) -> dict[str, Any]:
    """What parties want that was given with the conflict."""
    key = {"options": "preferences", "numeric": "positions", "allocation": "values", "multi_issue": "preferences"}
    found: dict[str, Any] = dict(conflict.body.get(key.get(conflict.kind, ""), {}))
    return found


def options_in(heard: Mapping[str, Heard]) -> tuple[list[str], dict[str, list[str]]]:
    """The different answers that were proposed, the most frequent first, and what was said for each."""
    said = [(clean(one.value.answer, 200).strip(), one.value.reason) for one in heard.values() if one.value is not None]
    said = [(tidy(answer), clean(reason, 300)) for answer, reason in said if answer]
    names: dict[str, str] = {}
    for answer, _ in sorted(said):
        names.setdefault(canonical(answer), answer)
    reasons: dict[str, list[str]] = {name: [] for name in names.values()}
    for answer, reason in said:
        reasons[names[canonical(answer)]].append(reason)
    options = sorted(reasons, key=lambda option: (-len(reasons[option]), canonical(option)))[:MAX_OPTIONS]
    return options, {option: reasons[option] for option in options}


def _number_question(body: Mapping[str, Any]) -> Question:
    low, high = body.get("low", 0), body.get("high", MOST)
    words = (
        f"Which number do you stand for in the matter of {body.get('issue') or 'the conflict'}, from {low} to {high}? "
        "Give your reason in one or two sentences, then the number."
    )
    kind: Any = int if all(float(bound).is_integer() for bound in (low, high)) else float
    number: Any = (Annotated[kind, Field(ge=low, le=high)], ...)
    reason: Any = (Annotated[str, Field(max_length=120)], "")
    schema: Any = create_model("Number", reason=reason, number=number)
    read = partial(_read_number, body.get("low"), body.get("high"))  # What nobody bounded may be anything.
    return Question(words, schema, schema(number=low), read, words)


def _read_number(low: float | None, high: float | None, said: Any) -> BaseModel:
    given = _object(said)
    if given is None:
        given = {"number": only_number(said, "position"), "reason": said}
    position = validated(Position, given)
    number = position.number  # type: ignore[attr-defined]
    if (low is not None and number < low) or (high is not None and number > high):
        raise ValueError(f"it said {number:g}, which is not between {low} and {high}")
    return position


def _values_question(items: Sequence[str]) -> Question:
    shown = "\n".join(f"{number}. {item}" for number, item in enumerate(items, 1))
    words = (
        f"These are to be shared out:\n{shown}\nWhat is each worth to you, 0 to {MOST}? Answer with value_1 to "
        f"value_{len(items)}. Who gets something pays what it takes from the others, so your true values are your best."
    )
    worth: Any = (Annotated[int, Field(ge=0, le=MOST)], ...)
    fields: dict[str, Any] = {f"value_{number}": worth for number in range(1, len(items) + 1)}
    schema = create_model("Values", **fields)
    return Question(words, schema, schema(**dict.fromkeys(fields, 0)), partial(_read_values, schema, items), words)


def _read_values(schema: type[BaseModel], items: Sequence[str], said: Any) -> BaseModel:
    given = _object(said)
    if given is None:
        raise ValueError(f"it named no values: {shorten(clean(said), 80)!r}")
    return validated(
        schema, {f"value_{n}": given.get(f"value_{n}", given.get(item, 0)) for n, item in enumerate(items, 1)}
    )


def _object(said: Any) -> Mapping[str, Any] | None:
    if isinstance(said, Mapping):
        return said
    try:
        return read_json(Reply(said))
    except ValueError:
        return None
