"""A spec on somebody's code: runs, verdicts, variants, certificates. Knows the course."""
