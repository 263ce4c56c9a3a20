"""Small servers on loopback that speak the protocols of model servers, for tests.

`OpenAIServer` answers from a script. `OllamaServer` speaks Ollama's own protocol and answers from a real model behind
an OpenAI-compatible endpoint (the embedded one), so the client, the wire format and the model are all real.
"""

import json
import threading
import time
import urllib.request
from contextlib import suppress
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer


class _Server:
    """A context manager: `url` while it runs, and `requests`, the (path, body) pairs that it got."""

    def __init__(self):
        self.requests = []
        self._lock = threading.Lock()
        handler = type("Handler", (_Handler,), {"owner": self})
        self._http = ThreadingHTTPServer(("127.0.0.1", 0), handler)
        self._http.daemon_threads = True
        self._http.block_on_close = False  # Clients keep connections open for longer than the test.
        self.url = f"http://127.0.0.1:{self._http.server_port}"

    def __enter__(self):
        threading.Thread(target=self._http.serve_forever, args=(0.05,), daemon=True).start()
        return self

    def __exit__(self, *_):
        self._http.shutdown()
        self._http.server_close()

    def answer(self, path, body, number):
        """Return (status, list of JSON rows): one row is a JSON reply, several are streamed as NDJSON."""
        raise NotImplementedError


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"  # Keep-alive, as real servers do: connections outlive requests.
    owner: _Server

    def do_GET(self):
        self._reply(None)

    def do_POST(self):
        self._reply(json.loads(self.rfile.read(int(self.headers["Content-Length"]))))

    def handle(self):
        with suppress(ConnectionResetError):  # A client that gives up, or whose event loop was closed.
            super().handle()

    def _reply(self, body):
        with self.owner._lock:
            self.owner.requests.append((self.path, body))
            number = len(self.owner.requests)
        status, rows = self.owner.answer(self.path, body, number)
        content = "\n".join(json.dumps(row) for row in rows).encode()
        kind = "application/json" if len(rows) == 1 else "application/x-ndjson"
        self.send_response(status)
        self.send_header("Content-Type", kind)
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        self.wfile.write(content)

    def log_message(self, *_):
        """Say nothing."""


class OpenAIServer(_Server):
    """/v1/chat/completions from a script, one entry a call.

    A str is text, a dict (name -> arguments) is tool calls, None is silence until the server is closed.
    """

    def __init__(self, script):
        super().__init__()
        self.script = list(script)
        self._closed = threading.Event()

    def __exit__(self, *error):
        self._closed.set()
        super().__exit__(*error)

    def answer(self, path, body, number):
        if path != "/v1/chat/completions" or number > len(self.script):
            return 404, [{"error": {"message": f"nothing scripted for call {number} of {path}"}}]
        entry = self.script[number - 1]
        if entry is None:
            self._closed.wait(60)
        message = {"role": "assistant", "content": entry if isinstance(entry, str) else None}
        if isinstance(entry, dict):
            message["tool_calls"] = [
                {
                    "id": f"{number}-{name}",
                    "type": "function",
                    "function": {"name": name, "arguments": json.dumps(args)},
                }
                for name, args in entry.items()
            ]
        finish = "tool_calls" if isinstance(entry, dict) else "stop"
        reply = {
            "id": f"chatcmpl-{number}",
            "object": "chat.completion",
            "created": int(time.time()),
            "model": body["model"],
            "choices": [{"index": 0, "message": message, "finish_reason": finish}],
            "usage": {"prompt_tokens": 3, "completion_tokens": 2, "total_tokens": 5},
        }
        return 200, [reply]


class OllamaServer(_Server):
    """Ollama's /api/chat, /api/tags and /api/embed in front of an OpenAI-compatible endpoint.

    /api/chat forwards messages, options and `format` (a JSON schema) and returns the model's own words and token
    probabilities. /api/embed is not a model: 32 counts of hashed words, the same for the same text, for llama.cpp's
    chat server gives no embeddings.
    """

    def __init__(self, url, key, names=("smollm2:135m",)):
        super().__init__()
        self._upstream, self._key, self._names = url, key, names

    def answer(self, path, body, number):
        if path == "/api/tags":
            return 200, [{"models": [{"model": name, "name": name, "size": 1} for name in self._names]}]
        if path == "/api/embed":
            texts = body["input"] if isinstance(body["input"], list) else [body["input"]]
            return 200, [{"model": body["model"], "embeddings": [_counts(text) for text in texts]}]
        if path != "/api/chat":
            return 404, [{"error": f"{path} is not served here"}]
        if body["model"] not in self._names:
            return 404, [{"error": f"model '{body['model']}' not found"}]
        whole = self._chat(body)
        if not body.get("stream", True):
            return 200, [whole]
        first = {**whole, "done": False}
        last = {**whole, "message": {"role": "assistant", "content": ""}, "logprobs": None}
        return 200, [{key: first[key] for key in ("model", "created_at", "message", "done", "logprobs")}, last]

    def _chat(self, body):
        options = body.get("options") or {}
        asked = {
            "messages": [{"role": m["role"], "content": m.get("content") or ""} for m in body["messages"]],
            "max_tokens": min(120, options.get("num_predict") or 120),
            "temperature": options.get("temperature", 0),
            "logprobs": True,
        }
        if isinstance(body.get("format"), dict):
            wrapped = {"name": "answer", "schema": body["format"]}
            asked["response_format"] = {"type": "json_schema", "json_schema": wrapped}
        request = urllib.request.Request(f"{self._upstream}/chat/completions", json.dumps(asked).encode())
        request.add_header("Authorization", f"Bearer {self._key}")
        request.add_header("Content-Type", "application/json")
        with urllib.request.build_opener(urllib.request.ProxyHandler({})).open(request, timeout=300) as response:
            reply = json.load(response)
        choice, usage = reply["choices"][0], reply["usage"]
        tokens = (choice.get("logprobs") or {}).get("content") or []
        return {
            "model": body["model"],
            "created_at": time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime()),
            "message": {"role": "assistant", "content": choice["message"]["content"]},
            "done": True,
            "done_reason": "stop" if choice["finish_reason"] == "stop" else "length",
            "prompt_eval_count": usage["prompt_tokens"],
            "eval_count": usage["completion_tokens"],
            "logprobs": [{"token": row["token"], "logprob": row["logprob"]} for row in tokens],
        }


def _counts(text):
    vector = [0.0] * 32
    for word in text.lower().split():
        vector[sum(word.encode()) % 32] += 1.0
    return vector
