"""A verdict to be trusted: what judges is hashed, who is judged is confined. Knows course and run."""
