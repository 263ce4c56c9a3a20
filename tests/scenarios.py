"""Small scenarios of negotiation by a seed, and slow answers to check fast ones by: fractions and plain loops."""

import random
from fractions import Fraction
from itertools import product

from langgraph_agora.nodes.negotiation import Preferences, Scenario


def drawn(rng: random.Random, *, parties=None, rule=False, coarse=None):
    """A scenario with few outcomes; coarse ones have scores 0, 1 and 2, so that ties are everywhere."""
    names = [f"p{number}" for number in range(parties or rng.randint(2, 5))]
    issues = {f"i{number}": [f"v{value}" for value in range(rng.randint(2, 4))] for number in range(rng.randint(1, 4))}
    coarse = rng.random() < 0.5 if coarse is None else coarse
    preferences = {
        name: Preferences(
            {issue: rng.randint(1, 3) if coarse else rng.random() + 0.01 for issue in issues},
            {
                issue: {value: rng.randint(0, 2) if coarse else rng.random() for value in values}
                for issue, values in issues.items()
            },
            rng.choice([0, 0.25, 0.5]) if coarse else round(rng.uniform(0, 0.6), 2),
        )
        for name in names
    }
    if not rule:
        return Scenario(issues, preferences)
    return Scenario(
        issues, preferences, veto=rng.sample(names, rng.randint(0, 2)), needed=max(1, len(names) - rng.randint(1, 2))
    )


class Slow:
    """A scenario worked out outcome by outcome."""

    def __init__(self, scenario):
        self.names = list(scenario.preferences)
        self.outcomes = [
            dict(zip([issue.name for issue in scenario.issues], values, strict=True))
            for values in product(*(issue.values for issue in scenario.issues))
        ]
        self.gains = [[self.gain(scenario, name, outcome) for name in self.names] for outcome in self.outcomes]
        needed, veto = scenario.needed or len(self.names), [self.names.index(name) for name in scenario.veto]
        self.zone = [
            number
            for number, gains in enumerate(self.gains)
            if sum(gain >= 0 for gain in gains) >= needed and all(gains[row] >= 0 for row in veto)
        ]
        for_all = [number for number, gains in enumerate(self.gains) if min(gains) >= 0]
        self.unanimous = bool(for_all)
        self.deals = for_all or self.zone
        self.ideals = [max((self.gains[d][row] for d in self.deals), default=0) for row in range(len(self.names))]

    def gain(self, scenario, name, outcome):
        wants = scenario.preferences[name]
        total, utility = sum(Fraction(str(weight)) for weight in wants.weights.values()), Fraction(0)
        for issue, value in outcome.items():
            scores = {key: Fraction(str(score)) for key, score in wants.scores[issue].items()}
            utility += Fraction(str(wants.weights[issue])) / total * scores[value] / max(1, *scores.values())
        return utility - Fraction(str(wants.reservation))

    def index(self, outcome):
        return self.outcomes.index(outcome)

    def product(self, number):
        value = Fraction(1)
        for gain in self.gains[number]:
            value *= gain
        return value

    def nash_order(self, number):
        """How many accept, how many gain, and the product of what those gain as shares of their best."""
        shares = [g / ideal for g, ideal in zip(self.gains[number], self.ideals, strict=True) if g > 0 and ideal > 0]
        product = Fraction(1)
        for share in shares:
            product *= share
        return sum(gain >= 0 for gain in self.gains[number]), len(shares), product

    def smallest_share(self, number):
        """The smallest gain as a share of the party's best; a party that can gain nothing has all it can."""
        return min(
            gain / ideal if ideal > 0 else Fraction(1) if gain >= 0 else Fraction(-1)
            for gain, ideal in zip(self.gains[number], self.ideals, strict=True)
        )

    def efficient(self, number):
        own = self.gains[number]
        return not any(
            all(o >= g for o, g in zip(self.gains[d], own, strict=True)) and self.gains[d] != own for d in self.deals
        )
