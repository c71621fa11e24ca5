"""The pager behind `logctl attach` on a terminal: what it holds, what keys do to it, and what it shows.

All in here is pure: `model.update` takes a state, an event and the time, and gives a state and effects; `view.view`
takes a state and gives a screen. There is no terminal, clock, socket or event loop in it. Whoever joins it to these
needs `events`, `model` and `view` alone.
"""
