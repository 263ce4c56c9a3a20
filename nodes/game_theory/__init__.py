"""Games: equilibria, bargaining points, coalitions and what to choose; pure and, where it can be, exact."""
