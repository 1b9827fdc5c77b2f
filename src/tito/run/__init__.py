"""A spec on somebody's code: runs, verdicts, results. Knows the course."""
