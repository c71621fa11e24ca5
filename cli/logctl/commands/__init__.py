"""One module for each command of logctl: parse, build, call, print."""
