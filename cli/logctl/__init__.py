"""The command `logctl`: sends logs to the daemon, runs jobs under it, and shows what it holds."""
