"""Data, drawing and the running of milestones. Knows the course."""
