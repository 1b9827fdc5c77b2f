"""A maintainer's commands: gates, records, checks. They know every room but teacher and learner."""
