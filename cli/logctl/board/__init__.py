"""The board of a run on a terminal, live: how far the run is as a whole, and each of its items.

`model` and `view` are pure; `session` joins them to a terminal and to a connection, as logctl.screen has these.
"""
