"""Going places: seeks and searches from their beginning to where they lead, and the pages that are read.

A page that answers a request is put into what it was read for; which that is, the state knows by the request's number.
What the user did meanwhile has taken those numbers away that are not wanted any more.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import replace

from logctl.figures import counted
from logctl.pager.document import Document, Edge, Place
from logctl.pager.events import PageRead, ReadFailed, Subscribe
from logctl.pager.filters import Filter
from logctl.pager.screen import Line
from logctl.pager.seeking import MAX_HITS, SEEK_SECONDS, Aim, Search, Seek, Side, Target, bound_of
from logctl.pager.state import Source, State
from logctl.pager.tiling import Blank, Held, Kind
from logctl.pager.turns import Turn

# Seeking


def seek(turn: Turn, target: Target, filter: Filter | None = None) -> None:
    """Go to a place, with another filter if one is given: at once if all is there, or else as soon as it is read."""
    state = turn.state
    filter = filter if filter is not None else shown_filter(state)
    turn.set_goal(None)
    if not state.connected:
        if filter != state.document.filter:
            turn.note("There is no connection: the filter stays as it is")
        else:
            _arrive(turn, target)
        return
    if filter == state.document.filter and _is_there(state, target):
        leave(turn)
        _arrive(turn, target)
        return
    _go_on(turn, Seek(target, filter, {}, state.now + SEEK_SECONDS))


def shown_filter(state: State) -> Filter:
    """The filter that is shown, or is about to be."""
    return state.goal.filter if state.goal is not None else state.document.filter


def is_refiltering(state: State) -> bool:
    return isinstance(state.goal, Seek) and state.goal.filter != state.document.filter


def _is_there(state: State, target: Target) -> bool:
    """Whether all that a screen at the target shows is held."""
    document = state.document
    if target.aim is Aim.STAY:
        return True
    if target.aim is Aim.TIME:
        return False
    if target.aim is Aim.SEQ:
        place = document.find(target.run, target.seq)
        if place is None or not document.is_record(place):
            return False
    else:
        place = document.start if target.aim is Aim.START else document.end if state.follow else document.last
    return place is not None and not any(
        isinstance(span := document.entry(near).span, Edge) and span.span.kind is Kind.UNREAD
        for near in _around(document, place, state.height)
        if not (state.follow and near == document.last)
    )


def _around(document: Document, place: Place, count: int) -> Iterator[Place]:
    """The entries around one, up to so many on either side, and itself."""
    for step in (document.before, document.after):
        at: Place | None = place
        for _ in range(count):
            if at is None:
                break
            yield at
            at = step(at)


def _go_on(turn: Turn, seeking: Seek) -> None:
    """Ask what is to be asked yet for a seek, or arrive."""
    state = turn.state
    target = seeking.target
    if target.aim is Aim.SEQ and not target.at_us and (time_us := _time_of(target, seeking.ready)):
        target = target._replace(at_us=time_us)
        seeking = replace(seeking, target=target)
    place = state.anchor if target.aim is Aim.STAY and not state.follow else None
    run, seq, at_us = (place.run, place.seq, place.at_us) if place is not None else target[1:4]
    sides: list[Side] = []
    for name in state.document.reels:
        if name in seeking.asked:
            continue
        if target.aim is Aim.START:
            sides.append(Side(name, False))
        elif target.aim is Aim.END or (target.aim is Aim.STAY and state.follow):
            sides.append(Side(name, True))
        elif name == run:
            sides += [Side(name, True, max(1, seq)), Side(name, False, max(1, seq))]
        elif at_us or target.aim is Aim.TIME:
            sides += [Side(name, True, None, at_us), Side(name, False, None, at_us)]
        elif not run or run not in state.document.reels:
            sides.append(Side(name, True))
    asked = {_ask(turn, side, seeking.filter): side for side in sides}
    runs = seeking.asked | {side.run for side in asked.values()}
    seeking = replace(seeking, sides={**seeking.sides, **asked}, asked=runs)
    turn.change(goal=seeking)
    if not seeking.sides:
        _land(turn, seeking)


def _ask(turn: Turn, side: Side, filter: Filter) -> int:
    return turn.ask(
        side.run, from_seq=side.from_seq, from_time_us=side.from_time_us, backward=side.backward, filter=filter
    )


def _time_of(target: Target, sides: tuple[Side, ...]) -> int:
    """When the daemon received the record that is sought; 0 where that is not known yet."""
    own = [side for side in sides if side.run == target.run]
    if len(own) < 2:
        return 0
    behind = [piece.time_us for side in own if not side.backward for piece in side.pieces]
    before = [piece.time_us for side in own if side.backward for piece in side.pieces]
    return behind[0] if behind else before[-1] if before else 1


def _land(turn: Turn, goal: Seek) -> None:
    """Show what was read, and go there."""
    turn.change(goal=None)
    old = turn.state.document
    refilters = goal.filter != old.filter
    # Several runs are read anew together: so that wherever one goes from there, none of them is missing.
    document = goal.put(old.blank(goal.filter) if refilters or len(old.reels) > 1 else old)
    if not refilters and len(old.reels) > 1:
        document = _with_tails(document, old)
    leave(turn)
    turn.change(document=document)
    if refilters:
        turn.change_runs(lambda name, _run: {"next_seq": document.reel(name).head + 1})
        subscribe(turn)
    _arrive(turn, goal.target)
    turn.show(turn.state.document)


def _with_tails(document: Document, old: Document) -> Document:
    """The document with what was pushed while it was read."""
    for run, reel in old.reels.items():
        spans = document.reel(run).spans
        for span in reel.spans:
            if isinstance(span, Held) and span.next_seq > spans.end_seq:
                first_seq = max(span.first_seq, spans.end_seq)
                spans = spans.put(first_seq, span.next_seq, [span.part(first_seq, span.next_seq)])
        document = document.with_spans(run, spans)
    return document


def subscribe(turn: Turn) -> None:
    """Watch the runs anew, as they are shown, from what was pushed or read of them on."""
    turn.drop_readings()
    state = turn.state
    after = {name: run.next_seq for name, run in state.runs.items() if run.next_seq}
    turn.change(epoch=state.epoch + 1)
    turn.do(Subscribe(turn.state.epoch, state.document.filter, after, paused=not state.follow))


def _arrive(turn: Turn, target: Target) -> None:
    """Have the screen show the target."""
    if target.aim is Aim.STAY or turn.state.follow:
        return
    document = turn.state.document
    if target.aim in (Aim.SEQ, Aim.TIME):
        by_seq = target.aim is Aim.SEQ
        place = document.nearest(target.run, target.seq, target.at_us) if by_seq else document.at_time(target.at_us)
        if place is not None:
            _arrive_at_record(turn, target, place)
        return
    state = turn.state
    paper, height = state.paper, state.height
    place = document.start if target.aim is Aim.START else document.last
    if place is None:
        return
    rows = paper.rows(place)
    number, row = (0, 0) if target.aim is Aim.START else (len(rows) - 1, height - 1)
    line = Line(place, number, rows[number])
    screen = paper.around(line, paper.settled_row(line, row, height), height)
    turn.change(anchor=paper.chosen(screen) or state.anchor)


def _arrive_at_record(turn: Turn, target: Target, place: Place) -> None:
    """Have a record for the anchor, on the row where it is; or if it is not on the screen as a whole, in the middle."""
    document = turn.state.document
    is_exact = document.is_record(place) and document.seq(place) == target.seq
    if target.aim is Aim.SEQ and not is_exact and document.is_record(place):
        turn.note(f"Record {target.seq:,} is not here: this is the nearest")
    line = _line_to_see(turn, place, target) if is_exact else turn.state.paper.line_at(place, 0)
    state = turn.state
    paper, height = state.paper, state.height
    shown = [each for each in state.screen.lines if each is not None and each.place == place]
    if line in shown and len(shown) == len(paper.rows(place)):
        row = state.screen.lines.index(line)
    else:
        wanted = height // 2 if target.screen_row is None else target.screen_row
        row = paper.settled_row(line, wanted, height)
    turn.change(anchor=paper.anchor(line, row))


def _line_to_see(turn: Turn, place: Place, target: Target) -> Line:
    """The row of a record to go to: of what was searched for the one that shows it. If that is folded, it is opened."""
    if target.opens:
        _scroll_to_hit(turn, place)
    line = _hit_in(turn.state, place)
    if target.opens and line is None and any(row.folds for row in turn.state.paper.rows(place)):
        turn.change(opened=turn.state.opened | {(target.run, target.seq)})
        _scroll_to_hit(turn, place)
        line = _hit_in(turn.state, place)
    if target.opens and line is not None:
        return line
    return turn.state.paper.line_at(place, target.start)


def _scroll_to_hit(turn: Turn, place: Place) -> None:
    """Where lines are chopped, scroll them sideways as far as is needed for what was searched for to be seen."""
    state = turn.state
    if state.wrap or (hit := state.paper.hit(place)) is None:
        return
    # A column at either side may have the mark of what is cut off there.
    if not (state.left + (state.left > 0) <= hit.start and hit.end < state.left + hit.room):
        turn.change(left=0 if hit.end < hit.room else max(0, hit.start - hit.room // 3))


def _hit_in(state: State, place: Place) -> Line | None:
    for number, row in enumerate(state.paper.rows(place)):
        if any(attribute.role == "hit" for attribute, _ in row.segments):
            return Line(place, number, row)
    return None


def leave(turn: Turn) -> None:
    """The user leaves this screen: what was new on it is seen."""
    newest = turn.state.newest_on_screen
    if any(turn.state.is_new(run, seq) for run, seq in newest.items()):
        turn.change_runs(lambda name, run: {"seen_seq": max(run.seen_seq, newest.get(name, 0))})


# Searching


def search(turn: Turn, wanted: Filter, said: str, *, backward: bool, count: int = 1) -> None:
    """Look for the next record that matches: from the one that is read, or while following from the screen.

    Args:
        count: the second of them, or the third...
    """
    state = turn.state
    if not state.connected:
        turn.note("There is no connection to search by")
        return
    filter, line = shown_filter(state), state.screen.anchor_line
    inclusive = line is None
    if line is None:
        line = state.screen.bottom if backward else state.screen.top
    turn.set_follow(False, Source.SEARCH)
    turn.set_goal(None)
    count = max(1, min(count, MAX_HITS))
    asks: dict[int, str] = {}
    cursors: dict[str, tuple[int, int, int]] = {}
    for name in state.shown_runs:
        seq = _next_of(state.document, name, line, backward=backward, inclusive=inclusive)
        reel = state.document.reel(name)
        request = turn.ask(name, from_seq=seq, backward=backward, filter=filter & wanted, limit=count)
        asks[request] = name
        cursors[name] = (seq, seq, reel.first_seq if backward else reel.head + 1)
    turn.change(goal=Search(filter & wanted, filter, said, backward, asks, cursors, count))


def _next_of(document: Document, run: str, line: Line | None, *, backward: bool, inclusive: bool) -> int:
    """Where to begin looking in a run: the seq of its first record behind a line, or that behind the last before it."""
    place = line.place if line is not None else None
    if place is not None and not inclusive:
        at: Place | None = document.before(place) if backward else document.after(place)
    else:
        at = place
    step = -1 if backward else 1
    number = at.entry if at is not None else None
    while number is not None and 0 <= number < len(document.order):
        entry = document.order[number]
        if entry.run == run:
            if at is not None and number == at.entry and isinstance(entry.span, Held):
                return document.seq(at) + backward
            return entry.next_seq if backward else entry.first_seq
        number += step
    reel = document.reel(run)
    return max(1, reel.first_seq) if backward else reel.head + 1


def _search_page(turn: Turn, goal: Search, page: PageRead) -> None:
    run = goal.asks[page.request]
    goal = goal.with_page(page)
    if (lacks := goal.lacks(run)) and page.next_seq is not None:
        request = turn.ask(run, from_seq=page.next_seq, backward=goal.backward, filter=goal.wanted, limit=lacks)
        goal = replace(goal, asks={**goal.asks, request: run})
    turn.change(goal=goal)
    if goal.asks:
        return
    hit = goal.nearest
    if hit is None:
        turn.note(f"{goal.said} is not found {'before' if goal.backward else 'after'} this{_hint_of(goal.wanted)}")
        if goal.filter != turn.state.document.filter:
            seek(turn, Target(Aim.STAY), goal.filter)
        else:
            turn.change(goal=None)
        return
    remember(turn)
    if len(goal.hits) < goal.count:
        turn.note(f"{goal.said} is found only {counted(len(goal.hits), 'time')}: this is the last")
    seek(turn, Target(Aim.SEQ, hit.run, hit.seq, hit.time_us, opens=bool(goal.wanted.patterns)), goal.filter)


def _hint_of(wanted: Filter) -> str:
    """What may be why nothing was found."""
    pattern = wanted.patterns[-1] if wanted.patterns else ""
    heeds_case = re.search("[A-Za-z]", re.sub(r"\\.", "", pattern)) and not pattern.startswith("(?i")
    return " · -i ignores case" if heeds_case else ""


def remember(turn: Turn) -> None:
    """Keep where the user is, to come back to."""
    if turn.state.anchor is not None:
        turn.change(marks={**turn.state.marks, "'": turn.state.anchor})


# Pages


def page_read(turn: Turn, page: PageRead) -> None:
    state = turn.state
    goal = state.goal
    if isinstance(goal, Search) and page.request in goal.asks:
        _search_page(turn, goal, page)
    elif isinstance(goal, Seek) and page.request in goal.sides:
        goal, side = goal.with_page(page, state.height)
        turn.change(goal=goal)
        if side.is_whole:
            _go_on(turn, goal)
        else:
            request = turn.ask(side.run, from_seq=side.bound_seq, backward=side.backward, filter=goal.filter)
            turn.change(goal=replace(goal, sides={**goal.sides, request: side}))
    elif page.request in state.readings:
        reading = state.readings[page.request]
        turn.change(readings={number: each for number, each in state.readings.items() if number != page.request})
        bound_seq = bound_of(page, backward=reading.backward)
        low, high = (bound_seq, reading.from_seq) if reading.backward else (reading.from_seq, bound_seq)
        document = state.document.with_pieces(reading.run, low, high, page.pieces)
        document = document.with_extent(reading.run, page.first_seq, page.head)
        edge = document.reel(reading.run).spans.at(reading.from_seq - reading.backward)
        if isinstance(edge, Blank) and edge.kind is Kind.UNREAD:
            turn.change(reads=False)  # there was nothing in it, and there would not be again
        turn.show(document)


def read_failed(turn: Turn, failure: ReadFailed) -> None:
    state = turn.state
    if state.goal is not None and failure.request in state.goal.requests:
        turn.set_goal(None)
        turn.note(failure.reason)
    elif failure.request in state.readings:
        turn.change(readings={number: each for number, each in state.readings.items() if number != failure.request})
        turn.change(reads=False)
        turn.note(failure.reason)


def hurry(turn: Turn) -> None:
    """Go on with what there is, where a seek has taken too long."""
    goal = turn.state.goal
    if isinstance(goal, Seek) and goal.sides and (late := goal.in_time(turn.state.now)) is not goal:
        turn.set_goal(late)
        _go_on(turn, late)
