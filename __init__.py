"""langgraph-agora: coordination patterns for LangGraph."""
