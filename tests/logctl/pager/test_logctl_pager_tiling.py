from __future__ import annotations

from itertools import pairwise

from hypothesis import given
from hypothesis import strategies as st

from logctl.pager.events import Piece
from logctl.pager.tiling import SPAN_RECORDS, Blank, Held, Kind, Tiling, spans_of


def rows(first_seq: int, next_seq: int) -> bytes:
    return b"".join(b'{"seq":%d}\n' % seq for seq in range(first_seq, next_seq))


def piece(first_seq: int, count: int, time_us: int = 1) -> Piece:
    return Piece(first_seq, count, time_us, rows(first_seq, first_seq + count))


def told(tiling: Tiling) -> list[object]:
    """What is said of each seq, from 1 on."""
    said: list[object] = []
    for span in tiling:
        assert span.first_seq == len(said) + 1 and len(span) == span.next_seq - span.first_seq > 0
        said += span.rows if isinstance(span, Held) else [span.kind] * len(span)
    return said


def test_pieces_tile_what_they_are_of() -> None:
    spans = list(spans_of(3, 12, [piece(4, 2), piece(8, 3)], Kind.FILTERED))
    assert [(span.first_seq, span.next_seq, isinstance(span, Held)) for span in spans] == [
        (3, 4, False),
        (4, 6, True),
        (6, 8, False),
        (8, 11, True),
        (11, 12, False),
    ]


def test_pieces_are_cut_to_what_is_asked_and_to_spans() -> None:
    spans = list(spans_of(5, 2100, [piece(1, 2500)], Kind.GONE))
    assert [len(span) for span in spans] == [SPAN_RECORDS, SPAN_RECORDS, 95]
    assert b"".join(span.data for span in spans if isinstance(span, Held)) == rows(5, 2100)


def test_records_that_come_late_have_their_place_behind() -> None:
    (span,) = spans_of(1, 2, [piece(1, 1, time_us=5)], Kind.GONE, at_us=9)
    assert isinstance(span, Held) and (span.time_us, span.at_us) == (5, 9)


CHANGES = st.lists(
    st.tuples(st.sampled_from(["put", "fill", "grow", "cut", "drop"]), st.integers(1, 40), st.integers(0, 20)),
    max_size=20,
)


@given(CHANGES)
def test_whatever_is_put_over_it_a_tiling_says_of_each_seq_what_was_said_last(
    changes: list[tuple[str, int, int]],
) -> None:
    tiling, model = Tiling(), list[object]()
    for what, seq, count in changes:
        end = seq + count
        if what in ("put", "fill") and count:
            model += [Kind.UNREAD] * (end - 1 - len(model))
        if what == "put":
            tiling = tiling.put(seq, end, spans_of(seq, end, [piece(seq, count)], Kind.GONE) if count else [])
            model[seq - 1 : end - 1] = rows(seq, end).splitlines()
        elif what == "fill":
            tiling = tiling.fill(seq, end, Kind.GONE)
            model[seq - 1 : end - 1] = [Kind.GONE] * count
        elif what == "grow":
            tiling = tiling.grown(end)
            model += [Kind.UNREAD] * (end - 1 - len(model))
        elif what == "cut":
            tiling = tiling.cut(seq)
            del model[seq - 1 :]
        else:
            dropped = [span for span in tiling if isinstance(span, Held)][:1]
            for span in dropped:
                model[span.first_seq - 1 : span.next_seq - 1] = [Kind.UNREAD] * len(span)
            tiling = tiling.without(dropped)
        assert told(tiling) == model
        kinds = [span.kind if isinstance(span, Blank) else None for span in tiling]
        assert not any(kind is not None and kind is other for kind, other in pairwise(kinds))
        for at in range(1, tiling.end_seq):
            found = tiling.at(at)
            assert found is not None and found.first_seq <= at < found.next_seq
        assert tiling.at(0) is None and tiling.at(tiling.end_seq) is None
