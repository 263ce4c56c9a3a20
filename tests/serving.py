"""Servers that tests start as processes of their own, on loopback, and that never outlive the test."""

import os
import signal
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from contextlib import contextmanager
from pathlib import Path

START = 120  # Seconds; a start takes five, on a machine that does nothing else.


@contextmanager
def served(module, *arguments, folder, ready="/"):
    """Run `python -m module ... --port PORT` in `folder`; gives (url, path of its log) once `ready` answers."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    log = Path(folder) / "server.log"
    command = [sys.executable, "-P", "-m", module, *arguments, "--host", "127.0.0.1", "--port", str(port)]
    offline = {
        "LANGGRAPH_NO_VERSION_CHECK": "true",
        "LANGSMITH_TRACING": "false",
        "LANGGRAPH_CLI_NO_ANALYTICS": "1",
        "NO_COLOR": "1",
    }
    with log.open("w") as output:
        process = subprocess.Popen(
            command,
            cwd=folder,
            env={**os.environ, **offline},
            stdout=output,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )
    url = f"http://127.0.0.1:{port}"
    try:
        _await(url + ready, process, log)
        yield url, log
    finally:
        os.killpg(process.pid, signal.SIGKILL)
        process.wait()


def _await(url, process, log):
    deadline = time.monotonic() + START
    opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
    while True:
        try:
            with opener.open(url, timeout=5):
                return
        except (urllib.error.URLError, OSError):
            assert process.poll() is None, f"the server ended:\n{log.read_text()[-3000:]}"
            assert time.monotonic() < deadline, f"the server did not answer:\n{log.read_text()[-3000:]}"
            time.sleep(0.1)  # Another process says when it is ready by answering, and by nothing else.
