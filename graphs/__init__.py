"""The graphs, one file a pattern."""
