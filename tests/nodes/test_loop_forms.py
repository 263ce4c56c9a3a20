"""Loops that vary their form, and work that resembles a loop."""

import pytest

from tests.traces import READ, alarms, cycle, first, step

# Loops that vary their form.

BUSY = step("get", {"url": "https://x/r"}, "Error: 503 Service Unavailable", error=True)


LOOPS = {
    "cycle of four": (cycle(4, 3), (9, "cycle")),
    "cycle of seven": (cycle(7, 3), (15, "cycle")),
    "after useful progress": ([*cycle(6, 1), READ, READ, READ], (9, "repeat_action")),
    "nested input": ([step("run", {"args": {"opts": ["-q", {"v": 1}]}}, "none")] * 3, (3, "repeat_action")),
    "input as JSON text": (
        [
            step("get", {"id": 7, "kind": "order"}),
            step("get", '{"kind": "order", "id": 7}'),
            step("get", {"id": 7.0, "kind": "Order"}),
        ],
        (3, "repeat_action"),
    ),
    "thousands separator": (
        [step("find", {"above": n}, "none") for n in ("1,000", 1000, "1000")],
        (3, "repeat_action"),
    ),
    "no input at all": ([step("refresh", None, None)] * 3, (3, "repeat_action")),
    "empty results": ([step("shell", "touch a.txt", "")] * 3, (3, "repeat_action")),
    "Chinese query": (
        [step("search", {"query": q}, "没有结果") for q in ("北京的人口", "北京人口", "人口 北京？")],
        (3, "repeat_action"),
    ),
    "reworded": (
        [step("search", q, "-") for q in ("fees of Lake School", "the Lake School fees?", "Lake School's fees")],
        (3, "repeat_action"),
    ),
    "one word added to five": (
        [step("search", f"rainfall records Lake Geneva {w} May", "-") for w in ("during", "", "during")],
        (3, "repeat_action"),
    ),
    "thoughts that differ in a word": (
        [
            step(
                "reason",
                {},
                "noted",
                thought=f"The total depends on the rate{w} and the fee that the bank sets in May.",
            )
            for w in ("", " offered", "")
        ],
        (3, "thought_repeat"),
    ),
    "one plan under other words": (
        [step("plan", {"goal": "release"}, "1. tag", thought=t) for t in ("Plan it.", "A plan is due.", "What next?")],
        (3, "repeat_action"),
    ),
    "thoughts without input": (
        [step("reason", {}, "noted", thought="Hm, what is the rate?")] * 3,
        (3, "thought_repeat"),
    ),
    "error that only its text tells": ([step("crm", n, "Error: 401") for n in "abcd"], (4, "repeat_error")),
    "error with a request id": (
        [
            step("crm", {"name": n}, f"Error: 401 (request id: {i})", error=True)
            for n, i in zip("abcd", (91, 207, 33, 4), strict=True)
        ],
        (4, "repeat_error"),
    ),
    "error with a time": (
        [step("crm", {"name": n}, f"Error: key expired at 10:0{i}", error=True) for i, n in enumerate("abcd")],
        (4, "repeat_error"),
    ),
    "error with thinking between": (
        [
            s
            for n in "abcd"
            for s in (step("reason", {"about": n}, f"try {n}"), step("crm", n, "Error: 401", error=True))
        ],
        (8, "repeat_error"),
    ),
    "handing over to and fro": (
        [step("handoff", {"to": name}, "transferred") for name in ("Anna", "Ben", "Anna", "Ben", "Anna")],
        (5, "alternating"),
    ),
    "structured result with a clock": (
        [step("job", {"id": 1}, {"state": "PENDING", "ts": 1730000000 + i, "elapsed_ms": 100 + i}) for i in range(3)],
        (3, "repeat_action"),
    ),
    "long log with new time stamps": (
        [step("log", None, "\n".join(f"10:{m:02d}:{i:02d} line {m}" for m in range(60))) for i in range(3)],
        (3, "repeat_action"),
    ),
    "transient error, same call": ([BUSY] * 5, (5, "repeat_error")),
    "transient error, any call": (
        [step("get", {"url": f"https://x/{name}"}, "Error: timeout", error=True) for name in "abcdef"],
        (6, "repeat_error"),
    ),
    "waiting between transient errors": ([BUSY, step("wait", {"s": 5}, "ok")] * 5, (9, "alternating")),
    "missing tool in a generic action": (
        [step("execute", {"tool": "hex", "n": n}, "Error: unknown tool hex", error=True) for n in (1, 2)],
        (2, "unknown_tool"),
    ),
    "a missing tool after other work": (
        [
            step("hex", 1, "Error: hex is not a valid tool, try one of [read].", error=True),
            READ,
            step("hex", 2, "Error: no such tool", error=True),
        ],
        (3, "unknown_tool"),
    ),
    "guessing tool names": (
        [step(name, {}, f"Error: tool '{name}' not found", error=True) for name in ("google", "bing", "web")],
        (3, "unknown_tool"),
    ),
}


@pytest.mark.parametrize(("trace", "expected"), LOOPS.values(), ids=LOOPS)
def test_a_loop_is_found_in_any_form(trace, expected):
    assert first(trace) == expected


# Work that resembles a loop.

LONG = "and then the committee looked at the proposal of the members for the second reading " * 3

WORK = {
    "pages by number": [step("page", {"n": n}, "ok") for n in range(8)],
    "other numbers in prose": [step("search", f"rainfall in May {y}", "none") for y in (2001, 2002, 2003, 2004)],
    "decimals": [step("set", {"rate": r}, "ok") for r in (0.1, 0.2, 0.3, 1.1, 1.10001)],
    "switches": [step("set", {"flag": f, "name": n}, "ok") for n in ("x", "y") for f in (True, False)],
    "one letter differs": [step("grade", {"answer": a}, "ok") for a in "abcdef"],
    "same long text, other file": [step("write", {"file": f"{n}.py", "text": LONG}, "ok") for n in "abcde"],
    "same long command, other file": [
        step("shell", f"python add_header.py --licence MIT --year 2026 --owner Example src/{n}.py") for n in "abcde"
    ],
    "same long question, other agent": [
        step("ask", {"agent": n, "question": LONG}, "No objection.") for n in ("Anna", "Ben", "Caro", "Dan")
    ],
    "same long query, other town": [
        step("search", f"vegan restaurant near the main station of {town} open on sunday evening with garden", "none")
        for town in ("graz", "linz", "wels", "steyr")
    ],
    "operators": [step("calculate", f"2 {sign} 2", "4") for sign in "+*^-/"],
    "Chinese, other towns": [
        step("search", {"query": f"{town}的人口和面积统计数据"}, "没有结果")
        for town in ("北京", "上海", "南京", "东京")
    ],
    "a query made narrower": [
        step("search", q, "none") for q in ("lake fees", "lake fees geneva", "lake fees geneva boats")
    ],
    "questions of stop words only": [step("ask", q, "no") for q in ("who is it", "what is that", "which are those")],
    "other thoughts, no findings": [
        step("reason", {}, "noted", thought=t)
        for t in ("The rate is due in May.", "The bank may ask for a fee.", "The fee depends on the rate.")
    ],
    "a thought come back to": [
        step("reason", {}, "noted", thought=t) for t in ("Ask the bank.", "Ask Ben.", "Ask the bank.")
    ],
    "a new thought held twice": [
        step("reason", {}, "noted", thought=t) for t in ("Ask the bank.", "Ask Ben.", "Ask Ben.")
    ],
    "negation": [
        step("search", q, "none")
        for q in ("trains that do run on sunday night", "trains that do not run on sunday night")
    ]
    * 2,
    "read after write": [
        s
        for n in range(5)
        for s in (step("write", {"file": "c", "text": f"n={n}"}, "ok"), step("read", {"file": "c"}, f"n={n}"))
    ],
    "a check after each change finds the same": [
        s for n in range(6) for s in (step("edit", {"line": n}, "ok"), step("test", {}, "1 failed"))
    ],
    "each of two results checked once": [READ, {**READ, "input": "b"}] * 2,
    "a second look at everything": cycle(6, 2),
    "an undeclared poll that advances": [step("job", {"id": 1}, f"10:0{i} running, {i}0 %") for i in range(8)],
    "structured results that advance": [
        step("job", {"id": 1}, {"done": i, "of": 9, "ts": 1730000000}) for i in range(8)
    ],
    "change in the middle of a long result": [step("dump", {}, f"{LONG * 90} {i} {LONG * 90}") for i in range(5)],
    "change at the end of a long result": [step("dump", {}, f"{'x' * 20_000}{i}") for i in range(5)],
    "change between new time stamps": [
        step("log", {}, "\n".join([*(f"10:00:{i:02d} ok {m}" for m in range(20)), f"stage {i}", f"10:0{i} end"]))
        for i in range(6)
    ],
    "hand over round the table": [step("handoff", {"to": n}, "transferred") for n in ("Anna", "Ben", "Caro", "Anna")],
    "backing off until it works": [
        *(s for wait in (1, 2, 4, 8) for s in (BUSY, step("wait", {"s": wait}, "ok"))),
        {**BUSY, "observation": "200 OK", "is_error": False},
    ],
    "four transient errors": [BUSY] * 4,
    "errors that name the input": [
        step("find", n, f"Error: no customer {n}", error=True) for n in ("Ann", "Bob", "Cy", "Di", "Ed")
    ],
    "errors of different tools": [step(f"tool{i}", {}, "Error: 401", error=True) for i in range(5)],
    "three equal errors": [step("crm", n, "Error: 401", error=True) for n in "abc"],
    "two missing tools": [step(name, {}, f"Error: tool {name} not found", error=True) for name in ("bing", "web")],
    "a database function that does not exist": [
        step("sql", {"q": f"select {f}(1)"}, f"Error: function {f}(int) does not exist", error=True)
        for f in ("nvl", "iif")
    ],
    "a tool that is down for now": [
        step("read", n, "Error: tool read is not available, temporarily overloaded", error=True) for n in "abc"
    ],
    "a word added to a document": [step("save", f"{LONG * 20}{'  further' * n} end", "ok") for n in range(4)],
    "a tool whose object is not found": [
        step("read", n, f"Error: tool read failed: {n}.txt not found", error=True) for n in "abc"
    ],
    "brackets": [step("grep", sign, "1 hit") for sign in ("(", ")", "[", "]")],
    "reasoning about one row after another": [
        step("reason", {"row": n}, f"Row {n} is fine.", thought="Look at the next row of the table.") for n in range(5)
    ],
    "reasoning with new findings": [
        step("reason", {}, told, thought="Think about the next candidate.")
        for told in ("Anna speaks French.", "Ben lacks a licence.", "Caro has both, so invite Caro.")
    ],
    "thinking, then acting": [
        s for n in range(3) for s in (step("plan", {}, "1. read", thought="Make a plan."), step("read", n, f"text {n}"))
    ],
    "two plans": [step("plan", {}, "1. read 2. write", thought="Make a plan.")] * 2,
    "the same final answer": [step("final_answer", {"answer": "42"}, "42")] * 5,
    "final answers refused": [step("final_answer", n, "Error: not JSON", error=True) for n in range(5)],
    "steps without an action": [{"thought": "?", "observation": f"not parsed: {n}"} for n in range(4)],
}


@pytest.mark.parametrize("trace", WORK.values(), ids=WORK)
def test_work_is_left_alone_whatever_it_looks_like(trace):
    assert not alarms(trace)


@pytest.mark.parametrize(
    "told",
    [
        "Error: tool 'hex' not found. Available: read",
        "Tool hex does not exist",
        "hex is not a valid tool, try one of [read].",
        "Unknown tool: hex",
        "There is no tool named hex.",
        "Tool not found: hex",
        "tool_not_found (hex)",
        "Could not find tool hex",
        "The function `hex` is not available.",
    ],
)
def test_an_error_may_say_in_many_ways_that_a_tool_is_missing(told):
    assert first([step("hex", n, told, error=True) for n in (1, 2)]) == (2, "unknown_tool")
