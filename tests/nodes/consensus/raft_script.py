"""Scenes of Raft as text: commands, and below `----` what happens. `tests/data/raft/*.txt` are such scripts.

A script is made of blocks with an empty line between them; a block is comments (`#`), one command, `----`, its output:

    campaign n1
    ----
    n1 is candidate in term 1
    n1 writes term 1, vote n1
    n1 -> n2  term 1: vote for me? my last is 0/0

Entries are `index/term value`; the first of a term has no value, shown as `-`. A message is sent at once, and waits on
the wire until `deliver` or `stabilize`. Timeouts are not random here: a node stands for election after ten ticks.

    nodes 3 [batch]      start n1, n2, n3, with at most `batch` entries in a message
    tick n1 10           let time pass on one node
    campaign n1          let its time be over at once
    propose n1 blue red  propose values together
    deliver [n1] [n2]    deliver what is on the wire now, from n1, to n2; `*` or nothing stands for all
    drop, duplicate, reverse [n1] [n2]    lose it, double it, turn its order round
    stabilize            deliver until nothing is on the wire
    send n9 n1 vote term=3 index=1 log_term=1 ...    put a forged message on the wire, then deliver it
    garbage n1           give a node objects that are no messages
    crash n1, restart n1    lose what is not written; start again with the rest
    partition n1 | n2 n3, heal    what crosses the cut is lost when it is sent
    status, log          show all nodes, show all logs
"""

import random
from collections.abc import Callable

from langgraph_agora.nodes.consensus.raft import APPEND, APPEND_REPLY, VOTE, Entry, Message, Raft, Ready
from langgraph_agora.nodes.consensus.raft_world import Disk

GARBAGE = (None, 7, "vote", b"\x00", {"kind": "vote"}, ("vote", "n2", "n1", 9), Message("grant", "n2", "n1", 9))


def run(script: str) -> str:
    """Run a script and return it with the output that it really has."""
    scene, blocks = Scene(), []
    for block in script.strip().split("\n\n"):
        lines = block.split("\n----")[0].split("\n")
        commands = [line for line in lines if line and not line.startswith("#")]
        if len(commands) > 1:
            raise ValueError(f"One command in a block, please; here are {commands}.")
        output = scene.run(commands[0]) if commands else None
        blocks.append("\n".join(lines if output is None else [*lines, "----", *output]))
    return "\n\n".join(blocks) + "\n"


class Steady(random.Random):
    """Always the smallest number: election timeouts are ten ticks."""

    def randrange(self, *_args: int) -> int:
        return 0


class Scene:
    """A group whose messages wait until a script delivers them."""

    def __init__(self) -> None:
        self.names: list[str] = []
        self.batch = 64
        self.up: dict[str, Raft] = {}
        self.disks: dict[str, Disk] = {}
        self.wire: list[Message] = []
        self.groups: list[list[str]] = []
        self.out: list[str] = []

    def run(self, line: str) -> list[str]:
        """Run one command; returns what happened."""
        command, *words = line.split()
        self.out = []
        do: Callable[..., None] = getattr(self, f"do_{command}")
        do(*words)
        return self.out or ["nothing"]

    # The commands.

    def do_nodes(self, count: str, batch: str = "64") -> None:
        self.names, self.batch = [f"n{i}" for i in range(1, int(count) + 1)], int(batch)
        self.disks = {name: Disk() for name in self.names}
        for name in self.names:
            self.do_restart(name)

    def do_restart(self, name: str) -> None:
        stored = self.disks[name].stored()
        self.up[name] = Raft(name, self.names, rng=Steady(), stored=stored, max_batch=self.batch)
        self.out.append(f"{name} starts in term {stored.term}, vote {stored.vote}, {len(stored.log)} entries")

    def do_crash(self, name: str) -> None:
        del self.up[name]
        self.out.append(f"{name} stops")

    def do_tick(self, name: str, times: str = "1") -> None:
        for _ in range(int(times)):
            before = self._role(name)
            self.up[name].tick()
            self._work(name, before)

    def do_campaign(self, name: str) -> None:
        before = self._role(name)
        self.up[name].campaign()
        self._work(name, before)

    def do_propose(self, name: str, *values: str) -> None:
        node = self.up[name]
        for value in values:
            if node.propose(value) is None:
                self.out.append(f"{name} refuses {value}; ask {node.leader}")
        self._work(name, self._role(name))

    def do_deliver(self, sender: str = "*", to: str = "*") -> None:
        for message in self._take(sender, to):
            node = self.up.get(message.to)
            if node is None:
                self.out.append(f"{message.to} is down")
                continue
            before = self._role(message.to)
            node.step(message)
            self._work(message.to, before)

    def do_drop(self, sender: str = "*", to: str = "*") -> None:
        self.out += [f"lost: {show(message)}" for message in self._take(sender, to)]

    def do_duplicate(self, sender: str = "*", to: str = "*") -> None:
        taken = self._take(sender, to)
        self.out += [f"twice: {show(message)}" for message in taken]
        self.wire += taken + taken

    def do_reverse(self, sender: str = "*", to: str = "*") -> None:
        taken = self._take(sender, to)[::-1]
        self.out += [f"next: {show(message)}" for message in taken]
        self.wire += taken

    def do_stabilize(self) -> None:
        while self.wire:
            self.do_deliver()

    def do_send(self, sender: str, to: str, kind: str, *fields: str) -> None:
        numbers = {name: int(number) for name, number in (field.split("=") for field in fields)}
        given = {name: bool(number) if name == "ok" else number for name, number in numbers.items()}
        self.wire.append(Message(kind, sender, to, **given))  # type: ignore[arg-type]
        self.do_deliver(sender, to)

    def do_garbage(self, name: str) -> None:
        for thing in GARBAGE:
            self.up[name].step(thing)  # type: ignore[arg-type]
            self._work(name, self._role(name))

    def do_partition(self, *words: str) -> None:
        self.groups = [group.split() for group in " ".join(words).split("|")]
        self.out.append("cut: " + " | ".join(" ".join(group) for group in self.groups))

    def do_heal(self) -> None:
        self.groups = []
        self.out.append("no cut")

    def do_status(self) -> None:
        for name in self.names:
            node = self.up.get(name)
            if node is None:
                self.out.append(f"{name} is down")
            else:
                self.out.append(f"{name} {node.role}, term {node.term}, leader {node.leader}, commit {node.commit}")

    def do_log(self) -> None:
        for name in self.names:
            self.out.append(f"{name} {entries(1, tuple(self.disks[name].log))}")

    # What a driver does.

    def _work(self, name: str, before: tuple[str, int]) -> None:
        node = self.up[name]
        while True:
            if self._role(name) != before:
                before = self._role(name)
                self.out.append(f"{name} is {node.role} in term {node.term}")
            ready = node.ready()
            if ready is None:
                return
            self._write(name, ready)
            for message in ready.messages:
                cut = any((name in group) != (message.to in group) for group in self.groups)
                self.out.append(show(message) + (" (cut off)" if cut else ""))
                self.wire += [] if cut else [message]
            for index, value in ready.committed:
                self.out.append(f"{name} applies {index} {value or '-'}")
            node.advance()

    def _write(self, name: str, ready: Ready) -> None:
        disk = self.disks[name]
        if ready.state:
            disk.term, disk.vote = ready.state
            self.out.append(f"{name} writes term {disk.term}, vote {disk.vote}")
        if ready.entries:
            disk.log[ready.first - 1 :] = ready.entries
            self.out.append(f"{name} writes {entries(ready.first, ready.entries)}")

    def _role(self, name: str) -> tuple[str, int]:
        return self.up[name].role, self.up[name].term

    def _take(self, sender: str, to: str) -> list[Message]:
        taken = [one for one in self.wire if sender in ("*", one.sender) and to in ("*", one.to)]
        self.wire = [one for one in self.wire if not (sender in ("*", one.sender) and to in ("*", one.to))]
        return taken


def show(message: Message) -> str:
    """One line for a message."""
    way = f"{message.sender} -> {message.to}  term {message.term}:"
    if message.kind == VOTE:
        return f"{way} vote for me? my last is {message.index}/{message.log_term}"
    if message.kind == APPEND:
        what = entries(message.index + 1, message.entries)
        return f"{way} after {message.index}/{message.log_term} append {what}; commit {message.commit}"
    if message.kind == APPEND_REPLY:
        if message.ok:
            return f"{way} have all to {message.index}"
        if not message.index:
            return f"{way} no, your term is over"
        return f"{way} {message.index} does not match, try {message.hint}/{message.log_term}"
    return f"{way} {'you have my vote' if message.ok else 'no'}"


def entries(first: int, log: tuple[Entry, ...]) -> str:
    """Entries as `index/term value`."""
    return ", ".join(f"{i}/{entry.term} {entry.value or '-'}" for i, entry in enumerate(log, first)) or "nothing"
