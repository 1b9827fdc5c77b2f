"""A maintainer's commands: gates, records, checks. They know course, run and milestone."""
