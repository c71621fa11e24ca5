"""What keys do: the one table that the pager, its help and its manual page go by. They mean what they mean in less(1).

A key is named as urwid names it. Digits before a command are its count, N below: but where several runs are shown, a
digit hides or shows one of them.
"""

from __future__ import annotations

from typing import Final, NamedTuple

from logctl.screen.keys import Binding


class Theme(NamedTuple):
    title: str
    bindings: tuple[Binding, ...]


THEMES: Final = (
    Theme(
        "Following",
        (
            Binding("toggle_follow", ("F",), "follow what comes, or pause"),
            Binding("end", ("G", ">", "end", "meta >"), "to the end; once more there: follow. NG: to record N"),
            Binding("interrupt", ("ctrl c",), "pause; or cancel a prompt, a search or a filter"),
        ),
    ),
    Theme(
        "Moving",
        (
            Binding("line_down", ("j", "down", "ctrl n", "ctrl e"), "a line down, or N"),
            Binding("line_up", ("k", "up", "y", "ctrl p", "ctrl y"), "a line up, or N"),
            Binding("page_down", (" ", "f", "page down", "ctrl f", "ctrl v"), "a page down"),
            Binding("page_up", ("b", "page up", "ctrl b", "meta v"), "a page up"),
            Binding("half_down", ("d", "ctrl d"), "half a page down"),
            Binding("half_up", ("u", "ctrl u"), "half a page up"),
            Binding("start", ("g", "<", "home", "meta <"), "to the first record. Ng: to record N"),
            Binding("percent", ("%", "p"), "N%: so far into the run"),
            Binding("right", ("right", "meta )"), "half a screen to the right, where lines are not wrapped"),
            Binding("left", ("left", "meta ("), "half a screen to the left"),
            Binding("set_mark", ("m",), "mark this record with a letter"),
            Binding("go_to_mark", ("'",), "to the mark of a letter; '' is where you were before"),
            Binding("where", ("=", "ctrl g"), "say which record this is, of which, and its time"),
        ),
    ),
    Theme(
        "Searching",
        (
            Binding("search", ("/",), "for RE2, forward"),
            Binding("search_back", ("?",), "backward"),
            Binding("again", ("n",), "again; Nn: the Nth on"),
            Binding("again_back", ("N",), "again, in the other direction"),
            Binding("next_error", ("e",), "to the next ERROR or FATAL; Ne: the Nth on"),
            Binding("last_error", ("E",), "to the one before"),
            Binding("next_warning", ("w",), "to the next WARN or worse"),
            Binding("last_warning", ("W",), "to the one before"),
            Binding("no_highlight", ("meta u",), "show what matches, or do not"),
        ),
    ),
    Theme(
        "Choosing",
        (
            Binding("filter", ("&",), "show only what matches RE2; !RE: what does not; nothing: all"),
            Binding("cycle_level", ("l",), "show only INFO, WARN, ERROR or worse; all"),
            Binding("command", (":",), "a command, as below"),
            Binding("toggle_run", tuple("123456789"), "where there are several runs: hide or show one"),
        ),
    ),
    Theme(
        "Records",
        (
            Binding("open", ("enter",), "open a folded record, or else see all its fields"),
            Binding("detail", ("i",), "see all its fields"),
            Binding("fold", ("o",), "open a record, or fold it"),
            Binding("copy", ("c",), "copy it"),
            Binding("edit", ("v",), "see it in $EDITOR"),
        ),
    ),
    Theme(
        "Screen",
        (
            Binding("toggle_wrap", ("S",), "wrap long lines, or chop them"),
            Binding("option", ("-",), "an option of less: -S as S, -i to ignore case in searches"),
            Binding("cycle_times", ("t",), "times: of the clock, since the beginning, none"),
            Binding("toggle_mouse", ("f2",), "take the mouse, or leave it to the terminal"),
            Binding("repaint", ("r", "R", "ctrl l", "ctrl r"), "paint it again"),
            Binding("runs", ("T",), "the list of runs"),
            Binding("people", ("P",), "who emits, and who else watches"),
            Binding("suspend", ("ctrl z",), "stop; `fg` goes on"),
            Binding("help", ("h", "H", "f1"), "this"),
            Binding("quit", ("q", "Q", "Z"), "quit"),
        ),
    ),
)

ACTIONS: Final = {key: binding.action for theme in THEMES for binding in theme.bindings for key in binding.keys}
"""What each key does."""
