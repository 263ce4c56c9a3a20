"""A scripted OpenAI-compatible server on loopback, in a process of its own, so that its CPU is not the client's.

    .venv/bin/python bench/openai_server.py --calls 5 --delay 0.1

It answers every conversation with `calls` - 1 tool calls and then a text; how many tool results stand in the request
says which is next, so any number of clients can talk to it at once. It counts the requests and their prompt tokens:
the text, the names and arguments of tool calls, the tools' schemas, and 4 for each message. The counts are read and
set to zero by `GET /counts`.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import re
import subprocess
import sys
import urllib.request
from collections.abc import Callable, Generator
from contextlib import contextmanager
from functools import lru_cache, partial
from typing import Any

PROMPT = "Add 10 to each of the numbers 1 to 4 with the tool, then say that you are done."


def main() -> None:
    """Serve on a free port, which is printed, until the process is ended."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--calls", type=int, default=5, help="model calls of one run; the last is answered with text")
    parser.add_argument("--delay", type=float, default=0.0, help="seconds before each answer")
    arguments = parser.parse_args()
    asyncio.run(serve(arguments.calls, arguments.delay))


async def serve(calls: int, delay: float) -> None:
    """Serve until cancelled."""
    counter = Counter()
    server = await asyncio.start_server(partial(connected, counter, calls, delay), "127.0.0.1", 0, backlog=1024)
    print(server.sockets[0].getsockname()[1], flush=True)
    await server.serve_forever()


@contextmanager
def running(calls: int, delay: float = 0.0) -> Generator[str, None, None]:
    """Run the server in a process; gives its address."""
    command = [sys.executable, __file__, "--calls", str(calls), "--delay", str(delay)]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
    try:
        assert process.stdout is not None
        yield f"http://127.0.0.1:{int(process.stdout.readline())}"
    finally:
        process.terminate()
        process.wait()
        process.stdout.close()


def counts(url: str) -> dict[str, Any]:
    """The requests and prompt tokens since the last time this was asked, and how tokens are counted."""
    with urllib.request.urlopen(f"{url}/counts") as reply:
        found: dict[str, Any] = json.load(reply)
    return found


class Counter:
    """What was asked so far."""

    def __init__(self) -> None:
        self.count, self.method = token_counter()
        self.requests = self.prompt_tokens = 0

    def add(self, body: dict[str, Any]) -> int:
        tokens = sum(4 + sum(map(self.count, texts(message))) for message in body["messages"])
        tokens += sum(self.count(json.dumps(tool["function"])) for tool in body.get("tools", ()))
        self.requests += 1
        self.prompt_tokens += tokens
        return tokens

    def taken(self) -> dict[str, Any]:
        found = {"requests": self.requests, "prompt_tokens": self.prompt_tokens, "counted_by": self.method}
        self.requests = self.prompt_tokens = 0
        return found


def texts(message: dict[str, Any]) -> list[str]:
    """The texts in a message: its content, and the names and arguments of its tool calls."""
    content = message.get("content") or ""
    parts = [content] if isinstance(content, str) else [part.get("text", "") for part in content]
    functions = [call["function"] for call in message.get("tool_calls") or ()]
    return [*parts, *(text for function in functions for text in (function["name"], function["arguments"]))]


def token_counter() -> tuple[Callable[[str], int], str]:
    """cl100k_base where tiktoken has its table or can fetch it; else words and punctuation marks, the same always."""
    try:
        import tiktoken

        encoding = tiktoken.get_encoding("cl100k_base")
    except (ImportError, OSError):  # requests' exceptions are OSErrors.
        return lru_cache(100_000)(lambda text: len(re.findall(r"\w+|[^\w\s]", text))), "words and punctuation marks"
    return lru_cache(100_000)(lambda text: len(encoding.encode_ordinary(text))), "tiktoken cl100k_base"


async def connected(
    counter: Counter, calls: int, delay: float, reader: asyncio.StreamReader, writer: asyncio.StreamWriter
) -> None:
    """Answer the requests of one connection, which stays open as those of real servers do."""
    try:
        while True:
            head = (await reader.readuntil(b"\r\n\r\n")).decode()
            length = re.search(r"(?im)^content-length: *(\d+)", head)
            body = await reader.readexactly(int(length[1])) if length else b""
            if head.startswith("GET"):
                content = counter.taken()
            else:
                asked = json.loads(body)
                content = completion(asked, calls, counter.add(asked))
                await asyncio.sleep(delay)
            data = json.dumps(content).encode()
            writer.write(b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: %d\r\n\r\n" % len(data))
            writer.write(data)
            await writer.drain()
    except (asyncio.IncompleteReadError, ConnectionError):
        pass
    finally:
        writer.close()


def completion(asked: dict[str, Any], calls: int, prompt_tokens: int) -> dict[str, Any]:
    """The next answer of the script, as a chat completion."""
    done = sum(message["role"] == "tool" for message in asked["messages"])
    message: dict[str, Any] = {"role": "assistant", "content": "I added 10 to each; done." if done >= calls - 1 else ""}
    if done < calls - 1:
        function = {"name": "add", "arguments": json.dumps({"a": done + 1, "b": 10})}
        message["tool_calls"] = [{"id": f"call_{done + 1}", "type": "function", "function": function}]
    return {
        "id": "chatcmpl-1",
        "object": "chat.completion",
        "created": 1,
        "model": asked["model"],
        "choices": [
            {"index": 0, "message": message, "finish_reason": "tool_calls" if "tool_calls" in message else "stop"}
        ],
        "usage": {"prompt_tokens": prompt_tokens, "completion_tokens": 15, "total_tokens": prompt_tokens + 15},
    }


if __name__ == "__main__":
    main()
