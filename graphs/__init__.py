"""The graphs, one file a pattern: `create_<pattern>(...)`, and a module-level compiled `graph`."""

PATTERNS = {
    "auction": "agents bid for tasks; the winner does the work, and the next one when it fails",
    "consensus": "agents propose and vote; by rules of voting, Raft, PBFT, Byzantine rounds or stake",
    "hierarchy": "a coordinator breaks a task down; a team does the parts at the same time, and who fails is replaced",
    "negotiation": "agents argue in words for offers that code works out, until they agree",
    "planning": "tasks are decomposed by search, done by tools and agents, and mended when something breaks",
    "react": "one agent that thinks, acts and observes in turn, with a loop guard",
    "reflection": "any graph, with a memory of its runs and lessons that are tried, measured and kept when they help",
    "resolution": "a conflict is settled by the strategy that fits it: talks, a vote, an arbiter, an auction, a game",
}
"""Pattern -> what it is, in a line. The module `graphs.<pattern>` holds it."""
