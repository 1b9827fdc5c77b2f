"""For whoever hands the course out: the job of a fork, editions."""
