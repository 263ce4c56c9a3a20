"""Proof of stake: Tendermint (Buchman, Kwon and Milosevic, arXiv 1807.04938, algorithm 1) as a pure state machine.

Validators decide one block a height. In each round of a height one of them, chosen in proportion to its stake,
proposes; all prevote, then precommit. More than two thirds of the stake decide; as long as liars hold less than a
third, no two honest validators decide differently, however late messages are, and every height ends once the network is
well. Two signed votes that contradict each other are evidence: it travels in a block, and from the next height on the
liar's stake is cut.

The driver works as for `raft.Raft`: `tick`, `step`, `propose`, then `ready` (write, send, apply) and `advance`. A vote
counts only after it was written, so a validator that crashes never contradicts itself and is never punished.
"""

from __future__ import annotations

from collections.abc import Mapping

from ...errors import ConfigError
from .rotation import ProposerRotation
from .signing import Signer
from .stake_messages import (
    NOTHING,
    PRECOMMIT,
    PREVOTE,
    PROPOSE,
    STEPS,
    Block,
    Body,
    Commit,
    Message,
    Proposal,
    Ready,
    State,
    Status,
    Stored,
    Vote,
    vote_of,
    well_formed,
)
from .stake_votes import Register

WINDOW = 100  # Rounds ahead of its own from which a validator keeps votes; bounds what a liar can make it store.
EARLY = 512  # Messages of the next height that are kept until it begins.
HELP = 10  # Decided heights that are sent to a straggler at once.


class Validator(Register):
    """One validator.

    Args:
        id: This validator's name.
        stakes: The stake of every validator at height 1, whole numbers above 0. One that holds a third or more is
            allowed, and then it alone can stop everything; from two thirds on it alone decides.
        signer: Signs and verifies. Evidence convinces third parties only when `signer.transferable`.
        stored: What the validator had written before it crashed.
        session: Names this group and this run, so that votes of another one are worth nothing here.
        penalty: Percent of the stake that one piece of evidence burns, 1 to 100.
        timeout_ticks: How long a step of round 0 waits; each later round waits one tick longer.
        resend_ticks: How often what may have been lost is sent again.

    Raises:
        ConfigError: A stake is no whole number above 0, the validator has none, or a number is out of range.

    Example:
        >>> from .signing import HmacSigner
        >>> node = Validator("a", {"a": 1}, signer=HmacSigner("a", b"0123456789abcdef"))
        >>> node.propose("blue")
        >>> node.tick()
        >>> decided = []
        >>> while ready := node.ready():
        ...     decided += ready.committed
        ...     node.advance()
        >>> decided
        [(1, 'blue')]
    """

    protocol = "stake"

    def __init__(
        self,
        id: str,
        stakes: Mapping[str, int],
        *,
        signer: Signer,
        stored: Stored = NOTHING,
        session: str = "",
        penalty: int = 100,
        timeout_ticks: int = 4,
        resend_ticks: int = 6,
    ) -> None:
        self._check(id, stakes, penalty, timeout_ticks, resend_ticks)
        super().__init__(id, stakes, signer=signer, domain=f"{self.protocol}:{session!r}", penalty=penalty)
        self.timeout_ticks, self.resend_ticks = timeout_ticks, resend_ticks
        self.rotation = ProposerRotation(self.stakes)
        self.queue: list[str] = []
        self.commits: list[Commit] = []
        self.dropped: dict[str, int] = {}  # Reason -> messages that were worth nothing.
        self._elapsed = 0
        self._early: list[Vote | Proposal] = []
        self._outbox: list[Message] = []
        self._offered: Ready | None = None
        self._written = self._applied = 0  # Heights.
        self._begin(1)
        self._restore(stored)

    def _begin(self, height: int) -> None:
        self._clear(height)
        self._locked: str | None = None
        self._locked_round = self._valid_round = self._proposed = -1
        self._valid: Block | None = None
        self._proof: tuple[Vote, ...] = ()
        self._signed: list[Vote | Proposal] = []
        self._own: list[Vote | Proposal] = []  # Signed; they count once they are written.
        self._counting: list[Vote | Proposal] = []  # Being written.
        self._proposals: dict[int, Proposal] = {}
        self._blocks: dict[str, Block] = {}  # Acceptable ones, by digest.
        self._polkas: dict[int, str | None] = {}  # Round -> what two thirds prevoted for.
        self._settled: tuple[int, str] | None = None  # Round and digest that two thirds precommitted.
        self._start(0)

    def _start(self, round: int) -> None:
        self.round, self.phase = round, PROPOSE
        self._timers = {PROPOSE: self._timeout()}
        self._leads = self.proposer == self.id
        self._changed = True

    def _check(self, id: str, stakes: Mapping[str, int], penalty: int, *ticks: int) -> None:
        for name, stake in stakes.items():
            if type(stake) is not int or stake < 1:
                raise ConfigError(f"The stake of {name!r} is {stake!r}; allowed are whole numbers above 0: scale it.")
        if id not in stakes:
            raise ConfigError(f"{id!r} has no stake; validators are {', '.join(sorted(stakes))}: give it one.")
        if not 1 <= penalty <= 100 or min(ticks) < 1:
            raise ConfigError(
                f"penalty is {penalty}, ticks are {ticks}; a penalty is 1 to 100 percent, ticks are at least 1."
            )

    # What the driver calls.

    def tick(self) -> None:
        """Let one unit of time pass: steps time out, and what may have been lost is sent again."""
        self._elapsed += 1
        if self._elapsed % self.resend_ticks == 0:
            self._resend()
        if self._active():
            for step, left in list(self._timers.items()):
                self._timers[step] = left - 1
                if left == 1:
                    self._time_out(step)
        self._progress()

    def propose(self, value: str) -> None:
        """Queue a value; this validator proposes it when its turn comes.

        Raises:
            ConfigError: The value is no text.
        """
        if type(value) is not str:
            raise ConfigError(f"The value is a {type(value).__name__}; values are texts: encode it, say as JSON.")
        self.queue.append(value)
        self._progress()

    def step(self, message: Message) -> None:
        """Take a message. One that is malformed, misdirected, forged or late changes nothing and is counted."""
        if not well_formed(message) or message.to != self.id or message.sender not in self.members:
            self._drop("malformed")
            return
        body = message.body
        if isinstance(body, Status):
            self._help(message.sender, body.height)
        elif isinstance(body, Commit):
            self._on_commit(message.sender, body)
        else:
            self._take(body)
        self._progress()

    def ready(self) -> Ready | None:
        """Return what has to be done now, or None. The same until `advance` is called."""
        if self._offered is None:
            commits = tuple(self.commits[self._written :])
            fresh = self.commits[self._applied :]
            if not self._changed and not self._outbox and not fresh:
                return None
            committed = tuple((height, commit.block.payload) for height, commit in enumerate(fresh, self._applied + 1))
            state = self._state() if self._changed else None
            self._offered = Ready(state, commits, tuple(self._outbox), committed)
            self._counting, self._own = self._own, []
            self._outbox, self._changed = [], False
        return self._offered

    def advance(self) -> None:
        """The last `Ready` is written, sent and applied; now this validator's own votes count."""
        done, self._offered = self._offered, None
        if done is None:
            return
        self._written += len(done.commits)
        self._applied += len(done.committed)
        own, self._counting = self._counting, []
        for body in own:
            if vote_of(body).height == self.height:
                self._take(body)
        self._progress()

    @property
    def proposer(self) -> str | None:
        """Who proposes in this round; None when no stake is left."""
        return self.proposer_of(self.round)

    def proposer_of(self, round: int) -> str | None:
        """Who proposes in a round of this height."""
        return self.rotation.proposer(round)

    # The rules of algorithm 1. Each returns whether it changed anything.

    def _progress(self) -> None:
        while (
            self._decide() or self._skip() or self._propose() or self._prevote() or self._watch() or self._precommit()
        ):
            pass

    def _decide(self) -> bool:
        """Lines 49 to 54: a block with precommits of two thirds in any one round is decided."""
        if self._settled is None:
            return False
        round, digest = self._settled
        block = self._blocks.get(digest)
        if block is None:
            return False
        votes = self._votes[PRECOMMIT, round].values()
        self._commit(Commit(block, tuple(vote for vote in votes if vote.value == digest)))
        return True

    def _skip(self) -> bool:
        """Line 55: more than a third is in a later round, so an honest one is."""
        before = self.round
        if self._ahead > before:
            self._start(self._ahead)
        return self.round != before

    def _propose(self) -> bool:
        """Lines 14 to 19: the proposer repeats a block that two thirds once prevoted for, or brings a new one."""
        if not self._leads or self.phase != PROPOSE or self._proposed >= self.round or not self._active():
            return False
        block = self._valid or self._block()
        if block is None:
            return False
        self._proposed = self.round
        vote = self._sign(PROPOSE, self.round, f"{self._valid_round} {self.digest(block)}")
        self._publish(Proposal(vote, block, self._valid_round, self._proof))
        return True

    def _prevote(self) -> bool:
        """Lines 22 to 33: for the proposal, unless it is not acceptable or another block is locked."""
        if self.phase != PROPOSE or self.round not in self._proposals:
            return False
        proposal = self._proposals[self.round]
        digest = self.digest(proposal.block)
        self.phase = PREVOTE
        self._cast(
            PREVOTE, self.round, digest if digest in self._blocks and self._may_prevote(digest, proposal) else None
        )
        return True

    def _may_prevote(self, digest: str, proposal: Proposal) -> bool:
        return self._locked_round <= proposal.valid_round or self._locked == digest

    def _watch(self) -> bool:
        """Lines 34 and 47: two thirds have voted somehow, so the rest gets a limited time."""
        for kind in (PREVOTE, PRECOMMIT):
            if kind in self._timers or (kind == PREVOTE and self.phase != PREVOTE):
                continue
            if self.enough(self._totals.get((kind, self.round), 0)):
                self._timers[kind] = self._timeout()
        return False

    def _precommit(self) -> bool:
        """Lines 36 to 46: two thirds prevoted for the same, so lock it and precommit."""
        if self.phase == PROPOSE or self.round not in self._polkas or self._valid_round == self.round:
            return False
        digest = self._polkas[self.round]
        if digest is not None:
            block = self._blocks.get(digest)
            if block is None:
                return False
            votes = self._votes[PREVOTE, self.round].values()
            self._valid, self._valid_round = block, self.round
            self._proof = tuple(vote for vote in votes if vote.value == digest)
            self._changed = True
        if self.phase != PREVOTE:
            return digest is not None
        if digest is not None:
            self._lock(digest)
        self.phase = PRECOMMIT
        self._cast(PRECOMMIT, self.round, digest)
        return True

    def _lock(self, digest: str) -> None:
        self._locked, self._locked_round = digest, self.round

    def _time_out(self, step: str) -> None:
        """Lines 57 to 67."""
        if step == PRECOMMIT:
            self._start(self.round + 1)
        elif step == self.phase:
            self.phase = PREVOTE if step == PROPOSE else PRECOMMIT
            self._cast(self.phase, self.round, None)

    def _timeout(self) -> int:
        return self.timeout_ticks + self.round

    def _active(self) -> bool:
        """Whether there is something to decide. Without, a height waits and no time passes in it."""
        return bool(self.queue or self.evidence or self._votes)

    def _block(self) -> Block | None:
        """A new block: this validator's next value, and the evidence that it found."""
        return Block(self.queue[0] if self.queue else "", tuple(self.evidence[key] for key in sorted(self.evidence)))

    def acceptable(self, block: Block) -> bool:
        """Whether a block may be voted for: all its proofs are evidence that was not punished before."""
        keys = [self.identity(proof) for proof in block.proofs if self.guilty(proof)]
        return len(set(keys)) == len(block.proofs) and all(map(self.unpunished, keys))

    # What comes in.

    def _take(self, body: Vote | Proposal) -> None:
        vote = vote_of(body)
        if vote.height != self.height:
            if vote.height == self.height + 1 and len(self._early) < EARLY:
                self._early.append(body)
            else:
                self._drop("another height")
        elif not self._in_time(vote):
            self._drop("another round")
        elif not self._authentic(vote):
            self._drop("bad signature")
        elif isinstance(body, Proposal):
            self._on_proposal(body)
        else:
            self._record(vote)

    def _in_time(self, vote: Vote) -> bool:
        return vote.kind in STEPS and vote.round <= self.round + WINDOW

    def _on_proposal(self, proposal: Proposal) -> None:
        vote, block, valid_round, proof = proposal
        digest = self.digest(block)
        if vote.kind != PROPOSE or vote.value != f"{valid_round} {digest}" or valid_round >= vote.round:
            return self._drop("malformed")
        self._record(vote)
        if vote.round in self._proposals or vote.voter != self.proposer_of(vote.round):
            return None
        if valid_round >= 0 and not self._proves(proof, PREVOTE, valid_round, digest):
            return self._drop("without proof")
        self._proposals[vote.round] = proposal
        if digest not in self._blocks and self.acceptable(block):
            self._blocks[digest] = block
        return None

    def _on_commit(self, sender: str, commit: Commit) -> None:
        if commit.votes and commit.votes[0].height == self.height:
            if self._proves(commit.votes, PRECOMMIT, commit.votes[0].round, self.digest(commit.block)):
                self._commit(commit)
                self._send(sender, Status(self.height))  # It may have more.
            else:
                self._drop("without proof")

    def _reached(self, kind: str, round: int, value: str | None) -> None:
        if kind == PREVOTE:
            self._polkas[round] = value
        elif kind == PRECOMMIT and value is not None:
            self._settled = round, value

    def _cast(self, kind: str, round: int, value: str | None) -> None:
        self._publish(self._sign(kind, round, value))

    # From height to height.

    def _commit(self, commit: Commit) -> None:
        """The height is decided: its evidence is punished, and the next height begins with the new stakes."""
        self.commits.append(commit)
        if self.queue and commit.block.payload == self.queue[0]:
            del self.queue[0]
        for proof in commit.block.proofs:
            self._punish(proof)
        for key in [key for key, proof in self.evidence.items() if not self.weight(proof[0].voter)]:
            del self.evidence[key]
        # What was signed and not yet written is void: it was for a height that is over.
        self._outbox = [message for message in self._outbox if message.body not in self._own]
        self.rotation = self.rotation.after(self.stakes)
        self._begin(self.height + 1)
        early, self._early = self._early, []
        for body in early:
            self._take(body)

    def _restore(self, stored: Stored) -> None:
        for commit in stored.commits:
            self._commit(commit)
        self._written = len(self.commits)
        state = stored.state
        if state is not None and state.height == self.height:
            self._start(state.round)
            self.phase, self._locked_round, self._locked = state.step, state.locked_round, state.locked
            self._valid_round, self._valid, self._proof = state.valid_round, state.valid, state.proof
            self._signed, self._changed = list(state.signed), False
            for body in state.signed:
                if isinstance(body, Proposal):
                    self._proposed = max(self._proposed, body.vote.round)
                self._take(body)

    def _state(self) -> State:
        return State(
            self.height,
            self.round,
            self.phase,
            self._locked_round,
            self._locked,
            self._valid_round,
            self._valid,
            self._proof,
            tuple(self._signed),
        )

    # Messages.

    def _publish(self, body: Vote | Proposal) -> None:
        self._signed.append(body)
        self._own.append(body)
        self._changed = True
        self._broadcast(body)

    def _broadcast(self, body: Body) -> None:
        for member in self.members:
            if member != self.id:
                self._send(member, body)

    def _send(self, to: str, body: Body) -> None:
        self._outbox.append(Message(self.id, to, body))

    def _resend(self) -> None:
        """Say again what others may lack to leave this round or the one before, and ask for what this one lacks."""
        self._broadcast(Status(self.height))
        for body in self._signed:
            if self._lasting(vote_of(body)):
                self._broadcast(body)

    def _lasting(self, vote: Vote) -> bool:
        return vote.round >= self.round - 1

    def _help(self, straggler: str, height: int) -> None:
        for commit in self.commits[height - 1 : height - 1 + HELP]:
            self._send(straggler, commit)

    def _drop(self, reason: str) -> None:
        self.dropped[reason] = self.dropped.get(reason, 0) + 1
