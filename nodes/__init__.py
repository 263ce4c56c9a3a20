"""What a node does: pure cores (no model, no LangGraph) and the thin model-calling nodes around them."""
