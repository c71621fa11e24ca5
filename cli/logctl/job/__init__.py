"""A command that runs as a job: what `logctl run` and `kill` are made of."""
