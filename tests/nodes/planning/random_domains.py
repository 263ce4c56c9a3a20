"""Small random domains in the format of the files: choices, recursion, numbers, dead ends, total and partial order."""

OBJECTS = ["o1", "o2"]


def random_case(rng, *, lifted=None, partial=None, recursion=0.25, tests=(0, 0, 1, 1, 2)):
    """A domain file as a dict.

    Args:
        rng: A `random.Random`.
        lifted: Whether tasks have parameters; None: by chance.
        partial: Whether networks may be partially ordered; None: by chance.
        tests: How many conditions a step may have, each as often as it stands here.
        recursion: How often a subtask may be a task of the same or a higher level.
    """
    lifted = rng.random() < 0.35 if lifted is None else lifted
    partial = rng.random() < 0.6 if partial is None else partial
    variables = ["flag", "n", *(["at(?o)"] if lifted else ["mode"])]
    takes = {f"p{i}": lifted and rng.random() < 0.6 for i in range(rng.randint(2, 5))}
    levels = [f"t{i}" for i in range(rng.randint(1, 4))]
    takes |= {name: lifted and rng.random() < 0.5 for name in levels}
    case = {"init": {"flag": rng.random() < 0.5, "n": rng.randint(0, 2)}, "primitives": {}, "compounds": {}}
    if lifted:
        case["objects"] = {"thing": OBJECTS}
        case["init"] |= {f"at({name})": rng.choice("xy") for name in OBJECTS if rng.random() < 0.8}
    else:
        case["init"]["mode"] = rng.choice("xyz")
    for name in [name for name in takes if name.startswith("p")]:
        usable = [one for one in variables if "?" not in one or takes[name]]
        case["primitives"][name] = {
            **({"parameters": ["?o"]} if takes[name] else {}),
            "pre": [_condition(rng, rng.choice(usable)) for _ in range(rng.choice(tests))],
            "eff": [_effect(rng, rng.choice(usable)) for _ in range(rng.choice([0, 1, 1, 2]))],
            "duration": rng.randint(1, 4),
            "cost": rng.randint(0, 5),
            "p": rng.choice([1, 1, 1, 0.9, 0.9, 0.5, 0.5, 0]),
        }
    for level, name in enumerate(levels):
        count = rng.choice([0, 1, 2, 2, 3])
        methods = [
            _method(rng, f"m{number}", name, level, levels, takes, variables, partial, recursion)
            for number in range(count)
        ]
        case["compounds"][name] = (
            {"parameters": ["?o"], "methods": methods, "goal": []}
            if takes[name]
            else methods
            if not lifted
            else {"methods": methods}
        )
    root = [
        _task(rng, rng.choice([*levels, *levels, *case["primitives"]]), takes, OBJECTS)
        for _ in range(rng.randint(1, 3))
    ]
    case["root"] = {
        "subtasks": [[f"r{number}", *task] for number, task in enumerate(root)],
        "order": _order(rng, [f"r{number}" for number in range(len(root))], partial),
    }
    return case


def _method(rng, id_, task, level, levels, takes, variables, partial, recursion):
    names = ["?o"] if takes[task] else []
    if variables[-1] == "at(?o)" and rng.random() < 0.3:
        names = [*names, "?f"]
    bound = [one for one in variables if "?" not in one or names]
    conditions = [_condition(rng, _about(rng, rng.choice(bound), names)) for _ in range(rng.choice([0, 0, 0, 1, 1]))]
    if len(names) == 2 and rng.random() < 0.3:
        conditions.append(["?o", rng.choice(["!=", "=="]), "?f"])
    subtasks = []
    for number in range(rng.choice([0, 1, 1, 2, 2, 3])):
        lower = levels[level + 1 :]
        pool = levels if rng.random() < recursion else [*lower, *[one for one in takes if one.startswith("p")]]
        subtasks.append([f"s{number}", *_task(rng, rng.choice(pool), takes, names or OBJECTS)])
    keys = [key for key, *_ in subtasks]
    return {
        "id": id_,
        **({"parameters": [[one, "thing"] if one == "?f" else one for one in names]} if names else {}),
        "conditions": conditions,
        "subtasks": subtasks,
        "order": _order(rng, keys, partial),
        "p": rng.choice([1, 0.9, 0.8, 0.5]),
    }


def _about(rng, variable, names):
    return variable.replace("?o", rng.choice(names)) if names else variable


def _task(rng, name, takes, args):
    return [name, rng.choice(args)] if takes[name] else [name]


def _order(rng, keys, partial):
    if not partial or rng.random() < 0.4:
        return "total"
    return [[a, b] for place, a in enumerate(keys) for b in keys[place + 1 :] if rng.random() < 0.3]


def _condition(rng, variable):
    if variable == "n":
        return ["n", rng.choice(["==", "<", ">=", "!="]), rng.randint(0, 3)]
    if variable == "flag":
        return ["flag", rng.choice(["==", "!="]), rng.random() < 0.5]
    return [variable, rng.choice(["==", "==", "!="]), rng.choice("xyz")]


def _effect(rng, variable):
    if variable == "n":
        return rng.choice([["n", "=", rng.randint(0, 2)], ["n", "+=", 1], ["n", "-=", 1]])
    if variable == "flag":
        return ["flag", "=", rng.random() < 0.5]
    return [variable, "=", rng.choice(["x", "y", "z", None])]
