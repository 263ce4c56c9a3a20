"""Byzantine agreement of agents on one option: one height of `stake.Validator` with equal stakes, opened by ballots.

Why this shape: Tendermint's locks give agreement however late messages are, and its rounds with rotating coordinators
end once the network is well (Dwork, Lynch and Stockmeyer 1988 show that more cannot be had). The phase king of Berman,
Garay and Perry needs rounds in lockstep. What Tendermint lacks is validity, since a lying coordinator may propose
anything. So:

1. Every member signs a ballot, and echoes the first ballot that it sees of each member. A ballot with a quorum of
   echoes is certified; two different certified ballots of one member cannot be (consistent broadcast: Srikanth and
   Toueg 1987).
2. A coordinator proposes an option together with a quorum q of certified ballots in which no option has more. Others
   vote for nothing else. When all honest members want the same, they have q - f > f of any q ballots: it wins.
3. Prevotes, precommits, locks: as in `stake`.

THE FALLBACK. When the rounds or their time run out, a member falls back to an option with c certified ballots, where
2c > 2n - q, or to nothing. A proposal leaves out at most n - q ballots, so at least c - (n - q) > n - c of those in it
want this option: no other one can be decided, and nobody falls back to another one. With n = 3f + 1, c is 2f + 1.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from typing import NamedTuple

from ...errors import ConfigError
from .quorum import faults_tolerated
from .signing import Signer
from .stake import Validator
from .stake_messages import BALLOT, ECHO, NOTHING, PROPOSE, STEPS, Block, Stored, Vote


class Result(NamedTuple):
    """What a vote gave.

    `mode` is "agreed", "fallback" (the rounds ran out, enough certified ballots want `value`) or "undecided".
    `counts` are the certified ballots for each option behind it, the most first; `tied` are the other options with as
    many as `value`, from which the coordinator chose. `liars` are members with proof against them; when it is not
    `transferable`, only members can check.
    """

    value: str | None
    mode: str
    rounds: int
    counts: tuple[tuple[str, int], ...]
    tied: tuple[str, ...]
    liars: tuple[str, ...]
    transferable: bool


class Voter(Validator):
    """One member of a vote on one option.

    Args:
        id: This member's name.
        members: The names of all members, this one included.
        signer: Signs and verifies. With `NullSigner` members may stop, but must not lie: give `tolerate=0`.
        value: What this member wants; None: it has no ballot (yet, see `propose`).
        tolerate: How many members may lie (f). The default is as many as possible, (n - 1) // 3. With fewer liars, more
            may be down: a quorum is the smallest q with 2q > n + f.
        rounds: How many coordinators may try before it ends without agreement.
        stored: What this member had written before it crashed.
        session: Names this vote; ballots of another one are worth nothing here.
        timeout_ticks: How long a step of round 0 waits; each later round waits one tick longer.
        resend_ticks: How often what may have been lost is sent again.

    Raises:
        ConfigError: n < 3f + 1, the members repeat or lack this one, or a number is out of range.

    Example:
        >>> from .signing import HmacSigner
        >>> voter = Voter("a", ["a"], signer=HmacSigner("a", b"0123456789abcdef"), value="blue")
        >>> voter.tick()
        >>> while voter.ready():
        ...     voter.advance()
        >>> voter.result.value, voter.result.mode
        ('blue', 'agreed')
    """

    protocol = "bft"

    def __init__(
        self,
        id: str,
        members: Sequence[str],
        *,
        signer: Signer,
        value: str | None = None,
        tolerate: int | None = None,
        rounds: int = 20,
        stored: Stored = NOTHING,
        session: str = "",
        timeout_ticks: int = 4,
        resend_ticks: int = 6,
    ) -> None:
        if id not in members or len(set(members)) != len(members):
            raise ConfigError(f"{id!r} must be one of the members, and they must differ; given: {', '.join(members)}.")
        if type(rounds) is not int or rounds < 1:
            raise ConfigError(f"rounds is {rounds!r}; allowed are whole numbers from 1 on: give at least one a member.")
        self.tolerate = self._tolerable(members, tolerate)
        self.quorum = (len(members) + self.tolerate) // 2 + 1
        self.rounds = rounds
        self.deadline = 3 * sum(timeout_ticks + round for round in range(rounds))  # Ticks: three steps a round.
        self.exhausted = False  # The rounds ran out.
        self.certified: dict[str, str] = {}  # Member -> the ballot that a quorum has echoed.
        self._echoed: dict[int, Vote] = {}  # Place of a member -> its ballot as this member saw it first.
        super().__init__(
            id,
            dict.fromkeys(members, 1),
            signer=signer,
            stored=stored,
            session=session,
            timeout_ticks=timeout_ticks,
            resend_ticks=resend_ticks,
        )
        if value is not None:
            self.propose(value)

    @staticmethod
    def most(members: int) -> int:
        """How many liars so many members tolerate."""
        return faults_tolerated(members)

    def _tolerable(self, members: Sequence[str], tolerate: int | None) -> int:
        most = self.most(len(members))
        if tolerate is None:
            return most
        if type(tolerate) is not int or not 0 <= tolerate <= most:
            raise ConfigError(
                f"{len(members)} members cannot tolerate {tolerate!r} liars; 3f + 1 tolerate f, so 0 to {most} is "
                f"allowed: lower tolerate or add members."
            )
        return tolerate

    @property
    def result(self) -> Result | None:
        """What the vote gave; None while it is open. A value never changes; "undecided" may still become one."""
        if self.commits:
            commit = self.commits[0]
            value: str | None = commit.block.payload
            mode, round = "agreed", commit.votes[0].round
            ballots = [proof[0].value or "" for proof in commit.block.proofs]
        elif self.exhausted:
            ballots, round = list(self.certified.values()), self.round
            value = self._fall_back(ballots)
            mode = "undecided" if value is None else "fallback"
        else:
            return None
        counts = Counter(ballots)
        ranked = tuple(sorted(counts.items(), key=lambda pair: (-pair[1], pair[0])))
        tied = tuple(option for option, n in ranked if option != value and n == ranked[0][1])
        liars = tuple(sorted({proof[0].voter for proof in self.evidence.values()}))
        return Result(value, mode, round + 1, ranked, tied, liars, self.signer.transferable)

    def _fall_back(self, ballots: Iterable[str]) -> str | None:
        """The only place where anything but agreement gives a value; see the head of this module for why it is safe."""
        needed = 2 * len(self.members) - self.quorum
        return next((option for option, count in Counter(ballots).items() if 2 * count > needed), None)

    def propose(self, value: str) -> None:
        """Cast this member's ballot; a member has one, so a later value is ignored.

        Raises:
            ConfigError: The value is no text.
        """
        if type(value) is not str:
            raise ConfigError(f"The ballot is a {type(value).__name__}; ballots are texts: encode it, say as JSON.")
        if self.height == 1 and not self._said(BALLOT, 0):
            self._cast(BALLOT, 0, value)

    def tick(self) -> None:
        """Let one unit of time pass. When too many are down for a round to end, the time for all rounds still does."""
        super().tick()
        self.exhausted = self.exhausted or self._elapsed >= self.deadline

    # What differs from a validator.

    def enough(self, stake: int) -> bool:
        """Whether so many members are a quorum: two quorums share more than f."""
        return stake >= self.quorum

    def some_honest(self, stake: int) -> bool:
        """Whether so many members include an honest one."""
        return stake > self.tolerate

    def _active(self) -> bool:
        return not self.commits

    def _in_time(self, vote: Vote) -> bool:
        if vote.kind == BALLOT:
            return vote.round == 0 and vote.value is not None
        if vote.kind == ECHO:
            return vote.round < len(self.members) and vote.value is not None
        return super()._in_time(vote)

    def _record(self, vote: Vote) -> None:
        super()._record(vote)
        if vote.kind == BALLOT:
            self._echo(self.members.index(vote.voter), vote)
        elif vote.kind == ECHO:
            self._contest(vote)

    def _echo(self, place: int, ballot: Vote) -> None:
        if place not in self._echoed:
            self._echoed[place] = ballot
            for echo in self._votes.get((ECHO, place), {}).values():
                self._contest(echo)
            if not self._said(ECHO, place):
                self._cast(ECHO, place, ballot.value)

    def _said(self, kind: str, round: int) -> bool:
        return any(isinstance(vote, Vote) and (vote.kind, vote.round) == (kind, round) for vote in self._signed)

    def _contest(self, echo: Vote) -> None:
        """Show who echoes another ballot of a member the one that came here: together they prove who lied."""
        seen = self._echoed.get(echo.round)
        if seen is not None and seen.value != echo.value and echo.voter != self.id:
            self._send(echo.voter, seen)

    def _reached(self, kind: str, round: int, value: str | None) -> None:
        if kind == ECHO:
            self.certified[self.members[round]] = value or ""
        super()._reached(kind, round, value)

    def _block(self) -> Block | None:
        """An option with the most certified ballots: this member's own if it is among them, else the first in order."""
        certified = len(self.certified)
        slow = certified < len(self.members) and self._timers[PROPOSE] > self._timeout() // 2
        if slow or not self.enough(certified):
            return None  # A slow ballot counts too, if it comes in half of the time.
        best = leading(self.certified.values())
        own = self.certified.get(self.id)
        places = [place for place, member in enumerate(self.members) if member in self.certified]
        return Block(own if own in best else best[0], tuple(map(self._certificate, places)))

    def _certificate(self, place: int) -> tuple[Vote, ...]:
        ballot = self.certified[self.members[place]]
        votes = self._votes[ECHO, place]
        return tuple(votes[voter] for voter in sorted(votes) if votes[voter].value == ballot)

    def acceptable(self, block: Block) -> bool:
        """Whether a block has a quorum of certified ballots, and no option has more of them than its own."""
        ballots: dict[int, str] = {}
        for proof in block.proofs:
            if not proof or not self._proves(proof, ECHO, proof[0].round, proof[0].value):
                return False
            ballots[proof[0].round] = proof[0].value or ""
        if len(ballots) != len(block.proofs) or not self.enough(len(ballots)) or max(ballots) >= len(self.members):
            return False
        return block.payload in leading(ballots.values())

    def _start(self, round: int) -> None:
        if round < self.rounds:
            super()._start(round)
        else:
            self.exhausted = True

    def _accuse(self, first: Vote, second: Vote) -> None:
        before = len(self.evidence)
        super()._accuse(first, second)
        if len(self.evidence) > before:
            self._broadcast(first)
            self._broadcast(second)

    def _punish(self, proof: tuple[Vote, ...]) -> None:
        """Nobody has a stake to lose."""

    def _lasting(self, vote: Vote) -> bool:
        return vote.kind not in STEPS or super()._lasting(vote)


def leading(ballots: Iterable[str]) -> list[str]:
    """Return the options that no other has more ballots than, in order.

    Example:
        >>> leading(["red", "blue", "red", "blue", "green"])
        ['blue', 'red']
    """
    counts = Counter(ballots)
    most = max(counts.values(), default=0)
    return sorted(option for option, count in counts.items() if count == most)
