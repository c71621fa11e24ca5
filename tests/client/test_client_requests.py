"""Pages of a run as a client has them: whatever the bounds and the pages' sizes, the records that were asked for, once.

The daemon's side is its own paging, over blocks in memory.
"""

from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st
from memory_daemon import MemoryClient, MemoryRun, blocks_of

from logd.client import list_runs, pieces_of, read_pages, verify_run
from logd.daemon import paging
from logd.errors import BadFilter, ConnectionLost, Refused
from logd.protocol import Error, ErrorCode, Message, Page, Progress, Read, Reply, Runs, Verify


def records_in(pages: list[Page]) -> list[tuple[int, bool]]:
    """The seq of each record, and whether it matches. Its row says the same."""
    records = []
    for page in pages:
        assert page.rows == b"".join(piece.rows.data for piece in pieces_of(page))
        for rows, _, matches in pieces_of(page):
            assert rows.record_count == rows.data.count(b"\n")
            for seq, line in enumerate(rows.data.splitlines(), rows.first_seq):
                assert json.loads(line)["msg"].strip("xy") == str(seq)
                records.append((seq, matches))
    return records


def expected(
    messages: list[str], first: int, end: int, limit: int | None, before: int, after: int, *, backward: bool
) -> list[tuple[int, bool]]:
    """What grep shows, in the order of the seqs: behind the last that it may find, context goes up to the next."""
    matching = [seq for seq, message in enumerate(messages, 1) if message == "x" and first <= seq < end]
    found = set(matching if limit is None else matching[-limit:] if backward else matching[:limit])
    around = {seq for each in found for seq in range(each - before, each + after + 1) if 1 <= seq <= len(messages)}
    beyond = [seq for seq, message in enumerate(messages, 1) if message == "x" and seq not in found]
    if backward:
        stop = max((seq for seq in beyond if seq < min(found, default=0)), default=0)
        around = {seq for seq in around if seq > stop}
    else:
        stop = min((seq for seq in beyond if seq > max(found, default=0)), default=len(messages) + 1)
        around = {seq for seq in around if seq < stop}
    return [(seq, seq in found) for seq in sorted(around)]


@pytest.fixture
def small_pages(monkeypatch: pytest.MonkeyPatch) -> None:
    for name, size in {"PAGE_BYTES": 300, "CONTEXT_BYTES": 1000, "FULL_PAGE_BYTES": 3000, "WINDOW_BYTES": 200}.items():
        monkeypatch.setattr(paging, name, size)


@pytest.mark.usefixtures("small_pages")
@pytest.mark.parametrize("backward", [False, True])
@pytest.mark.parametrize("ahead", [False, True])
@given(
    messages=st.lists(st.sampled_from(["x", "y", "y"]), max_size=40),
    sizes=st.lists(st.integers(1, 12), min_size=1, max_size=3),
    first_seq=st.none() | st.integers(1, 30),
    end_seq=st.none() | st.integers(1, 45),
    limit=st.none() | st.integers(1, 6),
    page_records=st.integers(1, 7),
    sides=st.tuples(st.integers(0, 4), st.integers(0, 4)),
)
def test_pages_have_the_records_that_are_asked_for_once(
    messages: list[str],
    sizes: list[int],
    first_seq: int | None,
    end_seq: int | None,
    limit: int | None,
    page_records: int,
    sides: tuple[int, int],
    backward: bool,
    ahead: bool,
) -> None:
    before, after = sides
    client = MemoryClient(build=MemoryRun(blocks_of(messages, sizes)))
    pages = list(
        read_pages(
            client,
            "build",
            first_seq=first_seq,
            end_seq=end_seq,
            backward=backward,
            limit=limit,
            before=before,
            after=after,
            criteria={"pattern": "x", "fixed": True},
            page_records=page_records,
            ahead=ahead,
        )
    )
    assert [page.next_seq is None for page in pages] == [False] * (len(pages) - 1) + [True]
    records = records_in(pages[::-1] if backward else pages)
    first, end = first_seq or 1, end_seq or len(messages) + 1
    shown = expected(messages, first, end, limit, before, after, backward=backward)
    assert [seq for seq, matches in records if matches] == [seq for seq, matches in shown if matches]
    assert len({seq for seq, _ in records}) == len(records)
    assert records == sorted(records)
    # Where the reading ends at a bound, there may be context of what is behind that.
    inner = [each for each in records if (first <= each[0] if backward else each[0] < end)]
    assert [each for each in inner if each in shown] == [each for each in shown if each in inner]
    if (end_seq if not backward else first_seq) is None:
        assert records == shown


def test_pages_end_with_what_there_was_when_they_began() -> None:
    run = MemoryRun(blocks_of([""] * 9, [3]), head=6)
    client = MemoryClient(build=run)
    pages = read_pages(client, "build", page_records=2)
    assert records_in([next(pages)]) == [(1, True), (2, True)]
    run.extent = run.extent._replace(head=9)
    rest = list(pages)
    assert records_in(rest) == [(seq, True) for seq in range(3, 7)]
    assert rest[-1].next_seq is None


@pytest.mark.parametrize(("ahead", "asked"), [(True, 2), (False, 1)])
def test_the_next_page_is_asked_for_before_one_is_returned(ahead: bool, asked: int) -> None:
    client = MemoryClient(build=MemoryRun(blocks_of([""] * 9, [3])))
    next(read_pages(client, "build", page_records=3, ahead=ahead))
    assert [type(request) for request in client.requests] == [Read] * asked


def test_answers_to_others_are_left_out() -> None:
    client = MemoryClient(build=MemoryRun(blocks_of([""], [1])))
    client.answers += [Page(99, [], b"", 1, 1), Error(ErrorCode.NO_SUCH_RUN, "another's", 98), Progress(97, 1, 2)]
    (page,) = read_pages(client, "build")
    assert records_in([page]) == [(1, True)]


@pytest.mark.parametrize(
    ("answer", "error"),
    [
        (Error(ErrorCode.BAD_FILTER, "'(' is not a pattern", 1), BadFilter),
        (Error(ErrorCode.STORE_FAILED, "the disk says no", 1), Refused),
        (Error(ErrorCode.STOPPING, "stopping"), ConnectionLost),
    ],
)
def test_an_error_is_raised_as_what_it_is(answer: Message, error: type[Exception]) -> None:
    client = MemoryClient()
    client.answers.append(answer)
    with pytest.raises(error):
        next(read_pages(client, "build"))


def test_a_run_that_there_is_not_is_refused() -> None:
    with pytest.raises(Refused) as caught:
        list(read_pages(MemoryClient(), "build"))
    assert caught.value.code == ErrorCode.NO_SUCH_RUN


def test_a_run_without_records_is_a_page_without_pieces() -> None:
    (page,) = read_pages(MemoryClient(build=MemoryRun([])), "build")
    assert (page.pieces, page.rows, list(pieces_of(page))) == ([], b"", [])


# Other requests


def test_runs_are_listed_page_by_page() -> None:
    client = MemoryClient()
    client.answers += [
        Reply(1, {"runs": [{"name": "a"}, {"name": "b"}], "next": "b"}),
        Reply(2, {"runs": [{"name": "c"}], "next": None}),
    ]
    assert [run["name"] for run in list_runs(client)] == ["a", "b", "c"]
    assert client.requests == [Runs(1), Runs(2, "b")]


def test_a_check_tells_how_far_it_is() -> None:
    client = MemoryClient()
    client.answers += [Progress(1, 10, 30), Progress(99, 1, 1), Progress(1, 20, 30), Reply(1, {"records": 5})]
    told: list[tuple[int, int]] = []
    found = verify_run(client, "build", repair=True, on_progress=lambda done, total: told.append((done, total)))
    assert found == {"records": 5}
    assert told == [(10, 30), (20, 30)]
    assert client.requests == [Verify(1, "build", repair=True)]
