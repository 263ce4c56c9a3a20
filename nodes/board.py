"""Who may begin now: the jobs of a dispatch that wait, work and have ended, and the places that are free.

It knows nothing of graphs; `nodes/dispatch.py` runs the jobs. Threads and tasks of an event loop use it alike: a job's
turn is a future, which is done when the job may begin.
"""

from __future__ import annotations

import threading
from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from concurrent.futures import Future
from typing import Any, NamedTuple

from ..errors import ConfigError, RunError


class Released(Exception):
    """Raised by the turn of a job that is not to begin any more."""


class Waiting(NamedTuple):
    """A job that waits for its turn; `begun`: a run that was cut off had begun it, with this worker."""

    turn: Future[str | None]
    begun: bool
    worker: str | None


class Board:
    """The state of one dispatch. What begins when is a matter of the order of calls alone.

    Args:
        needs: Job id -> ids of the jobs before it that it needs, in the jobs' order.
        workers: Worker -> how many jobs it takes at once.
        assign: As in `Dispatch`.
        at_once: How many jobs work at the same time.
        tried: As in `Dispatch`.

    Example:
        >>> board = Board({"a": (), "b": ("a",)}, {"ann": 1}, lambda ready, free: {ready[0]: "ann"}, 2, None)
        >>> first, second = board.wait("a"), board.wait("b")
        >>> first.result(), second.done()
        ('ann', False)
        >>> board.ended("a", "its result")
        >>> second.result(), board.results
        ('ann', {'a': 'its result'})
    """

    def __init__(
        self,
        needs: Mapping[str, Sequence[str]],
        workers: Mapping[str, int],
        assign: Callable[[Sequence[str], Mapping[str, int]], Mapping[str, str]] | None,
        at_once: int,
        tried: Callable[[str, str | None, Any], None] | None,
    ) -> None:
        self.needs, self.free, self.assign, self.at_once, self.told = needs, dict(workers), assign, at_once, tried
        self.unseen = set(needs)  # Those of which it is not known yet whether an earlier run has done them.
        self.waiting: dict[str, Waiting] = {}
        self.working: dict[str, str | None] = {}
        self.released: set[str] = set()
        self.tried: dict[str, Sequence[Sequence[Any]]] = {}
        self.results: dict[str, Any] = {}
        self.errors: dict[str | None, BaseException] = {}  # In the order in which they came; None: of `assign`.
        self.stopped = False
        self.over = never_cancelled()  # Done when no job works and none will begin.
        self.lock = threading.Lock()

    def wait(self, job: str, tried: Sequence[Sequence[Any]] = ()) -> Future[str | None]:
        """Queue a job, also one that a worker gave back; its turn gives its worker, or raises `Released`.

        Args:
            job: Its id.
            tried: Worker and note of every attempt so far.
        """
        return self._queue(job, Waiting(never_cancelled(), False, None), tried)

    def go_on(self, job: str, worker: str | None, tried: Sequence[Sequence[Any]] = ()) -> Future[str | None]:
        """The turn of a job that has this worker: it is there, unless a run was cut off in between."""
        return self._queue(job, Waiting(never_cancelled(), True, worker), tried)

    def ended(self, job: str, result: Any, error: BaseException | None = None) -> None:
        """Take a job's result, or what it raised: then nothing begins any more."""
        with self.lock:
            if error is None:
                self.results[job] = result
            elif job not in self.released:
                self.errors[job] = error
                self.stopped = True
            self._leave(job)
            self._give()

    def stop(self) -> None:
        """Let nothing begin any more."""
        with self.lock:
            self.stopped = True
            self._give()

    def _queue(self, job: str, waiting: Waiting, tried: Sequence[Sequence[Any]]) -> Future[str | None]:
        with self.lock:
            if waiting.begun and job in self.working:
                waiting.turn.set_result(waiting.worker)
                return waiting.turn
            self._leave(job)
            self.waiting[job] = waiting
            self._tell(job, tried)
            self._give()
        return waiting.turn

    def _leave(self, job: str) -> None:
        self.unseen.discard(job)
        self.waiting.pop(job, None)
        if (worker := self.working.pop(job, None)) is not None:
            self.free[worker] += 1

    def _tell(self, job: str, tried: Sequence[Sequence[Any]]) -> None:
        new = tried[len(self.tried.get(job, ())) :]
        self.tried[job] = tried
        for worker, note in new if self.told else ():
            self._or_stop(self.told, job, worker, note)  # type: ignore[arg-type]

    def _give(self) -> None:
        """Let begin what can; end when nothing is left. Nothing begins before all that was done is known."""
        if not self.stopped and not self.unseen:
            self._or_stop(self._start)
            if not self.working and self.waiting and not self.stopped:
                self._or_stop(self._stuck)
        if self.stopped:
            for job, waiting in self.waiting.items():
                self.released.add(job)
                waiting.turn.set_exception(Released())
            self.waiting.clear()
        if not self.working and not self.waiting and (self.stopped or not self.unseen) and not self.over.done():
            self.over.set_result(None)

    def _or_stop(self, function: Callable[..., None], *arguments: Any) -> None:
        try:
            function(*arguments)
        except BaseException as error:  # In the callback of a future it would be lost; the dispatch raises it.
            self.errors.setdefault(None, error)
            self.stopped = True

    def _ready(self) -> list[str]:
        return [job for job, needs in self.needs.items() if job in self.waiting and self.results.keys() >= {*needs}]

    def _start(self) -> None:
        new = []
        for job in self._ready():
            _, begun, worker = self.waiting[job]
            if not begun:
                new.append(job)
            elif worker is None or self.free.get(worker):
                self._begin(job, worker)
        for job, worker in self._assigned(new).items():
            self._begin(job, worker)

    def _begin(self, job: str, worker: str | None) -> None:
        if len(self.working) >= self.at_once:
            return
        if worker is not None:
            self.free[worker] -= 1
        self.working[job] = worker
        self.waiting.pop(job).turn.set_result(worker)

    def _assigned(self, ready: list[str]) -> Mapping[str, str | None]:
        """Worker by job, in the jobs' order."""
        free = {worker: places for worker, places in self.free.items() if places}
        if self.assign is None:
            return dict.fromkeys(ready)
        if not ready or not free or len(self.working) >= self.at_once:
            return {}
        given = self.assign(tuple(ready), free)
        if not isinstance(given, Mapping):
            raise ConfigError(f"assign returned {given!r}; return job id -> worker, empty when nothing is to start.")
        for job in given:
            if job not in ready:
                raise ConfigError(f"assign named the job {job!r}, which does not wait. Those that do: {few(ready)}.")
        for worker, times in Counter(given.values()).items():
            if times > self.free.get(worker, 0):
                places = f"{self.free.get(worker, 0)} free places"
                raise ConfigError(f"assign gave the worker {worker!r} {times} jobs, and it has {places}.")
        return {job: given[job] for job in ready if job in given}

    def _stuck(self) -> None:
        """Raise: nothing works, so no place will ever be free."""
        said = []
        for job in self._ready():
            _, begun, worker = self.waiting[job]
            words = f"{job!r} (it was with {worker!r}, who takes no job now)" if begun else repr(job)
            notes = [f"{worker or 'tried'}: {note}" for worker, note in self.tried[job] if note is not None]
            said.append(f"{words} ({'; '.join(notes[-3:])})" if notes else words)
        raise RunError(f"No worker is given these jobs, and none is at work: {few(said)}.")


def never_cancelled() -> Future[Any]:
    """A future that stays as it is when an `asyncio.wrap_future` of it is cancelled."""
    future: Future[Any] = Future()
    future.set_running_or_notify_cancel()
    return future


def few(names: Iterable[str]) -> str:
    """The first names, and how many more there are."""
    listed = [str(name) for name in names]
    more = f" and {len(listed) - 5} more" if len(listed) > 5 else ""
    return f"{', '.join(listed[:5])}{more}"
