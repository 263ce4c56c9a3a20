"""Methods that a model makes: whether a proposal works, and the method that is kept of it.

The model proposes, the simulator decides: a proposal is used only when it can be carried out and its task's goal holds
at the end, and the goal is tested again wherever the method is used.

Sources: ChatHTN (Munoz-Avila et al. 2025, arXiv 2505.11814) for verifying the effects of what a model proposes; its
successor (2511.12901) for keeping a method with its arguments made parameters.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

from .domain import Domain, Method, Network
from .facts import Facts, Ground, shown
from .method_needs import TRIAL, Need, listed, parameters_for, said_of
from .plan import Plan
from .search import find_plan
from .terms import Term, compare


def judge_proposal(network: Network, wanted: Need) -> str:
    """Try a proposal out in the state where it is needed; empty when it works, else why not, in one sentence.

    Its subtasks are carried out with all that the domain knows, and then the goal of the task must hold.

    Example:
        >>> from langgraph_agora.nodes.planning.domain import Operator
        >>> from langgraph_agora.nodes.planning.method_needs import need_for
        >>> from langgraph_agora.nodes.planning.proposal_reading import read_proposal
        >>> send = Operator("send", ["?o"], pre=[("packed(?o)", "==", True)])
        >>> wanted = need_for(Domain([send], tasks=["ship"]), ("ship", "o1"), Facts({}))
        >>> judge_proposal(read_proposal(["send"], wanted), wanted)
        'send(o1) cannot be done at the beginning: packed(o1) == true does not hold there.'
    """
    method = lifted(network, wanted)
    known = {(wanted.task, one.id) for one in wanted.domain.methods_of[wanted.task[0]]}
    plan = find_plan(learned(wanted.domain, method), wanted.state, [wanted.task], limits=TRIAL, without=known)
    if plan.found:
        return _missing(plan.final_state, wanted)  # A state of Python functions was not tested by the search.
    # Without the test of the goal at its end a task that comes back to itself is seen to be a cycle.
    return _why(learned(wanted.domain, replace(method, verify=False)), network, wanted) or plan.explanation


def lifted(network: Network, wanted: Need) -> Method:
    """A method of a proposal: the task's arguments become parameters, so that it serves for other arguments too.

    It is tried after the known methods of its task, and the task's goal is tested wherever it is used.

    Example:
        >>> from langgraph_agora.nodes.planning.domain import Operator
        >>> from langgraph_agora.nodes.planning.method_needs import need_for
        >>> domain = Domain([Operator("pick", ["?o"])], tasks=["ship"])
        >>> method = lifted(Network((("pick", ("pick", "o1")),)), need_for(domain, ("ship", "o1"), {}))
        >>> method.id, method.parameters, method.subtasks
        ('model_1', (('?1', ''),), (('pick', ('pick', '?1')),))
    """
    name, args = wanted.task[0], wanted.task[1:]
    parameters = parameters_for(wanted)
    variable = {_exact(arg): key for arg, (key, _) in reversed(list(zip(args, parameters, strict=True)))}
    keys = [key for key, _ in network.tasks]
    after = network.after
    order = [(keys[one], keys[place]) for place, before in enumerate(after) for one in before] if after else "total"
    others = wanted.domain.methods_of[name]
    taken = {one.id for one in others}
    return Method(
        next(id_ for id_ in (f"model_{number}" for number in range(1, len(taken) + 2)) if id_ not in taken),
        name,
        parameters,
        subtasks=[(key, (task[0], *[variable.get(_exact(a), a) for a in task[1:]])) for key, task in network.tasks],
        order=order,
        p=min([one.p for one in others], default=1.0),
        verify=bool(wanted.goal) and isinstance(wanted.state, Facts),
    )


def trimmed(network: Network, wanted: Need) -> Network:
    """A proposal that works without the subtasks that stand in it once more for nothing, as small models pad a list.

    Only with a goal, for without one nobody can say what is for nothing; and only repetitions, for a subtask that
    serves no declared goal may serve another.

    Example:
        >>> from langgraph_agora.nodes.planning.domain import Operator
        >>> from langgraph_agora.nodes.planning.method_needs import need_for
        >>> from langgraph_agora.nodes.planning.proposal_reading import read_proposal
        >>> from langgraph_agora.nodes.planning.terms import read_condition
        >>> goals = {"ship": ((), (read_condition(["sent", "==", True], "goal"),))}
        >>> domain = Domain([Operator("send", eff=[("sent", "=", True)])], tasks=["ship"], goals=goals)
        >>> wanted = need_for(domain, ("ship",), Facts({}))
        >>> trimmed(read_proposal(["send", "send"], wanted), wanted).tasks
        (('send', ('send',)),)
    """
    place = len(network.tasks) - 1
    while wanted.goal and network.after is None and place > 0:
        before, after = network.tasks[:place], network.tasks[place + 1 :]
        if any(task == network.tasks[place][1] for _, task in before):
            shorter = Network((*before, *after))
            network = network if judge_proposal(shorter, wanted) else shorter
        place -= 1
    return network


def learned(domain: Domain, method: Method) -> Domain:
    """The domain with one more method."""
    return replace(domain, methods=[*domain.methods, method])


def _why(domain: Domain, network: Network, wanted: Need) -> str:
    """What fails first when the subtasks are done in their order, each time with one more of them."""
    done: list[str] = []
    state, places = wanted.state, _in_order(network)
    for number in range(1, len(places) + 1):
        plan = _tried(domain, network, places[:number], wanted.state)
        task = network.tasks[places[number - 1]][1]
        if not plan.found:
            return _refused(plan, task, state, done)
        state = plan.final_state
        done.append(shown(task[0], task[1:]))
    return _missing(state, wanted)


def _missing(state: Any, wanted: Need) -> str:
    """Which goals do not hold at the end; empty when all do."""
    unmet = [term for term in wanted.goal if not _holds(term, state)]
    return f"At the end {_fails(unmet)}, so {wanted} is not done." if unmet else ""


def _tried(domain: Domain, network: Network, places: Sequence[int], state: Any) -> Plan:
    """A plan for some of the tasks of a network; none of them waits for one that is left out."""
    pairs = [network.tasks[place] for place in places]
    order: Any = "total"
    if network.after is not None:
        order = [(network.tasks[one][0], network.tasks[place][0]) for place in places for one in network.after[place]]
    return find_plan(domain, state, pairs, order=order, limits=TRIAL)


def _in_order(network: Network) -> list[int]:
    """The places of the tasks in an order that keeps to the network's; of several the first that was named."""
    if network.after is None:
        return list(range(len(network.tasks)))
    found: list[int] = []
    while len(found) < len(network.tasks):
        rest = [place for place in range(len(network.tasks)) if place not in found]
        found.append(next(place for place in rest if set(network.after[place]) <= set(found)))
    return found


def _refused(plan: Plan, task: Ground, state: Any, done: Sequence[str]) -> str:
    what = shown(task[0], task[1:])
    where = f"after {listed(done)}" if done else "at the beginning"
    if plan.reason == "limit":
        return f"It could not be found out whether {what} can be done {where}: {plan.explanation}"
    operator = plan.domain.operator.get(task[0])
    if operator is None:
        cycle = plan.explanation.partition("A task comes back to itself: ")[2].rstrip(".")
        why = f"it comes back to itself: {cycle}" if cycle else "no method of it works there"
        return f"{what} cannot be done {where}: {why}."
    unmet = operator.unmet(state, task[1:]) if isinstance(state, Facts) else []
    return f"{what} cannot be done {where}{f': {_fails(unmet)} there' if unmet else ''}."


def _fails(terms: Sequence[Term]) -> str:
    return f"{' and '.join(map(said_of, terms))} {'does' if len(terms) == 1 else 'do'} not hold"


def _holds(term: Term, state: Any) -> bool:
    if isinstance(state, Facts) or term.args is None:
        return term.holds(state)
    # In a state of Python functions what is no variable of it cannot be judged.
    return not isinstance(state, Mapping) or compare(state.get(shown(term.name, term.args)), term.sign, term.value)


def _exact(value: Any) -> tuple[type, Any]:
    """A key under which 1 is not True."""
    return type(value), value
