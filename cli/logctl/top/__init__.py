"""All runs on a terminal, live: how each does, how fast and how far it is, and how the daemon does as a whole.

`model` and `view` are pure; `session` joins them to a terminal and to a connection, as logctl.screen has these.
"""
