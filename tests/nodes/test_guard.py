from langgraph_agora.nodes.guard import NARROW, NUDGE, STOP, climb, note, taken_away
from langgraph_agora.nodes.meta import find_loop

START = {"level": 0, "blocked": []}


def step(number, input, observation="391"):
    return {
        "number": number,
        "thought": "",
        "action": "calculate",
        "input": {"expression": input},
        "observation": observation,
        "is_error": False,
        "confidence": None,
    }


STEPS = [step(1, "17 * 23"), step(2, "17 * 23"), step(3, "17 * 23")]
LOOP = find_loop(STEPS)


def test_three_loops_in_a_row_climb_from_nudge_to_narrow_to_end():
    nudged = climb(START, LOOP)
    narrowed = climb(nudged, LOOP)
    ended = climb(narrowed, LOOP)
    assert [nudged["level"], narrowed["level"], ended["level"]] == [NUDGE, NARROW, STOP]


def test_the_first_reaction_takes_the_repeated_call_away():
    guard = climb(START, LOOP)
    again = {"action": "calculate", "input": {"expression": "17 * 23"}}
    other = {"action": "calculate", "input": {"expression": "17 * 24"}}
    assert guard["blocked"] == [LOOP.steps[-1]]
    assert taken_away(again, STEPS, guard)["observation"] == "391"
    assert taken_away(other, STEPS, guard) is None
    assert taken_away(again, STEPS, START) is None


def test_something_new_takes_the_agent_off_the_ladder_but_calls_stay_away():
    nudged = climb(START, LOOP)
    assert climb(nudged, None) == {"level": 0, "blocked": nudged["blocked"]}


def test_a_call_is_taken_away_once():
    assert climb(climb(START, LOOP), LOOP)["blocked"] == [LOOP.steps[-1]]


def test_once_narrowed_thinking_may_go_on_and_ignoring_it_ends_the_run():
    narrowed = {"level": NARROW, "blocked": []}
    assert climb(narrowed, None, answered=True)["level"] == NARROW
    assert climb(narrowed, None, answered=False)["level"] == STOP


def test_climbing_leaves_the_given_guard_as_it_was():
    before = {"level": 0, "blocked": []}
    climb(before, LOOP)
    assert before == {"level": 0, "blocked": []}


def test_the_note_tells_the_model_what_repeats_and_what_is_closed():
    assert "calculate gave 391 twice. That call is closed" in note(
        {"level": NUDGE, "blocked": []}, "calculate gave 391 twice."
    )
    assert "Tools are closed now" in note({"level": NARROW, "blocked": []}, "calculate gave 391 twice.")
