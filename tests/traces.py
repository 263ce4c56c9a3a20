"""Traces for the tests of the loop guard and of the judgement: how to write one, and any steps for their laws."""

from hypothesis import strategies as st

from langgraph_agora.nodes.meta import find_loop


def step(action, given=None, observation="", *, thought="", error=False, **rest):
    return {
        "thought": thought,
        "action": action,
        "input": given,
        "observation": observation,
        "is_error": error,
        **rest,
    }


def alarms(trace, **declared):
    """The loops found after each step, by the number of steps so far."""
    found = {n: find_loop(trace[:n], **declared) for n in range(len(trace) + 1)}
    return {n: loop for n, loop in found.items() if loop}


def first(trace, **declared):
    """When the alarm is raised first, and for which pattern; None if never."""
    return next(((n, loop.pattern) for n, loop in alarms(trace, **declared).items()), None)


READ = step("read", {"file": "a.py"}, "import b")


def cycle(length, rounds):
    return [step("read", {"file": f"f{i}.py"}, f"text {i}") for i in range(length)] * rounds


# A small alphabet: the tables for all of Unicode take Hypothesis a second to build.
TEXT = st.text('aZ é北{["1.,:\n', max_size=12)
JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | TEXT,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(TEXT, inner, max_size=3),
    max_leaves=6,
)
NAMES = st.sampled_from(["search", "read", "reason", "plan", "execute", "final_answer"])
STEPS = st.lists(
    st.fixed_dictionaries(
        {},
        optional={
            "number": JSON,
            "thought": st.sampled_from(["Make a plan.", "Make a plan again."]) | JSON,
            "action": NAMES | JSON,
            "input": JSON | st.fixed_dictionaries({"tool": NAMES}),
            "observation": st.sampled_from(["ok", "Error: unknown tool", "Error: 503"]) | JSON,
            "is_error": st.booleans() | JSON,
            "confidence": st.floats(0, 1) | JSON,
        },
    ),
    max_size=8,
)
