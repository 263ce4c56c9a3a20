"""How patterns are found: conditions from features, exact tests within strata, the search, and words for effects."""
