"""The board of a run on a terminal, live: how far the run is as a whole, and each of its items.

Built as the pager is, with its loop, terminal and theme. `model` and `view` are pure; `app` joins them to a terminal
and to a connection, which `session` opens.
"""
