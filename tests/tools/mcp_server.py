"""A little MCP server for the tests, over stdio or (with a port as argument) over streamable HTTP."""

import sys

from mcp.server.fastmcp import FastMCP

server = FastMCP("little", host="127.0.0.1", port=int(sys.argv[1]) if len(sys.argv) > 1 else 0)


@server.tool()
def add(a: int, b: int) -> int:
    """Add two numbers."""
    return a + b


@server.tool()
def fail(reason: str) -> str:
    """Fail with a reason."""
    raise ValueError(reason)


if __name__ == "__main__":
    server.run("streamable-http" if len(sys.argv) > 1 else "stdio")
