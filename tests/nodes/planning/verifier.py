"""A judge of plans, written from the definition alone: it reads the domain file's JSON and a plan's nodes."""

from itertools import pairwise, product

TESTS = {
    "==": lambda a, b: type_of(a) == type_of(b) and a == b,
    "!=": lambda a, b: not (type_of(a) == type_of(b) and a == b),
    "<": lambda a, b: ordered(a, b) and a < b,
    "<=": lambda a, b: ordered(a, b) and a <= b,
    ">": lambda a, b: ordered(a, b) and a > b,
    ">=": lambda a, b: ordered(a, b) and a >= b,
}


def type_of(value):
    return float if type(value) is int else type(value)


def ordered(a, b):
    return type_of(a) == type_of(b) and type_of(a) in (float, str)


def put(given, binding):
    """Names for parameters, in texts such as at(?o), and in lists of them."""
    if isinstance(given, list):
        return [put(one, binding) for one in given]
    if not isinstance(given, str):
        return given
    if "(" in given:
        name, args = given.rstrip(")").split("(")
        return f"{name}({', '.join(binding.get(arg.strip(), arg.strip()) for arg in args.split(','))})"
    return binding.get(given, given)


def holds(condition, state):
    left, sign, value = condition
    return TESTS[sign](state.get(left), value)


def after(effects, state):
    state = dict(state)
    for name, sign, value in effects:
        if sign != "=" and type_of(state.get(name)) is not float:
            return None
        state[name] = value if sign == "=" else state[name] + value if sign == "+=" else state[name] - value
    return {name: value for name, value in state.items() if value is not None}


def ways(case, task):
    """The methods of a task, ground: (id, conditions, subtasks, pairs of places (before, after))."""
    given = case["compounds"][task[0]]
    own = given.get("parameters", []) if isinstance(given, dict) else []
    for method in given["methods"] if isinstance(given, dict) else given:
        names = [one if isinstance(one, str) else one[0] for one in method.get("parameters", own)]
        everything = sorted({name for ones in case.get("objects", {}).values() for name in ones})
        for rest in product(everything, repeat=len(names) - len(task) + 1):
            binding = dict(zip(names, [*task[1:], *rest], strict=True))
            subtasks = [[key, tuple(put(list(parts), binding))] for key, *parts in method.get("subtasks", [])]
            conditions = put(method.get("conditions", []), binding)
            written = zip(conditions, method.get("conditions", []), strict=True)
            names_differ = [one for one, (left, *_) in written if left.startswith("?")]
            if all(TESTS[sign](left, value) for left, sign, value in names_differ):
                conditions = [one for one in conditions if one not in names_differ]
                yield method["id"], conditions, subtasks, pairs(method, subtasks)


def pairs(network, subtasks):
    keys = [key for key, _ in subtasks]
    if network.get("order", "total") == "total":
        return list(pairwise(keys))
    return [tuple(pair) for pair in network["order"]]


def step_of(case, task):
    """The conditions and effects of a ground step."""
    given = case["primitives"][task[0]]
    names = [one if isinstance(one, str) else one[0] for one in given.get("parameters", [])]
    binding = dict(zip(names, task[1:], strict=True))
    return put(given.get("pre", []), binding), put(given.get("eff", []), binding)


def execute(case, tasks, state=None):
    """The state after steps in this order, None where one cannot be carried out."""
    state = {name: value for name, value in (case["init"] if state is None else state).items() if value is not None}
    for task in tasks:
        pre, eff = step_of(case, task)
        if not all(holds(one, state) for one in pre) or (state := after(eff, state)) is None:
            return None
    return state


def faults(case, nodes):
    """What is wrong with a plan; `nodes`: (id, task, key, parent, method), in the order in which they were planned."""
    place, tasks, state, found = {}, {0: None}, dict(case["init"]), []
    children = {0: [], **{node.id: [] for node in nodes}}
    for number, node in enumerate(nodes):
        if node.parent not in tasks or node.id in tasks:
            return [f"{node.id} stands before its parent, or twice"]
        tasks[node.id] = node
        children[node.parent].append(node)
        place[node.id] = [number]
        above = node.parent
        while above:
            place[above].append(number)
            above = tasks[above].parent
    root = [[key, tuple(parts)] for key, *parts in case["root"]["subtasks"]]
    families = {0: [("", [], root, pairs(case["root"], root))]}
    for node in nodes:
        if not node.method:
            state = execute(case, [node.task], state)
            if state is None:
                return [*found, f"step {node.task} cannot be carried out"]
            continue
        families[node.id] = [
            way for way in ways(case, node.task) if way[0] == node.method and all(holds(one, state) for one in way[1])
        ]
    for id_, possible in families.items():
        made = {node.key: node for node in children[id_]}
        fits, under = False, {key: node.task for key, node in made.items()}
        for _, _, subtasks, order in possible:
            same = len(made) == len(children[id_]) and dict(subtasks) == under
            fits |= same and all(max(place[made[a].id]) < min(place[made[b].id]) for a, b in order)
        if not fits:
            found.append(
                f"{tasks[id_].task if id_ else 'the root'} does not become what stands under it there, in this order"
            )
    found += [f"step {node.task} has subtasks" for node in nodes if not node.method and children[node.id]]
    return found
