"""Hierarchical planning: tasks are decomposed by methods until only operators are left, and the plan is kept as a tree.

Plain imports on purpose: `contingencies` and `risks` are modules and functions, and a lazy name would give the module.

Example:
    >>> boil, brew = Operator("boil", eff=[("hot", "=", True)]), Operator("brew", pre=[("hot", "==", True)], p=0.9)
    >>> domain = Domain([boil, brew], [Method("classic", "tea", subtasks=[("s1", "boil"), ("s2", "brew")])])
    >>> plan = find_plan(domain, {}, ["tea"])
    >>> plan.names, plan.success_probability, schedule(plan, 2).makespan
    (['boil', 'brew'], 0.9, 2.0)
"""

from .contingencies import contingencies
from .domain import Domain, Method, Operator, Task
from .domain_files import Problem, read_problem, write_problem
from .plan import Plan
from .risks import risks
from .scheduling import schedule
from .search import Limits, find_plan

__all__ = [
    "Domain",
    "Limits",
    "Method",
    "Operator",
    "Plan",
    "Problem",
    "Task",
    "contingencies",
    "find_plan",
    "read_problem",
    "risks",
    "schedule",
    "write_problem",
]
