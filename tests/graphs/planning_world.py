"""A world for planner graphs: tools that change it, faults that are put into it, and what was called."""

import json
import threading
from collections import Counter
from pathlib import Path

DATA = json.loads((Path(__file__).parents[1] / "data" / "replanning_scenarios.json").read_text())
BASE = DATA["base_domain"]
SCENARIOS = {one["id"].split("_")[0]: one for one in DATA["scenarios"]}


class World:
    """The state of the world, and a tool for each primitive of a domain file.

    `inject`: as in the data file; `calls`: what was called, "!" failed, "?" had no effect.
    """

    def __init__(self, case=BASE, inject=()):
        self.case, self.inject = case, dict(inject)
        self.state = dict(case["init"])
        self.calls, self.seen, self.lock = [], Counter(), threading.Lock()

    def tools(self):
        return [self.tool(name) for name in self.case["primitives"]]

    def tool(self, name):
        def call():
            return self.call(name)

        call.__name__, call.__doc__ = name, f"Do {name}."
        return call

    def call(self, name):
        fault = self.inject.get(name, "")
        with self.lock:
            self.seen[name] += 1
            first = self.seen[name] == 1
            if "always" in fault or "sleeps" in fault or ("raises once" in fault and first):
                self.calls.append(f"{name}!")
            elif "unchanged" in fault and first:
                self.calls.append(f"{name}?")
                return f"{name} ok"
            else:
                self.calls.append(name)
                self.apply(name)
                self.change(self.inject.get(f"after {name}", "") if first else "")
                return f"{name} ok"
        if "sleeps" in fault:
            threading.Event().wait()
        raise RuntimeError(f"{name} is down")

    def apply(self, name):
        for variable, sign, value in self.case["primitives"][name]["eff"]:
            self.state[variable] = value if sign == "=" else self.state[variable] + value

    def change(self, what):
        self.state |= {"disk": "full"} if "disk" in what else {"parsed": False} if "parsed" in what else {}

    def sense(self):
        with self.lock:
            return dict(self.state)

    def sense_with_state(self, believed):
        assert isinstance(believed, dict)
        return self.sense()


def json_of(result):
    """The state without its messages: it is JSON, and nothing in it changes when it is stored."""
    values = {key: value for key, value in result.items() if key not in ("messages", "__interrupt__")}
    assert json.loads(json.dumps(values, allow_nan=False)) == values
    return values
