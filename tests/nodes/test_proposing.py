"""A model is asked for methods only where none works; each answer is tried out, and each refusal says why."""

import json
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from langchain_core.messages import AIMessage

from langgraph_agora.budget import Budget
from langgraph_agora.errors import BudgetExceeded, ConfigError
from langgraph_agora.nodes.planning.domain import Domain, Method, Operator
from langgraph_agora.nodes.planning.domain_files import Problem, read_problem, write_problem
from langgraph_agora.nodes.planning.search import Limits, find_plan, root_network
from langgraph_agora.nodes.planning.terms import read_condition
from langgraph_agora.nodes.proposing import MOST_ASKED, complete
from langgraph_agora.nodes.running import adrive, drive
from langgraph_agora.styles import AnswerStyle
from langgraph_agora.testing import ScriptedModel, Use

FAULTS = json.loads((Path(__file__).parents[1] / "data" / "llm_method_faults.json").read_text())
CASES = {case["id"]: case for case in FAULTS["cases"]}
RIGHT = ["pick", "pack", "label", "send"]


def goal_of(*conditions, parameters=(("?o", ""),)):
    return parameters, tuple(read_condition(one, "goal") for one in conditions)


def steps_of_shipping():
    return [
        Operator("pick", ["?o"], eff=[("picked(?o)", "=", True)]),
        Operator("pack", ["?o"], pre=[("picked(?o)", "==", True)], eff=[("packed(?o)", "=", True)]),
        Operator("label", ["?o"], eff=[("labelled(?o)", "=", True)]),
        Operator(
            "send",
            ["?o"],
            pre=[("packed(?o)", "==", True), ("labelled(?o)", "==", True)],
            eff=[("shipped(?o)", "=", True)],
        ),
    ]


def shipping(*methods, operators=(), goals=None, tasks=()):
    """The domain of the cases: ship has no method but those given here, and is done when the order is shipped."""
    goals = {"ship": goal_of(["shipped(?o)", "==", True])} if goals is None else goals
    return Domain([*steps_of_shipping(), *operators], methods, tasks=["ship", *tasks], goals=goals)


def scripted(*answers, **arguments):
    """A model that gives these answers; lists are written as JSON."""
    return ScriptedModel([json.dumps(one) if isinstance(one, list) else one for one in answers], **arguments)


def completed(*answers, domain=None, state=None, tasks=(("ship", "o1"),), **arguments):
    """Complete a plan with a model that gives these answers; returns also the model."""
    model = scripted(*answers)
    body = complete(domain or shipping(), state or {}, list(tasks), model=model, config={}, **arguments)
    return drive(body), model


def answers_of(id_):
    """The answers of a case; what stands for an exception is one."""
    answers = CASES[id_]["answers"]
    return [TimeoutError() if str(one).startswith("<exception") else one for one in answers]


# The cases, by their numbers


@pytest.mark.parametrize(
    ("id_", "calls"),
    [
        ("l1_valid", 1),
        ("l2_not_json", 2),
        ("l3_unknown_task", 2),
        ("l4_bad_order", 2),
        ("l5_effect_missing", 2),
        ("l6_self_recursion", 3),
        ("l7_cyclic_order", 2),
        ("l10_wrong_arguments", 2),
        ("l11_injection", 2),
        ("l12_llm_raises", 2),
    ],
)
@pytest.mark.parametrize("driver", ["sync", "async"])
async def test_a_plan_is_found_after_exactly_so_many_calls(id_, calls, driver):
    model = scripted(*answers_of(id_))
    body = complete(shipping(), {}, [("ship", "o1")], model=model, config={})
    done = drive(body) if driver == "sync" else await adrive(body)
    assert done.plan.found
    assert done.plan.names == RIGHT
    assert (len(model.requests), len(done.attempts), done.usage["calls"]) == (calls, calls, calls)
    assert [bool(one.refused) for one in done.attempts] == [True] * (calls - 1) + [False]
    assert done.explanation == ""


@pytest.mark.parametrize(
    ("id_", "words"),
    [
        ("l2_not_json", ["There is no list in JSON in 'Sure! first you pick...'"]),
        ("l3_unknown_task", ["'teleport'", "pick, pack, label, send"]),
        ("l4_bad_order", ["send(o1) cannot be done at the beginning", "packed(o1) == true", "labelled(o1) == true"]),
        ("l5_effect_missing", ["At the end shipped(o1) == true does not hold, so ship(o1) is not done."]),
        ("l6_self_recursion", ["'ship' cannot consist of itself"]),
        ("l7_cyclic_order", ["the order has a cycle: pick before pack before pick"]),
        ("l10_wrong_arguments", ["'o9'", "known: o1"]),
        ("l11_injection", ["There is no task \"__import__('os').system('id')\""]),
    ],
)
def test_the_reason_of_a_refusal_is_fed_back_and_names_the_thing(id_, words):
    done, model = completed(*answers_of(id_))
    told = model.requests[1].messages[-1].text
    for word in words:
        assert word in told
        assert word in done.attempts[0].refused
    assert model.requests[1].messages[-2].text == done.attempts[0].said, "the model sees its own answer"


def test_l8_a_task_is_given_up_after_three_answers_with_a_clear_reason():
    done, model = completed(*answers_of("l8_never_valid"))
    assert len(model.requests) == 3
    assert not done.plan.found
    assert done.accepted == ()
    assert done.explanation == (
        "There is no plan: no method of ship(o1) works, and the model's 3 answers were refused. The last one: send(o1) "
        "cannot be done at the beginning: packed(o1) == true and labelled(o1) == true do not hold there."
    )


def test_l8_a_task_above_the_one_that_is_given_up_is_not_asked_for_instead():
    serve = Method("m", "serve", ["?o"], subtasks=[("s", ("ship", "?o"))])
    done, model = completed(*answers_of("l8_never_valid"), domain=shipping(serve), tasks=[("serve", "o1")])
    assert (len(model.requests), done.plan.found) == (3, False)


def test_l9_one_answer_serves_for_other_arguments():
    done, model = completed(*answers_of("l9_reuse"), tasks=[("ship", "o1"), ("ship", "o2"), ("ship", "o3")])
    assert len(model.requests) == 1
    assert done.plan.names == RIGHT * 3
    assert [step.task[1] for step in done.plan.steps] == ["o1"] * 4 + ["o2"] * 4 + ["o3"] * 4


def test_l12_a_model_that_only_fails_is_given_up_after_three_tries():
    done, model = completed(TimeoutError("slow"), TimeoutError("slow"), TimeoutError("slow"), RIGHT)
    assert (len(model.requests), done.plan.found) == (3, False)
    assert "the model failed: TimeoutError: slow" in done.explanation


def test_l13_a_model_is_not_asked_and_not_even_loaded_when_the_methods_suffice():
    known = Method("known", "ship", ["?o"], subtasks=[(name, (name, "?o")) for name in RIGHT])
    body = complete(shipping(known), {}, [("ship", "o1")], model="no such model", config={})
    done = drive(body)
    assert (done.plan.found, done.attempts, done.usage["calls"]) == (True, (), 0)
    with pytest.raises(ConfigError):
        drive(complete(shipping(), {}, [("ship", "o1")], model="no such model", config={}))


@pytest.mark.parametrize("subtasks", [["send"], ["pick", "pack", "send"], ["pick", "fly"]])
def test_l14_a_known_method_is_tried_first_and_the_model_asked_once_after_it_failed(subtasks):
    """`fly` is a task without a method: the task above it is asked for, since it has a goal to be judged by."""
    known = Method("known", "ship", ["?o"], subtasks=[(name, (name, "?o")) for name in subtasks], p=0.9)
    done, model = completed(*answers_of("l14_known_method_first"), domain=shipping(known, tasks=["fly"]))
    assert len(model.requests) == 1
    assert done.plan.names == RIGHT
    assert [one.id for one in done.domain.methods_of["ship"]] == ["known", "model_1"], "the known one stays first"
    assert done.plan.success_probability == 0.9, "a model's method is trusted no more than the known ones"


# Soundness


def filling():
    """Tanks are filled by pumping; how often depends on what is in them."""
    pump = Operator("pump", ["?t"], eff=[("level(?t)", "+=", 5)])
    goals = {"fill": goal_of(["level(?t)", ">=", 10], parameters=(("?t", ""),))}
    return Domain([pump], tasks=["fill"], goals=goals)


def test_a_method_is_not_used_where_it_does_not_reach_the_goal():
    """One stroke fills the first tank. For the second it does not, so the model is asked again, and told why."""
    tanks = {"level(a)": 5, "level(b)": 0}
    done, model = completed(
        ["pump"], ["pump"], ["pump", "pump"], domain=filling(), state=tanks, tasks=[("fill", "a"), ("fill", "b")]
    )
    assert done.plan.names == ["pump"] * 3
    assert done.plan.final_state["level(b)"] == 10
    assert len(model.requests) == 3
    assert "level(b) >= 10" in done.attempts[1].refused
    assert [one.id for one in done.accepted] == ["model_1", "model_2"]


def test_the_test_of_a_goal_is_no_step_and_no_task_of_the_plan():
    done, _ = completed(RIGHT)
    assert [str(node) for node in done.plan.nodes] == ["ship(o1)", "pick(o1)", "pack(o1)", "label(o1)", "send(o1)"]
    assert [node.id for node in done.plan.nodes] == [1, 2, 3, 4, 5]
    assert done.plan.task_count == 5


@pytest.mark.parametrize("optimise", ["probability", "cost", "duration"])
def test_the_goal_is_tested_also_when_the_best_plan_is_wanted(optimise):
    done, _ = completed(["pump"], domain=filling(), state={"level(a)": 5}, tasks=[("fill", "a")])
    found = find_plan(done.domain, {"level(a)": 5, "level(b)": 0}, [("fill", "a")], optimise=optimise)
    assert found.names == ["pump"]
    assert not find_plan(done.domain, {"level(a)": 5, "level(b)": 0}, [("fill", "b")], optimise=optimise).found


def test_a_partial_order_that_a_model_gives_is_kept():
    order = [["pick", "pack"], ["pack", "send"], ["label", "send"]]
    done, _ = completed({"subtasks": ["send", "label", "pack", "pick"], "order": order})
    assert sorted(done.plan.names) == sorted(RIGHT)
    step = {node.task[0]: node.id for node in done.plan.steps}
    assert step["label"] not in done.plan.order[step["pick"]] | done.plan.order[step["pack"]]
    assert {step["pack"], step["label"]} <= done.plan.order[step["send"]]


def test_accepted_methods_survive_in_a_domain_file_and_the_model_is_not_asked_again():
    done, _ = completed(RIGHT)
    text = write_problem(Problem(done.domain, {}, root_network([("ship", "o1")])))
    again = read_problem(text)
    assert again.domain.methods_of["ship"][0].verify, "its goal is still tested"
    later, model = completed(domain=again.domain, tasks=[("ship", "o7"), ("ship", "o8")])
    assert (later.plan.names, len(model.requests)) == (RIGHT * 2, 0)


def test_a_domain_of_python_functions_is_completed_too():
    def pick(state, order):
        return {**state, order: "picked"}

    def send(state, order):
        return {**state, order: "sent"} if state.get(order) == "picked" else None

    domain = Domain([Operator("pick", run=pick), Operator("send", run=send)], tasks=["ship"])
    done, model = completed(["send"], ["pick", "send"], domain=domain, state={"o1": "new", "o2": "new"})
    assert done.plan.names == ["pick", "send"]
    assert done.attempts[0].refused == "send(o1) cannot be done at the beginning."
    assert len(model.requests) == 2


def test_the_goal_of_a_task_of_python_functions_is_tested_on_the_mapping():
    def move(state, thing, to):
        return {**state, f"at({thing})": to}

    goals = {"bring": goal_of(["at(?o)", "==", "home"])}
    domain = Domain([Operator("move", run=move)], tasks=["bring"], goals=goals)
    state = {"at(o1)": "inn", "places": ["inn", "home"]}
    done, _ = completed(["move(o1, inn)"], ["move(o1, home)"], domain=domain, state=state, tasks=[("bring", "o1")])
    assert "At the end at(o1) == home does not hold" in done.attempts[0].refused
    assert done.plan.final_state["at(o1)"] == "home"


def test_in_a_partial_order_the_goal_is_tested_after_all_of_the_subtasks():
    """Nothing is left to wait for it: it must not be tested beside the last of them."""
    order = [["pick", "pack"], ["pack", "send"], ["label", "send"]]
    done, _ = completed({"subtasks": RIGHT, "order": order}, tasks=[("ship", "o1"), ("ship", "o2")], order=[])
    assert sorted(done.plan.names) == sorted(RIGHT * 2)
    done, _ = completed({"subtasks": ["pick", "label"], "order": [[1, 2]]}, RIGHT)
    assert "shipped(o1) == true does not hold" in done.attempts[0].refused


# Whom and what is asked


def test_the_task_without_a_method_is_asked_for_where_it_has_to_be_done():
    """What holds then is shown: the order was picked before."""
    serve = Method("m", "serve", ["?o"], subtasks=[("p", ("pick", "?o")), ("s", ("ship", "?o"))])
    done, model = completed(["pack", "label", "send"], domain=shipping(serve), tasks=[("serve", "o1")])
    assert done.plan.names == RIGHT
    assert "picked(o1) = true" in model.requests[0].text
    assert "Break the task ship(o1) down" in model.requests[0].text


def test_the_model_is_shown_what_the_tasks_need_and_change_and_the_goal():
    _, model = completed(RIGHT)
    shown = model.requests[0].text
    assert "- send(?o): needs packed(?o) == true, labelled(?o) == true; changes shipped(?o) = true" in shown
    assert "When ship(o1) is done this must hold: shipped(o1) == true" in shown
    assert shown.index("- pick") < shown.index("- pack") < shown.index("- send"), "in an order that is likely"


def test_a_grammar_can_only_produce_tasks_that_there_are():
    _, model = completed(RIGHT, state={"color(o2)": "red"})
    items = schema_of(model)["properties"]["subtasks"]["items"]
    assert items["enum"] == [f"{task}({thing})" for task in RIGHT for thing in ("o1", "o2", "red")]
    many = {f"color(o{number})": "red" for number in range(100)}
    _, model = completed(RIGHT, state=many)
    assert schema_of(model)["properties"]["subtasks"]["items"] == {"type": "string", "maxLength": 100}


def schema_of(model):
    return model.requests[0].bound["response_format"]["json_schema"]["schema"]


class SmallModel(ScriptedModel):
    """A scripted model that must be led."""

    @property
    def answer_style(self):
        return AnswerStyle(steps="json", constrain="response_format", small=True)


def test_a_small_model_is_shown_a_worked_example_and_few_words():
    model = SmallModel([json.dumps(RIGHT)])
    done = drive(complete(shipping(), {}, [("ship", "o1")], model=model, config={}))
    first = model.requests[0]
    assert done.plan.found
    assert [message.type for message in first.messages] == ["human", "ai", "human"]
    assert len(first.text) < 600


def test_the_arguments_of_a_tool_call_are_an_answer_too():
    done, _ = completed(Use("answer", {"subtasks": RIGHT}))
    assert done.plan.names == RIGHT


def test_two_tasks_without_methods_are_asked_for_one_after_the_other():
    domain = shipping(
        operators=[Operator("bill", ["?o"], eff=[("billed(?o)", "=", True)])],
        goals={"ship": goal_of(["shipped(?o)", "==", True]), "charge": goal_of(["billed(?o)", "==", True])},
        tasks=["charge"],
    )
    done, model = completed(RIGHT, ["bill"], domain=domain, tasks=[("ship", "o1"), ("charge", "o1")])
    assert done.plan.names == [*RIGHT, "bill"]
    assert [one.task for one in done.attempts] == ["ship(o1)", "charge(o1)"]
    assert len(model.requests) == 2


def test_where_one_way_is_given_up_another_one_may_still_be_found():
    domain = Domain(
        [Operator("step", eff=[("done", "=", True)]), Operator("never", pre=[("luck", "==", True)])],
        [Method("a", "go", subtasks=[("s", "first")]), Method("b", "go", subtasks=[("s", "second")])],
        tasks=["first", "second"],
    )
    done, _ = completed(["never"], ["never"], ["never"], ["step"], domain=domain, tasks=["go"])
    assert done.plan.names == ["step"]
    assert [one.task for one in done.attempts] == ["first"] * 3 + ["second"]


def test_a_failure_that_no_method_could_mend_is_not_asked_about():
    """Shipping works by its second method; what fails is paying, a step of the root."""
    known = Method("known", "ship", ["?o"], subtasks=[(name, (name, "?o")) for name in RIGHT])
    first = Method("first", "ship", ["?o"], subtasks=[("l", ("label", "?o")), ("s", ("send", "?o"))])
    pay = Operator("pay", pre=[("money", ">=", 5)])
    done, model = completed(domain=shipping(first, known, operators=[pay]), tasks=[("ship", "o1"), "pay"])
    assert [task for task, _ in done.plan.open] == [("ship", "o1")], "a method of it failed on the way"
    assert (done.plan.found, len(model.requests)) == (False, 0)
    assert done.explanation == done.plan.explanation


def test_the_tries_for_one_task_are_counted_over_the_whole_search():
    """What is right for the first filling is not after the draining: two more tries, and that is all."""
    domain = filling()
    drain = Operator("drain", ["?t"], eff=[("level(?t)", "=", 0)])
    domain = Domain([*domain.operators, drain], tasks=["fill"], goals=domain.goals)
    tasks = [("fill", "a"), ("drain", "a"), ("fill", "a")]
    done, model = completed(["pump"], ["pump"], ["drain"], domain=domain, state={"level(a)": 5}, tasks=tasks)
    assert (len(model.requests), done.plan.found, len(done.accepted)) == (3, False, 1)
    assert "level(a) = 0" in model.requests[1].text


def test_a_domain_with_many_holes_ends():
    holes = [f"hole{number}" for number in range(40)]
    ways = [Method(name, "go", subtasks=[("s", name)]) for name in holes]
    domain = Domain([Operator("never", pre=[("luck", "==", True)])], ways, tasks=holes)
    model = scripted(["never"], after="repeat")
    done = drive(complete(domain, {}, ["go"], model=model, config={}))
    assert len(model.requests) == MOST_ASKED
    assert f"not asked again after {MOST_ASKED} answers" in done.explanation


def test_when_the_search_ran_into_its_limit_only_tasks_without_a_usable_method_are_asked_for():
    loop = Method("loop", "count", subtasks=[("s", "add"), ("c", "count")])
    add = Operator("add", eff=[("number", "+=", 1)])
    known = [loop, Method("x", "go", subtasks=[("f", "fix")]), Method("y", "go", subtasks=[("c", "count")])]
    domain = Domain([add, Operator("mend")], known, tasks=["fix"])
    done, model = completed(["mend"], domain=domain, state={"number": 0}, tasks=["go"], limits=Limits(nodes=300))
    assert (done.plan.names, len(model.requests)) == (["mend"], 1)
    never = Operator("never", pre=[("luck", "==", True)])
    tried = [Method("x", "go", subtasks=[("n", "never")]), Method("y", "go", subtasks=[("c", "count")])]
    domain = Domain([add, never], [loop, *tried])
    done, model = completed(domain=domain, state={"number": 0}, tasks=["go"], limits=Limits(nodes=300))
    assert (done.plan.reason, len(model.requests)) == ("limit", 0)
    assert [task for task, _ in done.plan.open] == [("go",)]


# The run around it


def test_a_budget_that_ends_goes_through():
    config = {"callbacks": [Budget(max_calls=1)]}
    model = scripted("no", RIGHT)
    with pytest.raises(BudgetExceeded):
        drive(complete(shipping(), {}, [("ship", "o1")], model=model, config=config))
    assert len(model.requests) == 1


def test_each_answer_is_told_as_it_comes_and_is_plain_json():
    told = []
    done, _ = completed("no", RIGHT, tell=lambda event, **facts: told.append((event, facts)))
    assert [event for event, _ in told] == ["proposal", "proposal"]
    assert [facts for _, facts in told] == json.loads(json.dumps(done.to_dict()))["attempts"]
    assert done.to_dict()["accepted"] == ["ship.model_1"]


def test_a_wrong_task_is_refused_before_anybody_is_asked():
    with pytest.raises(ConfigError, match="there is no task 'shop'"):
        completed(tasks=[("shop", "o1")])
    with pytest.raises(ConfigError, match="tries was 0"):
        completed(tries=0)


WORDS = st.sampled_from([*RIGHT, "o1", "ship"])
JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=8) | WORDS,
    lambda inner: (
        st.lists(inner, max_size=4)
        | st.dictionaries(st.sampled_from(["subtasks", "order", "task", "args", "x"]), inner, max_size=3)
    ),
    max_leaves=12,
)


@settings(max_examples=150, deadline=None)
@given(st.text(max_size=60) | JSON.map(lambda value: json.dumps(value)))
def test_whatever_a_model_says_nothing_is_raised_and_nothing_unknown_gets_in(said):
    model = ScriptedModel([AIMessage(said)], after="repeat")
    done = drive(complete(shipping(), {}, [("ship", "o1")], model=model, config={}, tries=1))
    assert len(model.requests) == 1
    for method in done.accepted:
        for _, (name, *args) in method.subtasks:
            assert name in RIGHT
            assert set(args) <= {"?o", "o1"}
    if done.plan.found:
        assert done.plan.final_state["shipped(o1)"] is True


@pytest.mark.embedded
def test_the_embedded_model_ends_with_a_plan_or_with_a_true_reason(embedded):
    model = embedded.model_copy(update={"max_tokens": 80})
    done = drive(complete(shipping(), {}, [("ship", "o1")], model=model, config={}, seconds=40, tries=2))
    assert 1 <= len(done.attempts) <= 2
    if done.plan.found:
        assert done.plan.final_state["shipped(o1)"] is True
    else:
        assert "ship(o1)" in done.explanation
    for one in done.attempts:
        if "the model" not in one.refused:
            assert "subtasks" in one.said, "the grammar lets it say nothing else"
