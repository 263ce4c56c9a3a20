"""Games drawn by chance, and other views of a game, for the tests beside."""

from itertools import product
from math import prod

from langgraph_agora.nodes.game_theory.game import Game, nested


def drawn(rng, shape, highest):
    """A game with payoffs 0 to `highest`: with 2 most games are degenerate, with 999 hardly any is."""
    return Game([nested([rng.randint(0, highest) for _ in range(prod(shape))], shape) for _ in shape])


def shuffled(rng, game):
    """The same game with its players and actions in another order, and what turns its points back."""
    players = rng.sample(range(game.n), game.n)
    actions = [rng.sample(range(game.shape[player]), game.shape[player]) for player in players]
    shape = [len(own) for own in actions]
    flat = []
    for player in players:
        row = []
        for profile in product(*map(range, shape)):
            old = dict(zip(players, (own[at] for own, at in zip(actions, profile, strict=True)), strict=True))
            row.append(game.payoff([old[i] for i in range(game.n)])[player])
        flat.append(nested(row, shape))

    def back(point):
        turned = {}
        for player, own, shares in zip(players, actions, point, strict=True):
            turned[player] = tuple(share for _, share in sorted(zip(own, shares, strict=True)))
        return tuple(turned[i] for i in range(game.n))

    return Game(flat), back


def rescaled(rng, game):
    """The same preferences on other scales, one for each player."""
    tables = []
    for player in range(game.n):
        factor, shift = rng.choice(["1/7", "3", "5/2"]), rng.randint(-99, 99)
        scale = Game([[factor]]).table(0)[0]
        tables.append(nested([payoff * scale + shift for payoff in game.table(player)], game.shape))
    return Game(tables)
