"""Locks between processes: the kernel's (flock), which no crash leaves behind.

A lock belongs to the open file, so two objects of one process exclude each other as two processes do.
"""

from __future__ import annotations

import contextlib
import fcntl
import os
from collections.abc import Iterator
from pathlib import Path


class Lock:
    """A lock on a file, which is made when it is not there.

    Example:
        >>> from tempfile import TemporaryDirectory
        >>> with TemporaryDirectory() as folder:
        ...     first, second = Lock(Path(folder) / "a.lock"), Lock(Path(folder) / "a.lock")
        ...     print(first.take(), second.take())
        ...     first.drop()
        ...     print(second.take())
        ...     second.drop()
        True False
        True
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self._handle: int | None = None
        self._process = 0

    @property
    def is_held(self) -> bool:
        """Whether this object has it."""
        return self._handle is not None

    def take(self, *, shared: bool = False, wait: bool = False, make: bool = True) -> bool:
        """Take it, alone or together with others that share it; False: someone else has it.

        Raises:
            OSError: The file cannot be made, or (`make=False`: nothing is written) is not there.
        """
        if self._handle is not None:
            return True
        flags = os.O_RDWR | os.O_CREAT if make else os.O_RDONLY
        handle = os.open(self.path, flags | os.O_CLOEXEC, 0o644)
        try:
            fcntl.flock(handle, (fcntl.LOCK_SH if shared else fcntl.LOCK_EX) | (0 if wait else fcntl.LOCK_NB))
        except BlockingIOError:
            os.close(handle)
            return False
        except BaseException:
            os.close(handle)
            raise
        self._handle, self._process = handle, os.getpid()
        return True

    def drop(self) -> None:
        """Give it back; nothing happens when it is not held."""
        if self._handle is not None:
            if self._process == os.getpid():  # A fork shares the lock; what it closes does not end it, unlocking would.
                fcntl.flock(self._handle, fcntl.LOCK_UN)
            os.close(self._handle)
            self._handle = None

    @contextlib.contextmanager
    def held(self, *, shared: bool = False) -> Iterator[None]:
        """Hold it for a while; waits for it."""
        self.take(shared=shared, wait=True)
        try:
            yield
        finally:
            self.drop()
