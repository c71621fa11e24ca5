"""Checking all that is stored of a run, while it may be written, rotated, compressed and dropped by others.

Only what the run's extent holds is looked at. Of each of its segments: both files are there; the index's header is
sound and this segment's; neither generations nor times fall; every entry is sound; blocks follow each other without a
gap, in the text and in seqs, from the segment's first to the next segment's; every block's bytes match their sum, and
are as many lines as there are records; in sealed segments nothing comes behind. To read compressed text is to check its
seek table and its frames.

Where something seems wrong and the extent was replaced meanwhile, the segment is checked again: one that was dropped,
or was written again to other files, as the disk could not sync it, is no problem. What a stop or a repair left in the
folder is noted, and is none either.
"""

from __future__ import annotations

import errno
import os
from bisect import bisect_left, bisect_right
from collections.abc import Callable
from itertools import accumulate

from logd.errors import StoreError
from logd.store.index import ENTRY_BYTES, HEADER_BYTES, Header, Index
from logd.store.reader import Extent
from logd.store.recovery import Around
from logd.store.report import MAX_NOTES, Findings, Problem, Report, StretchProblems
from logd.store.scan import (
    READ_BYTES,
    Scan,
    Span,
    allowed_generations,
    lies_between,
    read_header,
    span_of,
)
from logd.store.segment import compressed_name, index_name, open_in, segment_name, store_errors
from logd.store.text import CompressedText, FrameCache, Text, open_text

MAX_TRIES = 3
"""Of checking a segment where something seems wrong while the extent changes. What is wrong then stays so."""

Progress = Callable[[int, int], None]


def verify(folder_fd: int, current_extent: Callable[[], Extent], on_progress: Progress = lambda *_: None) -> Report:
    """Check a run. Blocks on the disk: call it in a thread. Not while one of its segments is repaired.

    Args:
        folder_fd: the run's folder, which stays open meanwhile.
        current_extent: what of the run is stored at that moment; it is another object when that has changed.
        on_progress: called with how many bytes of files were checked, and how many there are, about once in a MiB. It
            may wait, to leave the machine to others, or raise, which ends the check.

    Raises:
        StoreError: a file cannot be read for another reason than damage.
    """
    expected = current_extent().segments
    ends = [*accumulate((_file_bytes(folder_fd, segment) for segment in expected), initial=0)]
    findings, segments = Findings(), 0
    seq, last = 0, expected[-1] if expected else -1
    while (segment := _next_segment(current_extent(), seq)) is not None and segment <= last:
        at = bisect_right(expected, segment)
        on_read = _part_of(on_progress, ends[at - 1], ends[at], ends[-1])
        found = _verify_segment(folder_fd, current_extent, segment, on_read)
        if found is not None:
            findings.add_all(found)
            segments += 1
        on_read(1.0)
        seq = segment + 1
    notes = [*findings.notes, *_leftovers(folder_fd, current_extent)]
    counts = findings.blocks, findings.records, findings.text_bytes
    return Report(findings.problems, findings.problem_count, notes[:MAX_NOTES], segments, *counts)


def _next_segment(extent: Extent, seq: int) -> int | None:
    """The first segment from `seq` on."""
    at = bisect_left(extent.segments, seq)
    return extent.segments[at] if at < len(extent.segments) else None


def _part_of(on_progress: Progress, start: int, end: int, total_bytes: int) -> Callable[[float], None]:
    """A function that takes how much of one segment is checked, from 0 to 1."""
    return lambda part: on_progress(start + int(part * (end - start)), total_bytes)


def _file_bytes(folder_fd: int, segment: int) -> int:
    for name in (segment_name(segment), compressed_name(segment)):
        try:
            return os.stat(name, dir_fd=folder_fd, follow_symlinks=False).st_size
        except FileNotFoundError:
            continue
        except OSError as error:
            raise StoreError("read", name, error) from error
    return 0


def _verify_segment(
    folder_fd: int, current_extent: Callable[[], Extent], segment: int, on_read: Callable[[float], None]
) -> Findings | None:
    """Check one segment; None where it was dropped meanwhile."""
    found = None
    for _ in range(MAX_TRIES):
        extent = current_extent()
        span = span_of(extent, segment)
        if span is None:
            return None
        found = _SegmentCheck(folder_fd, extent, span).run(on_read)
        if not found.problem_count or current_extent() is extent:
            break
    return found


class _SegmentCheck:
    def __init__(self, folder_fd: int, extent: Extent, span: Span) -> None:
        self._folder_fd = folder_fd
        self._extent = extent
        self._span = span
        self._found = Findings()

    def run(self, on_read: Callable[[float], None]) -> Findings:
        segment = self._span.first_seq
        try:
            text = open_text(self._folder_fd, segment, FrameCache(0))
        except StoreError as error:
            if not error.is_absence and error.errno != errno.EIO:
                raise
            self._add("its text is lost" if error.is_absence else "its text cannot be read", 0, self._span.end_seq)
            return self._found
        try:
            with store_errors("check", segment_name(segment)):
                self._check(text, on_read)
        finally:
            text.close()
        return self._found

    def _add(self, what: str, offset: int | None = None, next_seq: int | None = None) -> None:
        """Note a problem; of the records from the segment's first on, where they are known."""
        first_seq = self._span.first_seq if next_seq is not None else None
        count = next_seq - self._span.first_seq if next_seq is not None else None
        self._found.add(Problem(self._span.first_seq, what, offset, first_seq, count, self._span.is_sealed))

    def _check(self, text: Text, on_read: Callable[[float], None]) -> None:
        segment = self._span.first_seq
        try:
            index_fd = open_in(self._folder_fd, index_name(segment), os.O_RDONLY)
        except StoreError as error:
            if not error.is_absence:
                raise
            self._add("its index is lost")
            self._check_text(None, text, Around(), on_read)
            return
        try:
            index = Index(index_fd)
            between = lies_between(self._folder_fd, self._extent, segment)
            header = read_header(index)
            self._check_header(header, between)
            torn_bytes = max(0, os.fstat(index_fd).st_size - HEADER_BYTES) % ENTRY_BYTES
            if self._span.is_sealed and torn_bytes:
                self._add(f"its index ends in {torn_bytes} bytes that are no entry")
            is_ours = header is None or header.first_seq == segment
            if header is not None and is_ours:
                # Were the segment before later than this, it would be its fault.
                between = between._replace(earliest_us=header.created_us)
            self._check_text(index if is_ours else None, text, between, on_read)
        finally:
            os.close(index_fd)

    def _check_header(self, header: Header | None, between: Around) -> None:
        if header is None:
            self._add("the header of its index is damaged")
        elif header.first_seq != self._span.first_seq:
            self._add(f"its index is that of the segment of record {header.first_seq}")
        else:
            if header.generation not in allowed_generations(self._extent, between):
                self._add(f"its index is of generation {header.generation}, and out of order by that")
            if header.created_us > between.latest_us:
                self._add("its index says that it was begun later than the segment behind it")

    def _check_text(self, index: Index | None, text: Text, between: Around, on_read: Callable[[float], None]) -> None:
        if isinstance(text, CompressedText) and text.reader is None:
            self._add("the seek table of its compressed text is damaged", 0, self._span.end_seq)
            return
        stretches = StretchProblems(self._found, self._span)
        time_us, has_fallen, read_bytes = between.earliest_us, False, 0
        scan = Scan(index, text, self._span)
        for stretch in scan:
            stretches.add(stretch)
            if stretch.entry is not None:
                has_fallen |= stretch.entry.time_us < time_us
                time_us = max(time_us, stretch.entry.time_us)
            if stretch.end - read_bytes >= READ_BYTES:
                read_bytes = stretch.end
                on_read(min(1.0, read_bytes / max(1, text.size_bytes)))
        stretches.end()
        if scan.bad_entries:
            self._add(f"{scan.bad_entries} of the entries of its index are damaged, or out of place")
        if has_fallen:
            self._add("the times in its index fall")
        if time_us > between.latest_us:
            self._add("its index has times after the segment behind it was begun")


_LEFTOVERS = {
    ".torn": "has what was never acknowledged, and cut off behind a stop",
    ".damaged": "has what a repair left out",
    ".new": "is unfinished: it is being written, or was when the daemon was stopped",
    ".idx": "is an index without text",
}


def _leftovers(folder_fd: int, current_extent: Callable[[], Extent]) -> list[str]:
    """What is in the folder beside the run's segments."""
    before = current_extent().segments
    with store_errors("list", "a run's folder"):
        names = set(os.listdir(folder_fd))
    segments = sorted({*before, *current_extent().segments})
    newest = segment_name(segments[-1]) if segments else ""
    used = {index_name(segment) for segment in segments}
    for segment in segments:
        # The plain text is what is read where both are there.
        used.add(segment_name(segment) if segment_name(segment) in names else compressed_name(segment))
    notes = []
    for name in sorted(names - used):
        if name > newest and name.endswith((".jsonl", ".idx")):
            continue  # the next segment is being begun
        ending = next((text for suffix, text in _LEFTOVERS.items() if name.endswith(suffix)), "is not read")
        notes.append(f"{name} {ending}")
    return notes
