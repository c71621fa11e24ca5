"""Requests that take more than one message."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any, NamedTuple

from logd.client.blocking import Client, refusal
from logd.errors import BadFilter
from logd.protocol import Batch, Error, ErrorCode, Page, Progress, Read, Reply, Runs, Verify
from logd.protocol.checks import (
    MAX_ID,
    MAX_PAGE_RECORDS,
)
from logd.record import Rows, skip_lines


def list_runs(client: Client) -> Iterator[dict[str, Any]]:
    """All runs, in the order of their names, as the reply to `runs` describes them."""
    after: str | None = ""
    while after is not None:
        reply = client.request(Runs(client.new_id(), after))
        yield from reply["runs"]
        after = reply["next"]


def verify_run(
    client: Client,
    run: str,
    *,
    repair: bool = False,
    on_progress: Callable[[int, int], None] = lambda done, total: None,
) -> dict[str, Any]:
    """Check all that is stored of a run, and return what was found, as the reply to `verify` describes it.

    Args:
        repair: mend what can be.
        on_progress: called with the bytes that were looked through, and those that there are.
    """
    request = Verify(client.new_id(), run, repair)
    client.send(request)
    while True:
        answer = _receive(client, request.id)
        if isinstance(answer, Progress):
            on_progress(answer.done, answer.total)
        elif isinstance(answer, Reply):
            return answer.value


class Piece(NamedTuple):
    """Consecutive records of a page."""

    rows: Rows
    time_us: int
    """When the daemon received them."""
    matches: bool
    """Whether they match the filter, or are around records that do."""


def pieces_of(page: Page | Batch) -> Iterator[Piece]:
    """The rows of a page, or of a subscription's batch, as its pieces."""
    lines = page.rows.splitlines(keepends=True) if len(page.pieces) > 1 else [page.rows]
    start = 0
    for first_seq, count, time_us, matches in page.pieces:
        end = start + count
        yield Piece(Rows(first_seq, count, b"".join(lines[start:end])), time_us, matches)
        start = end


def read_pages(
    client: Client,
    run: str,
    *,
    first_seq: int | None = None,
    end_seq: int | None = None,
    backward: bool = False,
    limit: int | None = None,
    before: int = 0,
    after: int = 0,
    criteria: dict[str, Any] | None = None,
    page_records: int = MAX_PAGE_RECORDS,
    ahead: bool = True,
) -> Iterator[Page]:
    """A run's records, page by page; each record comes once.

    Forward it ends with the newest record that there was when it began, however many come meanwhile.

    Args:
        first_seq, end_seq: only records from the first on, and before the second.
        backward: the newest page comes first; within each, records are in the order of their seqs.
        limit: how many records that match there are in all pages at the most: the oldest, or backward the newest.
        before, after: how many records around each that matches come with it, also from outside the seqs' bounds.
        criteria: what records have to be, as the protocol's filter; None for all.
        page_records: how many records a page has at the most; it also has no more than fit a frame.
        ahead: the next page is asked for before one is returned. Until the last page was, or the pages were closed,
            the connection is for nothing else then.

    Returns:
        Pages, of which some may have no records: each says how far the search has come. Their `next_seq` is None in
        the last.

    Raises:
        BadFilter: the filter's pattern is none.
        Refused: there is no such run, or it cannot be read.
        ConnectionLost: the daemon is gone.
    """

    def ask(from_seq: int | None) -> int:
        records = page_records if limit is None else min(limit, page_records)
        request = Read(client.new_id(), run, from_seq, None, backward, records, before, after, criteria)
        client.send(request)
        return request.id

    asked = ask(end_seq if backward else first_seq)
    # What may be shown yet. Where the reading begins, context may also be from outside the bounds.
    low, high = (first_seq or 1, MAX_ID) if backward else (1, end_seq or MAX_ID)
    while True:
        page: Page = _receive(client, asked)
        if not backward:
            high = min(high, page.head + 1)
        page = _cut(page, low, high)
        if page.pieces and backward:
            high = page.pieces[0][0]
        elif page.pieces:
            low = page.pieces[-1][0] + page.pieces[-1][1]
        if limit is not None:
            limit -= sum(count for _, count, _, matches in page.pieces if matches)
        following = page.next_seq
        if following is not None and (limit == 0 or (following <= low if backward else following >= high)):
            following, page = None, _changed(page, next_seq=None)
        if following is not None and ahead:
            asked = ask(following)
        yield page
        if following is None:
            return
        if not ahead:
            asked = ask(following)


def _cut(page: Page, low: int, high: int) -> Page:
    """What of a page is from record `low` on, and before `high`."""
    if not page.pieces or (page.pieces[0][0] >= low and page.pieces[-1][0] + page.pieces[-1][1] <= high):
        return page
    pieces = []
    dropped = kept = 0
    for first_seq, count, time_us, matches in page.pieces:
        start, end = max(first_seq, low), min(first_seq + count, high)
        if start < end:
            pieces.append([start, end - start, time_us, matches])
            kept += end - start
        dropped += max(0, min(low, first_seq + count) - first_seq)
    begin = skip_lines(page.rows, dropped)
    return _changed(page, pieces=pieces, rows=page.rows[begin : begin + skip_lines(page.rows[begin:], kept)])


def _changed(page: Page, **changes: Any) -> Page:
    return Page(**{**vars(page), **changes})


def _receive(client: Client, request_id: int) -> Any:
    """The next message that answers a request; what answers others, which nobody waits for any more, is left out."""
    while True:
        answer = client.receive()
        if isinstance(answer, Error) and answer.id in (request_id, None):
            raise BadFilter(answer.message) if answer.code == ErrorCode.BAD_FILTER else refusal(answer)
        if getattr(answer, "id", None) == request_id and not isinstance(answer, Error):
            return answer
