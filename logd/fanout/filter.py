r"""Which stored records of a block match a filter, decided over the block's bytes.

A filter is one regular expression over stored lines. As a record's keys have a fixed order it can say everything: the
times from one to another, the levels, what is in the message (pattern.py), the labels:

    {"time":"2026-11-21T(?:1[4-9]|...)","level":"(?:ERROR|FATAL)","msg":"...slow\ page..."...,"stream":"stderr"...

Repeated, it matches a whole stretch of such lines in one call into RE2, however many these are.

Where texts are known of which every matching line has one, a search with vector instructions finds these first; while
they are rare, RE2 is left out, and the lines that they are in are parsed and decided one by one. So are lines that RE2
finds by an expression which is not exact, and, where there is no RE2, all.

The reference parses every line with the standard library, and looks at each message alone.

Known limit: a line that is no stored record, as a disk's damage leaves them, may be taken to match or not to.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterable, Iterator
from functools import cached_property
from itertools import chain
from typing import Any

from logd import accel
from logd.fanout.pattern import JSON_CHARACTER, Pattern, compile_re2, json_text
from logd.record import MAX_TIME_US, Rows, Severity, rfc3339, severity_from_number

Record = dict[str, Any]
Span = tuple[int, int]
"""Whole lines of a block, by the offsets that they begin and end at."""

_SAMPLE_BYTES = 8 * 1024
"""How much of a block is looked at first to tell whether needles are rare in it."""

_RARE_BYTES = 2 * 1024
"""Needles are rare where there is one in so many bytes: to decide a line takes as long as RE2 takes for these."""


class Filter:
    """What records have to be. A criterion that is not given holds for all.

    Args:
        pattern: matches the message: a regular expression in RE2's syntax, searched for anywhere in it.
        fixed: `pattern` is plain text.
        invert: `pattern` does not match the message. Without a pattern this says nothing.
        min_severity: the level is this or a more severe one; a record without a level has none.
        stream, source: the labels are these.
        since_us, until_us: the record's own time is not before the first, and is before the second.
        also: a filter that has to match, too.

    Raises:
        BadFilter: RE2 does not take the pattern; or it is one for RE2 (not fixed, or of any case), and google-re2 is
            not installed.
    """

    def __init__(
        self,
        *,
        pattern: str = "",
        fixed: bool = False,
        ignore_case: bool = False,
        invert: bool = False,
        min_severity: Severity = Severity.UNSET,
        stream: str = "",
        source: str = "",
        since_us: int | None = None,
        until_us: int | None = None,
        also: Filter | None = None,
    ) -> None:
        self._also = also
        self._criteria = _Criteria(min_severity, {"stream": stream, "source": source}, since_us, until_us)
        self._pattern = Pattern(pattern, fixed=fixed, ignore_case=ignore_case) if pattern else None
        self._invert = invert and self._pattern is not None

        self.level_mask = sum(severity.mask_bit for severity in Severity if severity >= min_severity)
        """A block whose level mask shares no bit with this has no record that matches."""
        self.matches_all = self._criteria.hold_for_all and self._pattern is None
        """No criterion is given."""
        if also is not None:
            self.level_mask &= also.level_mask
            self.matches_all &= also.matches_all

    @classmethod
    def of(cls, request: dict[str, Any]) -> Filter:
        """The filter that a request's map stands for, whose keys are as above; BadFilter where its pattern is none."""
        severity = severity_from_number(request.get("min_severity", 0))
        also = cls.of(request["also"]) if "also" in request else None
        return cls(**{**request, "min_severity": severity, "also": also})

    def select(self, rows: Rows) -> list[Rows]:
        """The records that match, as stretches of consecutive ones, in order, with others between any two of them."""
        if self._also is not None:
            return [found for own in self._select(rows) for found in self._also.select(own)]
        return self._select(rows)

    def _select(self, rows: Rows) -> list[Rows]:
        data = rows.data
        spans = _matching_spans(len(data), self, data)
        if spans == [(0, len(data))]:
            return [rows]
        selected: list[Rows] = []
        seq, at = rows.first_seq, 0
        for start, end in spans:
            seq += data.count(b"\n", at, start)
            selected.append(Rows(seq, data.count(b"\n", start, end), data[start:end]))
            seq, at = selected[-1].next_seq, end
        return selected

    def can_match(self, data: bytes) -> bool:
        """Whether a record that matches may be in a text, which is found out for less than where it is."""
        return _can_match(len(data), self, data) and (self._also is None or self._also.can_match(data))

    def _can_match_by_search(self, data: bytes) -> bool:
        return self._search_any_message is not None or self._search.can_match(data)

    def _can_match_reference(self, data: bytes) -> bool:
        return True

    def _spans(self, data: bytes) -> list[Span]:
        found = self._search.spans(data)
        if self._search_any_message is not None:
            found = _without(self._search_any_message.spans(data), found)
        return list(_joined(found))

    def _spans_reference(self, data: bytes) -> list[Span]:
        def holds_for(line: bytes) -> bool:
            return _holds_for(self._criteria, self._pattern, line, json.loads, invert=self._invert)

        lines = _lines_in(data, (0, len(data)))
        return list(_joined((start, end) for start, end in lines if holds_for(data[start:end])))

    @cached_property
    def _search(self) -> _Search:
        return _Search(self._criteria, self._pattern)

    @cached_property
    def _search_any_message(self) -> _Search | None:
        return _Search(self._criteria, None) if self._invert else None


_matching_spans = accel.operation(
    "filter", reference=Filter._spans_reference, accelerated=Filter._spans, threshold_bytes=64
)
"""The lines of a block that match a filter, as spans, with others between any two of them."""

_can_match = accel.operation(
    "sift",
    reference=Filter._can_match_reference,
    accelerated=Filter._can_match_by_search,
    threshold_bytes=0,
    measured=False,
)
"""Whether a text is worth looking at. Of every one, says the reference: to know would take it as long as to look."""


class _Criteria:
    """What a filter asks of all that is around the message."""

    def __init__(
        self, min_severity: Severity, labels: dict[str, str], since_us: int | None, until_us: int | None
    ) -> None:
        self._levels = [severity.name for severity in Severity if severity >= min_severity] if min_severity else []
        self._labels = {key: label for key, label in labels.items() if label}
        self._any_time = since_us is None and until_us is None
        self._oldest = _stored_time(0 if since_us is None else since_us)
        self._newest = _stored_time(_END_US if until_us is None else until_us - 1)
        self.hold_for_all = self._any_time and not self._levels and not self._labels
        stored_labels = [f'"{key}":"{json_text(label)}"' for key, label in self._labels.items()]
        self.needles = [needle.encode() for needle in self._levels or stored_labels[:1]]
        """Byte strings, one of which is in every line that these criteria hold for; none if there are none."""

    def hold_for(self, record: Record) -> bool:
        return (
            self._oldest <= record["time"] <= self._newest
            and (not self._levels or record.get("level") in self._levels)
            and (not self._labels or all(record.get(key) == label for key, label in self._labels.items()))
        )

    def lines(self, message: str) -> str:
        """An RE2 pattern for a stretch of lines.

        Args:
            message: one for a message as it is stored, from behind its opening quote up to its closing quote.
        """
        time = '[^"]*' if self._any_time else _times(self._oldest, self._newest)
        level = f'"level":"(?:{"|".join(self._levels)})",' if self._levels else '(?:"level":"[A-Z]*",)?'
        labels = "".join(map(self._label, ("stream", "source"))) if self._labels else ""
        return rf'(?m:^)(?:\{{"time":"{time}",{level}"msg":"{message}(?:,"raw":"[^"]*")?{labels}[^\n]*\n)+'

    def _label(self, key: str) -> str:
        if key in self._labels:
            return f',"{key}":"{re.escape(json_text(self._labels[key]))}"'
        return f'(?:,"{key}":"{JSON_CHARACTER}*")?'


_END_US = MAX_TIME_US + 999_999
"""No record's time is later."""


def _stored_time(time_us: int) -> str:
    """A time as records have it; where these end, one that is before or behind them all."""
    return rfc3339(min(max(time_us, -1), _END_US))


def _times(oldest: str, newest: str) -> str:
    """An RE2 pattern for the texts from `oldest` to `newest`, where a digit is under each other's digit."""
    if oldest > newest:
        return r"[^\x00-\x{10FFFF}]"  # matches nothing
    if oldest == _least(oldest) and newest == _greatest(newest):
        return f"[!-~]{{{len(oldest)}}}"
    first, last, rest = oldest[0], newest[0], len(oldest) - 1
    if first == last:
        return re.escape(first) + _times(oldest[1:], newest[1:])
    ways = [first + _times(oldest[1:], _greatest(oldest[1:])), last + _times(_least(newest[1:]), newest[1:])]
    between = [chr(code) for code in range(ord(first) + 1, ord(last))]
    if between:
        ways.append(f"[{''.join(between)}][!-~]{{{rest}}}")
    return f"(?:{'|'.join(ways)})"


def _least(time: str) -> str:
    return re.sub(r"\d", "0", time)


def _greatest(time: str) -> str:
    return re.sub(r"\d", "9", time)


class _Search:
    """Finds the lines for which all criteria hold, and whose message matches a pattern."""

    def __init__(self, criteria: _Criteria, pattern: Pattern | None) -> None:
        self._criteria = criteria
        self._pattern = pattern
        message = pattern.over_json() if pattern else f'{JSON_CHARACTER}*"'
        self._lines = _compile_lines(criteria.lines(message))
        self._exact = pattern is None or pattern.exact
        self._exact_for_unescaped = pattern is None or pattern.exact_for_unescaped
        needles = (pattern.needles if pattern else []) or criteria.needles
        self._find_needles = _needle_search(needles) if needles else None

    def can_match(self, data: bytes) -> bool:
        """Whether one may be in a text; True also where it is sooner to find them than to tell."""
        return self._rare_needles(data) != []

    def spans(self, data: bytes) -> Iterable[Span]:
        """Where they are, in order. Two spans may touch, as lines are found one by one or several at once."""
        if self._pattern is None and self._criteria.hold_for_all:
            return [(0, len(data))]
        hits = self._rare_needles(data)
        if hits is not None:
            return self._decided(data, _lines_around(data, hits))
        if self._lines is None:
            return self._decided(data, [(0, len(data))])
        found = self._stretches(data)
        return found if self._exact else self._decided(data, found, sure_of_unescaped=self._exact_for_unescaped)

    def _stretches(self, data: bytes) -> Iterator[Span]:
        # To match at a given place takes half as long as to search: RE2 goes through what it found again for its start.
        first = self._lines.match(data)
        if first:
            yield first.span()
        for match in self._lines.finditer(data, first.end() if first else 0):
            yield match.span()

    def _rare_needles(self, data: bytes) -> list[int] | None:
        """Where a line that matches can be; None where it can be anywhere, or in so many places that RE2 is sooner."""
        if self._find_needles is None:
            return None
        if self._lines is None:
            return self._find_needles(data)
        sample = memoryview(data)[:_SAMPLE_BYTES]
        if len(self._find_needles(sample)) * _RARE_BYTES > len(sample):
            return None
        hits = self._find_needles(data)
        return hits if len(hits) * _RARE_BYTES <= len(data) else None

    def _decided(self, data: bytes, spans: Iterable[Span], *, sure_of_unescaped: bool = False) -> Iterator[Span]:
        """Of the lines in `spans` those that match; those without an escape all do where that is sure."""

        def is_sure(start: int, end: int) -> bool:
            return sure_of_unescaped and data.find(b"\\", start, end) < 0

        for span in spans:
            for start, end in [span] if is_sure(*span) else _lines_in(data, span):
                if is_sure(start, end) or _holds_for(self._criteria, self._pattern, data[start:end], _loads):
                    yield start, end


def _holds_for(
    criteria: _Criteria, pattern: Pattern | None, line: bytes, loads: Callable[[bytes], Any], *, invert: bool = False
) -> bool:
    """Whether a line matches, parsed by `loads`; one that is no record does not."""
    try:
        record = loads(line)
        return criteria.hold_for(record) and (pattern is None or pattern.matches(record["msg"]) != invert)
    except (ValueError, TypeError, KeyError):
        return False


def _orjson_loads() -> Callable[[bytes], Any]:
    try:
        from orjson import loads
    except ImportError:
        return json.loads
    return loads


_loads = _orjson_loads()


def _compile_lines(pattern: str) -> Any:
    """The pattern compiled, or None where there is no RE2, or the pattern has become too long for it."""
    try:
        return compile_re2(pattern)
    except (ImportError, ValueError):
        return None


def _needle_search(needles: list[bytes]) -> Callable[[bytes | memoryview], list[int]]:
    """Gives where the needles are, in order."""
    try:
        from ahocorasick_rs import BytesAhoCorasick, MatchKind
    except ImportError:
        return lambda data: sorted(chain.from_iterable(_find_all(needle, bytes(data)) for needle in needles))
    find = BytesAhoCorasick(needles, matchkind=MatchKind.LeftmostFirst).find_matches_as_indexes
    return lambda data: [start for _, start, _ in find(data)]


def _find_all(needle: bytes, data: bytes) -> Iterator[int]:
    start = data.find(needle)
    while start >= 0:
        yield start
        start = data.find(needle, start + len(needle))


# Spans


def _lines_in(data: bytes, span: Span) -> Iterator[Span]:
    start, span_end = span
    while start < span_end:
        end = data.find(b"\n", start) + 1 or span_end
        yield start, end
        start = end


def _lines_around(data: bytes, offsets: Iterable[int]) -> Iterator[Span]:
    """Each line that one or more of the offsets are in; they are in order."""
    end = 0
    for offset in offsets:
        if offset >= end:
            start = data.rfind(b"\n", end, offset) + 1 or end
            end = data.find(b"\n", offset) + 1 or len(data)
            yield start, end


def _joined(spans: Iterable[Span]) -> Iterator[Span]:
    """The same lines in as few spans as can be."""
    start = end = 0
    for next_start, next_end in spans:
        if next_start != end:
            if start < end:
                yield start, end
            start = next_start
        end = next_end
    if start < end:
        yield start, end


def _without(spans: Iterable[Span], excluded: Iterable[Span]) -> Iterator[Span]:
    """What of `spans` is in none of the `excluded`; these are within them."""
    gaps = iter(excluded)
    gap = next(gaps, None)
    for start, end in spans:
        at = start
        while gap is not None and gap[0] < end:
            if at < gap[0]:
                yield at, gap[0]
            at = gap[1]
            gap = next(gaps, None)
        if at < end:
            yield at, end
