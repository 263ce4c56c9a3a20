import json
import os
import socket
import subprocess
import sys
import threading
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path

import pytest

from langgraph_agora.errors import ConfigError
from langgraph_agora.tools import load_mcp

SERVER = str(Path(__file__).parent / "mcp_server.py")
LITTLE = {"command": sys.executable, "args": [SERVER]}
pytestmark = pytest.mark.server


def inline(**servers):
    return json.dumps({"mcpServers": servers})


def noting_its_process(file, code):
    """A local server that runs the code and writes its process id to the file."""
    return {
        "command": sys.executable,
        "args": ["-c", f"import os; open({str(file)!r}, 'w').write(str(os.getpid()))\n{code}"],
    }


def is_running(file):
    try:
        os.kill(int(file.read_text()), 0)
    except ProcessLookupError:
        return False
    return True


def call(name, **args):
    return {"type": "tool_call", "id": "1", "name": name, "args": args}


async def test_the_tools_of_a_local_server_answer(tmp_path):
    file = tmp_path / "mcp.json"
    file.write_text(inline(little=LITTLE))
    add, fail = load_mcp(str(file))  # called under a running event loop, as in a notebook
    assert (add.name, add.description) == ("add", "Add two numbers.")
    assert (await add.ainvoke(call("add", a=2, b=40))).text == "42"
    failed = await fail.ainvoke(call("fail", reason="out of paper"))
    assert failed.status == "error"
    assert "out of paper" in failed.text


def test_loading_works_without_an_event_loop_and_leaves_no_process(tmp_path):
    server = noting_its_process(tmp_path / "pid", f"import runpy; runpy.run_path({SERVER!r}, run_name='__main__')")
    assert [tool.name for tool in load_mcp(inline(little=server))] == ["add", "fail"]
    assert not is_running(tmp_path / "pid")


async def test_a_name_that_two_servers_share_gets_the_servers_name_in_front():
    tools = load_mcp(inline(**{"first": LITTLE, "my server": LITTLE}))
    assert [tool.name for tool in tools] == ["first_add", "first_fail", "my_server_add", "my_server_fail"]
    assert (await tools[2].ainvoke(call("my_server_add", a=1, b=2))).text == "3"


def test_names_that_clash_even_with_the_prefix_are_refused():
    with pytest.raises(ConfigError, match=r"'a.b' and 'a b' both offer a tool 'a_b_add'"):
        load_mcp(inline(**{"a.b": LITTLE, "a b": LITTLE}))


@pytest.fixture
def http_server():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    with subprocess.Popen([sys.executable, SERVER, str(port)], stderr=subprocess.PIPE, text=True) as process:
        for line in process.stderr:  # uvicorn says when it listens
            if "running on" in line:
                break
        yield f"http://127.0.0.1:{port}"
        process.kill()


async def test_a_url_is_a_remote_server(http_server):
    add, _ = load_mcp(f"{http_server}/mcp")
    assert (await add.ainvoke(call("add", a=2, b=40))).text == "42"
    with pytest.raises(ConfigError, match="/nowhere is down or not an MCP server"):
        load_mcp(f"{http_server}/nowhere")


def test_a_refusal_by_a_remote_server_is_named_without_secrets():
    class Refusal(BaseHTTPRequestHandler):
        def do_POST(self):
            self.send_error(401)

        def log_message(self, format, *args):
            pass

    with HTTPServer(("127.0.0.1", 0), Refusal) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        entry = {"url": f"http://127.0.0.1:{server.server_port}/mcp?key=s3cret", "headers": {"Authorization": "s3cret"}}
        with pytest.raises(ConfigError, match=r"server 'it': .* answered with HTTP status 401") as caught:
            load_mcp(inline(it=entry))
        server.shutdown()
    assert "s3cret" not in str(caught.value)


def test_a_url_where_nobody_listens_is_named_without_its_secrets():
    with pytest.raises(ConfigError, match=r"http://127.0.0.1:1/mcp is down") as caught:
        load_mcp("http://user:s3cret@127.0.0.1:1/mcp?key=s3cret")
    assert "s3cret" not in str(caught.value)


@pytest.mark.parametrize(
    ("entry", "message"),
    [
        ({"command": "no-such-program-here"}, "server 'it': cannot start 'no-such-program-here'"),
        ({"command": sys.executable, "cwd": "/no/such/folder"}, "server 'it': cannot start"),
        ({"command": sys.executable, "args": ["-c", "pass"]}, "server 'it': .* not an MCP server"),
    ],
    ids=["command not found", "folder not found", "ends at once"],
)
def test_a_server_that_does_not_start_is_named(entry, message):
    with pytest.raises(ConfigError, match=message):
        load_mcp(inline(good=LITTLE, it=entry))


def test_a_server_that_never_answers_is_named_and_ended(tmp_path):
    silent = noting_its_process(tmp_path / "pid", "input(); input()")
    with pytest.raises(ConfigError, match=r"server 'it': .* did not answer as an MCP server within 5 s"):
        load_mcp(inline(it=silent), timeout=5)
    assert not is_running(tmp_path / "pid")


@pytest.mark.parametrize(
    ("spec", "message"),
    [
        ("", "give a JSON file"),
        ("/no/such/file.json", "No such file or directory"),
        ("{\n 'mcpServers': 1}", "not JSON at line 2, column 2"),
        ('{"a":' * 100_000, "too deeply nested|not JSON"),
        ("{}", "'mcpServers' must be an object"),
        ('{"mcpservers": {}}', "unknown key 'mcpservers'.*Did you mean 'mcpServers'"),
        (inline(), "names no server"),
        (inline(it=[]), "server 'it': must be an object, got a list"),
        (inline(it={}), "needs either 'command'"),
        (inline(it={"command": "x", "url": "http://x"}), "not both"),
        (inline(it={"comand": "x"}), "unknown key 'comand'.*Did you mean 'command'"),
        (inline(it={"command": "x", "headers": {}}), "unknown key 'headers'"),
        (inline(it={"command": ""}), "'command' must be a text"),
        (inline(it={"command": "x", "args": "a b"}), "'args' must be a list of texts, got a text"),
        (inline(it={"command": "x", "args": [1]}), "'args' must be a list of texts"),
        (inline(it={"command": "x", "env": {"KEY": 1}}), "'env' must be an object whose values are texts"),
        (inline(it={"command": "x", "type": "http"}), "'type' must be one of stdio"),
        (inline(it={"url": "http://x", "type": []}), "'type' must be one of http"),
        (inline(it={"url": "ftp://x"}), "'url' must start with http"),
        ("http://[", "'url' must start with http"),
        ("https://", "'url' must start with http"),
    ],
    ids=lambda text: text[:40],
)
def test_a_wrong_configuration_is_refused_before_anything_starts(spec, message):
    with pytest.raises(ConfigError, match=message):
        load_mcp(spec)


def test_a_file_with_an_error_is_named(tmp_path):
    file = tmp_path / "mcp.json"
    file.write_bytes(b"\xff\xfe")
    with pytest.raises(ConfigError, match=r"mcp.json"):
        load_mcp(str(file))
    with pytest.raises(ConfigError, match="Is a directory"):
        load_mcp(str(tmp_path))


def run(code):
    return subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=120, check=False)


def test_without_the_extra_the_error_names_the_command_that_installs_it():
    spec = inline(little=LITTLE)
    result = run(
        "import sys; sys.modules['langchain_mcp_adapters'] = None\n"  # as if it were not installed
        f"from langgraph_agora.tools import load_mcp; load_mcp({spec!r})"
    )
    assert 'ConfigError: MCP tools need an extra: pip install "langgraph-agora[mcp]"' in result.stderr


def test_importing_the_tools_does_not_import_what_only_some_need():
    result = run(
        "import sys, langgraph_agora.tools; print({'mcp', 'pypdf', 'langchain_mcp_adapters'} & {*sys.modules})"
    )
    assert result.stdout.strip() == "set()", result.stderr
