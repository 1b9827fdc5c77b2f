"""A spec on somebody's code: runs, verdicts, variants. Knows the course."""
