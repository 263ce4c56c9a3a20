"""Which experiences help with a task: near to it, fresh, and of use; and how they are shown to a model."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

# Relevance leads: whatever their age and outcome, the task itself (1.0) comes before one of relevance 0.6, because the
# other two can make up for 0.25 of 0.65. Recency tells apart what is about equally near; what succeeded is worth more
# than what failed, since agents repeat what they are shown (Xiong et al., How Memory Management Impacts LLM Agents,
# 2025), but a failure is shown too: it says what not to repeat.
RELEVANCE, RECENCY, UTILITY = 0.65, 0.15, 0.2

HALF_LIFE = 30 * 86_400.0  # Seconds until an experience is half as fresh.
SHOWN_TASK, SHOWN_SUMMARY = 300, 500  # Characters that a model is shown.
MARK = "[recalled]"  # Begins what was recalled, so that it is known again where a model repeats it.


@dataclass(frozen=True, slots=True)
class Recalled:
    """An experience that may help with a task; its text is what is shown to a model.

    Relevance, recency, utility and score are between 0 and 1; `lexical` marks a relevance that comes from equal words
    alone.

    Example:
        >>> [one] = ranked([({"task": "Add 2 and 3", "success": True, "at": "2026-11-28"}, 0.9)], 1, now=1_795_824_000)
        >>> print(one)
        [recalled] "Add 2 and 3" succeeded on 2026-11-28.
        >>> one["task"], one.relevance
        ('Add 2 and 3', 0.9)
        >>> one.why
        'It is close to the task (0.90), from the same day, and it succeeded.'
    """

    experience: Mapping[str, Any]
    relevance: float
    recency: float
    utility: float
    score: float
    why: str
    lexical: bool = False

    def __getitem__(self, field: str) -> Any:
        """A field of the experience."""
        return self.experience[field]

    def __str__(self) -> str:
        """One line of quoted data, without what could break out of the quotes."""
        known = self.experience
        line = f"{MARK} {_quoted(known['task'], SHOWN_TASK)} {_outcome(known)} on {one_line(str(known['at']))[:10]}."
        notes = known.get("summary") or next(iter(known.get("reflections") or ()), "")
        if not notes and known.get("success"):
            notes = known.get("answer")
        return f"{line} Notes: {_quoted(notes, SHOWN_SUMMARY)}" if notes else line

    def to_dict(self) -> dict[str, Any]:
        """Plain JSON."""
        parts = ("relevance", "recency", "utility", "score")
        numbers = {part: round(getattr(self, part), 6) for part in parts}
        return {"experience": dict(self.experience), **numbers, "why": self.why, "lexical": self.lexical}


def ranked(
    found: Sequence[tuple[Mapping[str, Any], float]], k: int, *, now: float, lexical: bool = False
) -> list[Recalled]:
    """Return the `k` that help most: 0.65 relevance + 0.15 recency + 0.20 utility.

    Utility is what the experience's own outcome says. What happened in the runs to which it was recalled is left out on
    purpose: who is recalled for hard tasks would look harmful, as nothing is withheld at random (a true gain of +0.10
    measured as -0.14 in simulation). Lessons are tried that way, experiences are not.

    Args:
        found: Experiences with their cosine to the task; ties keep this order.
        k: How many at most.
        now: Seconds since 1970.
        lexical: Whether the cosines compare words only.

    Example:
        >>> old = {"id": "a", "task": "t", "success": True, "at": "2026-01-01T00:00:00Z"}
        >>> new = old | {"id": "b", "at": "2026-06-01T00:00:00Z"}
        >>> [one.experience["id"] for one in ranked([(old, 0.8), (new, 0.8)], 2, now=1_795_824_000)]
        ['b', 'a']
    """
    scored = [_scored(experience, cosine, now, lexical) for experience, cosine in found]
    return sorted(scored, key=_order)[:k]


def recency(age: float) -> float:
    """How fresh, from 1 down to 0, after `age` seconds.

    Falls as a power of the age, not exponentially, as the odds that something is needed again do (Anderson and
    Schooler, Reflections of the environment in memory, 1991): after a year one can still tell old from older.

    Example:
        >>> recency(0.0), recency(HALF_LIFE), recency(-5.0)
        (1.0, 0.5, 1.0)
    """
    return HALF_LIFE / (HALF_LIFE + max(age, 0.0))


def utility(experience: Mapping[str, Any]) -> float:
    """What its own outcome is worth: 1 for a success, 0.75 for one by the agent's own judgement, else 0.5.

    Example:
        >>> utility({"success": True}), utility({"success": False}), utility({"success": None})
        (1.0, 0.5, 0.5)
    """
    if not experience.get("success"):
        return 0.5
    return 0.75 if experience.get("outcome_source") == "self" else 1.0


def epoch(at: str) -> float:
    """Seconds since 1970 of an ISO 8601 time; one without a zone is UTC.

    Raises:
        ValueError: It is none.

    Example:
        >>> epoch("1970-01-02"), epoch("1970-01-01T01:00:00+01:00")
        (86400.0, 0.0)
    """
    read = datetime.fromisoformat(at)
    return (read if read.tzinfo else read.replace(tzinfo=UTC)).timestamp()


def one_line(text: str) -> str:
    """The text without line breaks, control characters, bidirectional overrides and lone surrogates.

    Example:
        >>> one_line("a" + chr(0) + "b" + chr(10) + "  c")
        'a b c'
    """
    joiners = "\u200c\u200d"  # Persian, Hindi and joined emojis are written with them.
    return " ".join("".join(c if c.isprintable() or c in joiners else " " for c in text).split())


def without_recalled(text: str) -> str:
    """The text without the lines that repeat what was recalled: memories of memories would drown the rest.

    Example:
        >>> without_recalled('Done.' + chr(10) + '[recalled] "Add 2 and 3" succeeded on 2026-11-28.')
        'Done.'
    """
    begun = f'{MARK} "'
    if begun not in text:
        return text
    return "\n".join(line for line in text.splitlines() if begun not in line).strip()


def _scored(experience: Mapping[str, Any], cosine: float, now: float, lexical: bool) -> Recalled:
    age = now - epoch(experience["at"])
    near, fresh, use = min(max(cosine, 0.0), 1.0), recency(age), utility(experience)
    score = RELEVANCE * near + RECENCY * fresh + UTILITY * use
    closeness = f"shares words with the task ({near:.2f})" if lexical else f"is {_close(near)} the task ({near:.2f})"
    why = f"It {closeness}, {_age(age)}, and it {_outcome(experience)}."
    return Recalled(experience, near, fresh, use, score, why, lexical)


def _order(recalled: Recalled) -> tuple[float, float]:
    return -recalled.score, -recalled.relevance


def _close(relevance: float) -> str:
    return "close to" if relevance >= 0.6 else "akin to" if relevance >= 0.3 else "far from"


def _age(seconds: float) -> str:
    days = int(seconds // 86_400)
    return "from the same day" if days < 1 else f"{days:,} days old" if days > 1 else "a day old"


def _outcome(experience: Mapping[str, Any]) -> str:
    """In words: succeeded, failed, or ended in a way that nobody has judged."""
    success = experience.get("success")
    if success is None:
        return "ended with an unknown outcome"
    words = "succeeded" if success else "failed"
    return f"{words} by its own judgement" if experience.get("outcome_source") == "self" else words


def _quoted(text: Any, limit: int) -> str:
    line = one_line(str(text))
    return json.dumps(line if len(line) <= limit else f"{line[:limit]}…", ensure_ascii=False)
