"""A learner's commands. They know course, run and milestone, and not each other."""
