"""`agora run PATTERN ...`: run a graph on a question, draw what happens, print the result."""

from __future__ import annotations

import sys
from dataclasses import replace
from functools import partial
from importlib import import_module
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.console import Console

from .cli_stream import budget_of, run_graph, words_of
from .cli_tools import AsJson, Plot, cap_of, check_plot, text_of
from .errors import ConfigError, nearest

run_app = typer.Typer(no_args_is_help=True, help="Run a pattern on a question.")

Model = Annotated[
    str, typer.Option("--model", "-m", help="embedded, ollama:NAME, openai:NAME, ... (see: agora models).")
]
BudgetCalls = Annotated[int | None, typer.Option(help="Model calls in all.")]
BudgetTokens = Annotated[int | None, typer.Option(help="Tokens in and out together.")]
BudgetSeconds = Annotated[float | None, typer.Option(help="Seconds in all.")]
ModelSeconds = Annotated[float, typer.Option(help="Time limit of one model call.")]
Trace = Annotated[Path | None, typer.Option(help="Write what happens to this JSON Lines file, row by row.")]
MemoryFolder = Annotated[
    Path | None, typer.Option("--memory", help="The memory's folder; AGORA_MEMORY, or .agora/memory here, else.")
]
Agents = Annotated[str, typer.Option(help="How many agents, or their names: ann,bob,cem.")]


@run_app.command("react")
def run_react(
    question: Annotated[str, typer.Argument(help="What to answer; - reads it from standard input.")],
    model: Model = "embedded",
    docs: Annotated[
        Path | None, typer.Option(help="A folder or file (txt, md, pdf) that the agent may search.")
    ] = None,
    mcp: Annotated[str | None, typer.Option(help="MCP servers: a JSON file, JSON, or a URL.")] = None,
    max_steps: Annotated[int, typer.Option(help="At most so many model calls.")] = 10,
    loop_guard: Annotated[bool, typer.Option(help="Watch for loops.")] = True,
    budget_calls: BudgetCalls = None,
    budget_tokens: BudgetTokens = None,
    budget_seconds: BudgetSeconds = None,
    model_seconds: ModelSeconds = 120.0,
    tool_seconds: Annotated[float, typer.Option(help="Time limit of one tool call.")] = 30.0,
    as_json: AsJson = False,
    trace: Trace = None,
) -> int:
    """One agent that thinks, acts and observes in turn, with a loop guard."""
    from .graphs.react import create_react
    from .nodes.react import ReactContext
    from .tools import calculate, create_search, load_mcp

    asked = words_of(question, 'agora run react "What is 17 * 23?"')
    budget = budget_of(budget_calls, budget_tokens, budget_seconds)
    with Console(stderr=as_json, quiet=as_json).status(
        "reading the documents and starting the tools" if docs or mcp else "loading the tools"
    ):
        tools = [calculate, *([create_search(docs)] if docs else []), *(load_mcp(mcp) if mcp else [])]
    builder = create_react(tools, max_steps=max_steps, loop_guard=loop_guard)
    context = ReactContext(model=model, model_seconds=model_seconds, tool_seconds=tool_seconds)
    graph = builder.compile(name="react")
    return run_graph(graph, asked, context, budget, as_json, trace)


@run_app.command("consensus")
def run_consensus(
    question: Annotated[str, typer.Argument(help="What to decide; - reads it from standard input.")],
    agents: Agents = "3",
    protocol: Annotated[
        str, typer.Option("--protocol", "-p", help="majority, borda, raft, pbft, bft, ... (a wrong name lists all).")
    ] = "majority",
    model: Model = "embedded",
    option: Annotated[
        list[str] | None, typer.Option(help="What can be voted for (several times); agents propose else.")
    ] = None,
    threshold: Annotated[str, typer.Option(help="The share for the protocol qualified.")] = "2/3",
    rounds: Annotated[int, typer.Option(help="Rounds of voting at most.")] = 3,
    tolerate: Annotated[int | None, typer.Option(help="How many lying agents must be survived.")] = None,
    faults: Annotated[str, typer.Option(help="For trials: ann=crashed,bob=lying (or slow, babbling).")] = "",
    early_stop: Annotated[bool, typer.Option(help="End a round when it is decided.")] = True,
    budget_calls: BudgetCalls = None,
    budget_tokens: BudgetTokens = None,
    budget_seconds: BudgetSeconds = None,
    model_seconds: ModelSeconds = 120.0,
    as_json: AsJson = False,
    trace: Trace = None,
) -> int:
    """Several agents that propose and vote; counting and agreeing is code."""
    from .graphs.consensus import create_consensus, faults_from, panel
    from .nodes.deliberation import ConsensusContext

    asked = words_of(question, 'agora run consensus "Which colour has the sky?"')
    budget = budget_of(budget_calls, budget_tokens, budget_seconds)
    builder = create_consensus(
        panel(agents),
        protocol=protocol,
        threshold=threshold,
        rounds=rounds,
        tolerate=tolerate,
        faults=faults_from(faults),
        early_stop=early_stop,
        options=option or (),
    )
    context = ConsensusContext(model=model, model_seconds=model_seconds)
    return run_graph(builder.compile(name="consensus"), asked, context, budget, as_json, trace)


@run_app.command("auction")
def run_auction(
    task: Annotated[str, typer.Argument(help="What is to be done (for vcg one task a line); - reads it.")],
    agents: Agents = "3",
    kind: Annotated[str, typer.Option(help="vickrey, first_price, english or vcg.")] = "vickrey",
    reserve: Annotated[float | None, typer.Option(help="The most that is paid for a task.")] = 1_000,
    capacity: Annotated[int, typer.Option(help="How many tasks an agent may be given.")] = 1,
    step: Annotated[float, typer.Option(help="Of the english clock.")] = 1,
    judge: Annotated[bool, typer.Option(help="Let a further agent judge what is delivered.")] = False,
    acceptance: Annotated[str, typer.Option(help="What is asked of a delivery, in words.")] = "",
    model: Model = "embedded",
    budget_calls: BudgetCalls = None,
    budget_tokens: BudgetTokens = None,
    budget_seconds: BudgetSeconds = None,
    model_seconds: ModelSeconds = 120.0,
    work_seconds: Annotated[float, typer.Option(help="The deadline of a contract.")] = 300.0,
    as_json: AsJson = False,
    trace: Trace = None,
) -> int:
    """Agents with a calculator bid for a task; the winner does it, and the next one when it fails."""
    from .agents import Agent
    from .graphs.auction import create_auction
    from .graphs.consensus import panel
    from .nodes.deliveries import AuctionContext
    from .tools import calculate

    asked = words_of(task, 'agora run auction "Write a line about the sea."')
    budget = budget_of(budget_calls, budget_tokens, budget_seconds)
    builder = create_auction(
        [replace(agent, tools=(calculate,)) for agent in panel(agents)],
        kind=kind,
        reserve=reserve,
        capacity=capacity,
        step=step,
        judge=Agent("judge", role="You are strict and fair.") if judge or acceptance else None,
        acceptance=acceptance,
    )
    context = AuctionContext(model=model, model_seconds=model_seconds, work_seconds=work_seconds)
    return run_graph(builder.compile(name="auction"), asked, context, budget, as_json, trace)


@run_app.command("hierarchy")
def run_hierarchy(
    task: Annotated[str, typer.Argument(help="What is to be done; - reads it from standard input.")],
    agents: Annotated[
        str, typer.Option(help="A team in a YAML or JSON file (examples/team.yaml), or a number, or names.")
    ] = "3",
    max_depth: Annotated[int, typer.Option(help="Levels of subtasks; 1: no sub-coordinators.")] = 2,
    max_attempts: Annotated[int, typer.Option(help="How many agents try a subtask.")] = 2,
    approve: Annotated[
        list[str] | None, typer.Option(help="An agent or a skill whose subtasks you approve (several times), or all.")
    ] = None,
    model: Model = "embedded",
    budget_calls: BudgetCalls = None,
    budget_tokens: BudgetTokens = None,
    budget_seconds: BudgetSeconds = None,
    model_seconds: ModelSeconds = 120.0,
    work_seconds: Annotated[float, typer.Option(help="Time limit of one attempt at a subtask.")] = 300.0,
    as_json: AsJson = False,
    trace: Trace = None,
) -> int:
    """A coordinator breaks a task down; a team does the parts at the same time."""
    from langgraph.checkpoint.memory import InMemorySaver

    from .graphs.hierarchy import create_hierarchy
    from .nodes.teamwork import HierarchyContext

    asked = words_of(task, 'agora run hierarchy "Write a page about the sea." --agents examples/team.yaml')
    budget = budget_of(budget_calls, budget_tokens, budget_seconds)
    builder = create_hierarchy(
        _team(agents),
        max_depth=max_depth,
        max_attempts=max_attempts,
        approve=True if approve == ["all"] else approve or (),
    )
    context = HierarchyContext(model=model, model_seconds=model_seconds, work_seconds=work_seconds)
    graph = builder.compile(InMemorySaver() if approve else None, name="hierarchy")
    return run_graph(graph, asked, context, budget, as_json, trace)


@run_app.command("planner")
def run_planner(
    goal: Annotated[
        str, typer.Argument(help="What is to be reached; with --domain its tasks, one a line; - reads it.")
    ],
    domain: Annotated[
        Path | None, typer.Option(help="A domain file; a plan is made from the tools alone else.")
    ] = None,
    agents: Annotated[
        str, typer.Option(help="With --domain: who does the steps: a team in a YAML or JSON file, a number, or names.")
    ] = "",
    change: Annotated[
        list[str] | None, typer.Option(help="With --domain: another value at the start (several times): budget=90.")
    ] = None,
    docs: Annotated[Path | None, typer.Option(help="A folder or file (txt, md, pdf) that may be searched.")] = None,
    mcp: Annotated[str | None, typer.Option(help="MCP servers: a JSON file, JSON, or a URL.")] = None,
    optimise: Annotated[str, typer.Option(help="probability, cost or duration; the first plan is taken else.")] = "",
    max_replans: Annotated[int, typer.Option(help="How often the plan may be mended.")] = 3,
    retries: Annotated[int, typer.Option(help="How often a step that failed is tried again first.")] = 0,
    approve: Annotated[
        list[str] | None, typer.Option(help="An operator, or a tool, that waits for your yes (several times).")
    ] = None,
    proposals: Annotated[
        int, typer.Option(help="How often the model may propose a way to do a task that has none that works.")
    ] = 3,
    save: Annotated[
        Path | None, typer.Option(help="With --domain: write the domain with the methods that the model made.")
    ] = None,
    model: Model = "embedded",
    budget_calls: BudgetCalls = None,
    budget_tokens: BudgetTokens = None,
    budget_seconds: BudgetSeconds = None,
    model_seconds: ModelSeconds = 120.0,
    step_seconds: Annotated[float, typer.Option(help="Time limit of one step.")] = 300.0,
    as_json: AsJson = False,
    trace: Trace = None,
) -> int:
    """Plan, carry the plan out, mend it when something breaks."""
    from langgraph.checkpoint.memory import InMemorySaver

    from .cli_plan import asked_of, changed, read, write_domain
    from .graphs.planning import create_planner
    from .nodes.plan_state import PlannerContext
    from .tools import calculate, create_search, load_mcp

    asked = words_of(goal, 'agora run planner "What is 17 * 23, and half of it?"')
    budget = budget_of(budget_calls, budget_tokens, budget_seconds)
    if domain is None and (agents or change or save):
        raise ConfigError("--agents, --change and --save go with --domain FILE.")
    tools = [*([create_search(docs)] if docs else []), *(load_mcp(mcp) if mcp else [])]
    builder = create_planner(
        asked_of(changed(read(domain, None), change or []), asked) if domain else None,
        tools=tools if domain else [calculate, *tools],
        agents=_team(agents) if agents else (),
        max_replans=max_replans,
        approve=approve or (),
    )
    context = PlannerContext(
        model=model,
        model_seconds=model_seconds,
        step_seconds=step_seconds,
        retries=retries,
        optimise=optimise,
        proposals=proposals,
    )
    graph = builder.compile(InMemorySaver() if approve else None, name="planner")
    return run_graph(graph, asked, context, budget, as_json, trace, partial(write_domain, save) if save else None)


@run_app.command("negotiation")
def run_negotiation(
    about: Annotated[str, typer.Argument(help="What it is about, in words; - reads it.")],
    agents: Agents = "2",
    issue: Annotated[
        list[str] | None, typer.Option(help="An issue (several times): price=50..150/10 or colour=red,blue.")
    ] = None,
    scenario: Annotated[
        Path | None, typer.Option(help="Issues and preferences in YAML or JSON; its agents take part.")
    ] = None,
    protocol: Annotated[str, typer.Option("--protocol", "-p", help="zeuthen, alternating or mediated.")] = "zeuthen",
    concession: Annotated[str, typer.Option(help="In alternating: linear, boulware or conceder.")] = "linear",
    rounds: Annotated[str, typer.Option(help="Rounds at most; none for no cap.")] = "5",
    threshold: Annotated[float, typer.Option(help="The agreement score that counts as converged.")] = 0.8,
    model: Model = "embedded",
    budget_calls: BudgetCalls = None,
    budget_tokens: BudgetTokens = None,
    budget_seconds: BudgetSeconds = None,
    model_seconds: ModelSeconds = 120.0,
    as_json: AsJson = False,
    trace: Trace = None,
    plot: Plot = None,
) -> int:
    """Agents argue in words for offers that code works out, until they agree."""
    from .graphs.consensus import panel
    from .graphs.negotiation import create_negotiation
    from .nodes.negotiating import NegotiationContext
    from .nodes.scenario_files import read_scenario

    asked = words_of(about, 'agora run negotiation "Sell the bicycle." --issue price=50..150/10 --issue lock=yes,no')
    if (issue is None) == (scenario is None):
        raise ConfigError("Give either --issue, as often as there are issues, or --scenario FILE.")
    budget = budget_of(budget_calls, budget_tokens, budget_seconds)
    terms = read_scenario(text_of(scenario), str(scenario)) if scenario else None
    builder = create_negotiation(
        panel(",".join(terms.preferences) if terms else agents),
        issues=terms.issues if terms else [_issue_in(one) for one in issue or []],
        preferences=terms.preferences if terms else None,
        veto=terms.veto if terms else (),
        needed=terms.needed if terms else None,
        protocol=protocol,
        concession=concession,
        rounds=cap_of(rounds),
        threshold=threshold,
    )
    if plot:
        check_plot(plot)
    context = NegotiationContext(model=model, model_seconds=model_seconds)
    drawing = partial(_plot_negotiation, plot) if plot else None
    return run_graph(builder.compile(name="negotiation"), asked, context, budget, as_json, trace, drawing)


@run_app.command("reflection")
def run_reflection(
    task: Annotated[str, typer.Argument(help="What is to be done; - reads it from standard input.")],
    graph: Annotated[
        str, typer.Option("--graph", "-g", help="What does the work: a pattern, or your graph as module:name.")
    ] = "react",
    memory: MemoryFolder = None,
    expect: Annotated[
        str | None, typer.Option(help="The run succeeds when its answer has this in it: a number, or words.")
    ] = None,
    check: Annotated[
        str | None, typer.Option(help="Your check, as module:function, of the task and the output.")
    ] = None,
    feature: Annotated[
        list[str] | None, typer.Option(help="What is known of the task (several times): domain=finance.")
    ] = None,
    retries: Annotated[int, typer.Option(help="How often an attempt that failed is made again.")] = 0,
    reflect: Annotated[bool, typer.Option(help="Ask the model what caused a failure.")] = True,
    lessons: Annotated[int, typer.Option(help="How many lessons are given at most, up to 3.")] = 2,
    mine_every: Annotated[int, typer.Option(help="Look for patterns when so many labelled runs are new.")] = 50,
    self_judged: Annotated[bool, typer.Option(help="Count outcomes that only the graph itself judged.")] = False,
    model: Model = "embedded",
    budget_calls: BudgetCalls = None,
    budget_tokens: BudgetTokens = None,
    budget_seconds: BudgetSeconds = None,
    model_seconds: ModelSeconds = 120.0,
    work_seconds: Annotated[float, typer.Option(help="Time limit of one attempt.")] = 600.0,
    as_json: AsJson = False,
    trace: Trace = None,
) -> int:
    """Let a graph do a task, with what it learned from earlier runs, and remember this one."""
    from langgraph.checkpoint.memory import InMemorySaver

    from .cli_memory import folder_of
    from .graphs.reflection import create_reflection
    from .memory.experience import ExperienceMemory
    from .nodes.reflection_state import ReflectionContext
    from .nodes.run_facts import features_in, has_answer

    asked = words_of(task, 'agora run reflection "What is 17 * 23?" --expect 391')
    budget = budget_of(budget_calls, budget_tokens, budget_seconds)
    if expect is not None and (check or not expect.strip()):
        raise ConfigError("Give either --check module:function, or --expect with a number or words.")
    known = features_in(feature or [])
    with ExperienceMemory(folder_of(memory)) as kept:
        builder = create_reflection(
            _graph_named(graph),
            memory=kept,
            check=_named(check, "--check") if check else partial(has_answer, expect) if expect else None,
            features=partial(_known, known),
            retries=retries,
            reflect=reflect,
            lessons=lessons,
            mine_every=mine_every,
            self_judged=self_judged,
        )
        context = ReflectionContext(model=model, model_seconds=model_seconds, work_seconds=work_seconds)
        compiled = builder.compile(InMemorySaver(), name="reflection")
        return run_graph(compiled, asked, context, budget, as_json, trace)


@run_app.command("resolution")
def run_resolution(
    about: Annotated[str, typer.Argument(help="The conflict in words; - reads it.")],
    agents: Agents = "3",
    strategy: Annotated[
        str, typer.Option("--strategy", "-s", help="auto, negotiation, arbitration, majority_rule, ...")
    ] = "auto",
    conflict: Annotated[Path | None, typer.Option(help="The conflict in JSON, with what is known of it.")] = None,
    option: Annotated[
        list[str] | None, typer.Option(help="What can be done (several times); the parties propose else.")
    ] = None,
    arbiter: Annotated[bool, typer.Option(help="Let a further agent decide where the parties cannot.")] = False,
    mediator: Annotated[bool, typer.Option(help="Let a further agent hold the text that is negotiated.")] = False,
    rounds: Annotated[int, typer.Option(help="Rounds of negotiation at most.")] = 5,
    model: Model = "embedded",
    budget_calls: BudgetCalls = None,
    budget_tokens: BudgetTokens = None,
    budget_seconds: BudgetSeconds = None,
    model_seconds: ModelSeconds = 120.0,
    as_json: AsJson = False,
    trace: Trace = None,
) -> int:
    """Settle a conflict by the strategy that fits it."""
    from .agents import Agent
    from .graphs.consensus import panel
    from .graphs.resolution import create_resolution
    from .nodes.json_text import read_json_text
    from .nodes.resolving import ResolutionContext

    asked = words_of(about, 'agora run resolution "Tea or coffee?" --option tea --option coffee')
    if conflict and option:
        raise ConfigError("Give either --option or --conflict FILE.")
    budget = budget_of(budget_calls, budget_tokens, budget_seconds)
    known = read_json_text(text_of(conflict), str(conflict)) if conflict else {"options": option} if option else None
    builder = create_resolution(
        panel(agents),
        strategy=strategy,
        conflict=known,
        arbiter=Agent("arbiter", role="You are a fair judge.") if arbiter else None,
        mediator=Agent("mediator", role="You look for what suits everybody.") if mediator else None,
        rounds=rounds,
    )
    context = ResolutionContext(model=model, model_seconds=model_seconds)
    return run_graph(builder.compile(name="resolution"), asked, context, budget, as_json, trace)


def _graph_named(given: str) -> Any:
    """A pattern's own graph, or somebody's: module:name."""
    from .graphs import PATTERNS

    if ":" in given:
        return _named(given, "--graph")
    if given not in PATTERNS:
        known = ", ".join(one for one in PATTERNS if one != "reflection")
        raise ConfigError(f"--graph was {given!r}; give {known}, or module:name.{nearest(given, PATTERNS)}")
    return import_module(f".graphs.{given}", __package__).graph


def _named(given: str, option: str) -> Any:
    """What module:name means; the modules of the folder that one is in are found, as `python -m` finds them."""
    module, _, name = given.partition(":")
    sys.path.insert(0, str(Path.cwd()))
    try:
        return getattr(import_module(module), name)
    except Exception as error:  # Somebody's module may raise anything when it is loaded.
        raise ConfigError(f"{option} {given!r} cannot be loaded: {type(error).__name__}: {error}") from error


def _known(features: dict[str, Any], task: str) -> dict[str, Any]:
    return features


def _team(given: str) -> list[Any]:
    """Agents from a file, or a number or names as elsewhere."""
    from .graphs.consensus import panel
    from .nodes.team_files import read_team

    named = given.lower().endswith((".yaml", ".yml", ".json"))
    return list(read_team(text_of(Path(given)), given) if named or Path(given).is_file() else panel(given))


def _issue_in(given: str) -> dict[str, Any]:
    """An issue from "price=50..150/10" or "colour=red,blue"."""
    from .nodes.issues import exact, plain

    name, equals, values = given.partition("=")
    if not equals or not values.strip():
        raise ConfigError(f"--issue was {given!r}; give price=50..150/10 (from, to, step) or colour=red,blue.")
    low, dots, rest = values.partition("..")
    if not dots:
        listed = [value.strip() for value in values.split(",")]
        numbers = [exact(value) for value in listed]
        known = [plain(number) for number in numbers if number is not None]
        return {"name": name.strip(), "values": known if len(known) == len(listed) else listed}
    high, _, step = rest.partition("/")
    return {"name": name.strip(), "low": low.strip(), "high": high.strip(), "step": step.strip() or "1"}


def _plot_negotiation(path: Path, result: dict[str, Any]) -> None:
    from .nodes.scenario import scenario_from
    from .plots import write_negotiation

    scenario = scenario_from(result["scenario"])
    write_negotiation(scenario, result["offers"], result["deal"], path)
