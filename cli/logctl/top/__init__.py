"""All runs on a terminal, live: how each does, how fast and how far it is, and how the daemon does as a whole.

Built as the pager is, with its loop, terminal and theme. `model` and `view` are pure; `app` joins them to a terminal
and to a connection, which `session` opens.
"""
