"""One round of a consensus: whom to ask for what, which ballots came in, and whether the rest can still matter."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from fractions import Fraction
from types import MappingProxyType
from typing import Any

from langchain_core.language_models import BaseChatModel

from ..agents import Agent
from .ballots import ballot_of, canonical, proposal_question, vote_question
from .consensus.ballot_box import BallotBox
from .consensus.counting import Ballot
from .consensus.voting import capped, tally_early
from .panel import Heard, Question
from .text import clean

CHOICE_RULES = ("majority", "qualified", "unanimous", "weighted", "plurality")
CORES = {"raft": "majority", "pbft": "majority", "bft": "majority", "stake": "weighted"}
"""The protocols that first agree on the ballots, and the rule by which these are counted then."""


@dataclass(frozen=True)
class ConsensusSpec:
    """What `create_consensus` was given."""

    name: str
    agents: tuple[Agent, ...]
    protocol: str
    threshold: Any
    rounds: int
    tolerate: int
    faults: Mapping[str, str]
    early_stop: bool
    options: tuple[str, ...]
    model: str | BaseChatModel | None
    seed: int

    @property
    def rule(self) -> str:
        """The rule by which ballots are counted."""
        return CORES.get(self.protocol, self.protocol)

    @property
    def kind(self) -> str:
        """What agents are asked for: a choice, a ranking or an approval list."""
        if self.rule in CHOICE_RULES:
            return "choice"
        return "approval" if self.rule == "approval" else "ranking"

    @property
    def names(self) -> list[str]:
        """The agents' names, which are the electorate."""
        return [agent.name for agent in self.agents]

    def weights(self) -> dict[str, float] | dict[str, int]:
        """The agents' weights; where some may lie, nobody has a third of the whole."""
        given = {agent.name: agent.weight for agent in self.agents}
        return capped(given) if self.protocol == "stake" and self.tolerate else given

    def counting(self) -> dict[str, Any]:
        """The arguments of `tally` beside the ballots."""
        weights = self.weights() if self.rule == "weighted" else None
        threshold = self.threshold if self.rule == "qualified" else None
        return {"rule": self.rule, "electorate": self.names, "weights": weights, "threshold": threshold}


class Poll:
    """One round: reads what is heard into ballots as it comes, and knows when no more is needed.

    Args:
        spec: What the graph was made with.
        tell: Where events go.
        number: Of the round, counted from 1.
        votes: Whether answers are ballots; False while agents only propose.
        options: What is voted on; without it agents are asked for answers of their own.
        shown: Option -> what was said for it.
    """

    def __init__(
        self,
        spec: ConsensusSpec,
        tell: Callable[..., None],
        number: int,
        *,
        votes: bool = True,
        options: Sequence[str] = (),
        shown: Mapping[str, Sequence[str]] = MappingProxyType({}),
    ) -> None:
        self.spec, self.tell, self.number, self.votes = spec, tell, number, votes
        self.options, self.shown = list(options), shown
        self.box = BallotBox(self.spec.names)
        self.reasons: dict[str, str] = {}
        self.errors: dict[str, str] = {}
        self.texts: dict[str, str] = {}
        self.lies: dict[str, Ballot] = {}  # What lying agents say to some of the others.

    def question(self, agent: Agent) -> Question:
        """What the agent is asked."""
        return vote_question(self.spec.kind, self.options, self.shown) if self.options else proposal_question()

    def enough(self, heard: Mapping[str, Heard]) -> bool:
        """Take the new answers; True when the outstanding ones cannot change the outcome."""
        for name, one in heard.items():
            if name not in self.reasons:
                self._take(name, one)
        if any(one.over for one in heard.values()):
            return True
        if not self.votes or not self.spec.early_stop or len(self.box.ballots) == len(self.spec.agents):
            return False
        ballots = {name: self._counted(ballot) for name, ballot in self.box.ballots.items()}
        if self.spec.tolerate:
            return self._certain_despite_liars(ballots)
        options = self.options or None
        return tally_early(ballots, options=options, **self.spec.counting()) is not None

    def _certain_despite_liars(self, ballots: Mapping[str, Ballot]) -> bool:
        """Whether one option has a majority even when all liars that are tolerated are among those who chose it.

        What a liar told us need not be what the protocol agrees on: it may have told others something else.
        """
        weights = {name: Fraction(str(weight)) for name, weight in self.spec.weights().items()}
        total = sum(weights.values())
        lost = Fraction(self.spec.tolerate) if self.spec.rule == "majority" else total / 3
        if self.spec.rule == "majority":
            weights, total = dict.fromkeys(weights, Fraction(1)), Fraction(len(weights))
        votes: dict[Any, Fraction] = {}
        for name, ballot in ballots.items():
            if ballot is not None:
                votes[ballot] = votes.get(ballot, Fraction(0)) + weights[name]
        return 2 * (max(votes.values(), default=Fraction(0)) - lost) > total

    def _take(self, name: str, one: Heard) -> None:
        self.reasons[name] = clean(getattr(one.value, "reason", "") or "", 300)
        ballot: Ballot = None
        if one.value is None:
            self.errors[name] = one.error or "it was not heard"
        elif self.options:
            ballot = ballot_of(self.spec.kind, one.value, self.options)
        else:
            ballot = clean(one.value.answer, 200).strip() or None
            self.texts[name] = ballot or ""
        if self.votes:
            self.box.cast(name, ballot)
            if self.spec.faults.get(name) == "lying" and ballot is not None:
                self.lies[name] = self._lie(ballot)
                self.box.cast(name, self.lies[name])
        self.tell(
            "ballot",
            round=self.number,
            voter=name,
            ballot=ballot,
            reason=self.reasons[name],
            error=self.errors.get(name),
        )

    def _lie(self, ballot: Ballot) -> Ballot:
        """What a lying agent says to the others."""
        others = [option for option in (self.options or self.texts.values()) if option and option != ballot]
        return list(reversed(ballot)) if isinstance(ballot, list) else (others or [f"not {ballot}"])[0]

    def _counted(self, ballot: Ballot) -> Ballot:
        return canonical(ballot) if isinstance(ballot, str) and not self.options else ballot

    def rows(self, ballots: Mapping[str, Ballot]) -> list[dict[str, Any]]:
        """The round's ballots for the output."""
        return [
            {
                "round": self.number,
                "voter": name,
                "ballot": ballots[name],
                "reason": self.reasons.get(name, ""),
                "error": self.errors.get(name),
            }
            for name in self.spec.names
            if name in ballots
        ]
