"""Severities, names, times, cuts and rows: tables by example, the rest as properties against plain readings."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from logd.errors import UsageError
from logd.record import (
    LEVEL_WORDS,
    MAX_SEVERITY_NUMBER,
    MAX_TEXT_BYTES,
    MAX_TIME_US,
    Rows,
    Severity,
    check_run_name,
    cut,
    now_us,
    rfc3339,
    severity_from_number,
    severity_from_word,
    skip_lines,
)

WORDS = {
    Severity.TRACE: ("trace",),
    Severity.DEBUG: ("debug", "verbose"),
    Severity.INFO: ("info", "information", "notice"),
    Severity.WARN: ("warn", "warning"),
    Severity.ERROR: ("err", "error", "severe"),
    Severity.FATAL: ("fatal", "crit", "critical", "alert", "emerg", "panic"),
}

lines = st.lists(st.binary(max_size=6).map(lambda text: text.replace(b"\n", b"") + b"\n"), max_size=8)


class TestSeverity:
    def test_mask_bits_are_one_each_from_the_lowest(self) -> None:
        assert [severity.mask_bit for severity in Severity] == [1, 2, 4, 8, 16, 32, 64]

    @pytest.mark.parametrize(
        ("number", "severity"),
        [
            (0, Severity.UNSET),
            *((at, severity) for severity in Severity if severity for at in range(severity, severity + 4)),
        ],
    )
    def test_of_a_number_is_the_range_that_holds_it(self, number: int, severity: Severity) -> None:
        assert severity_from_number(number) is severity

    def test_ranges_cover_all_numbers_there_are(self) -> None:
        assert {severity_from_number(number) for number in range(MAX_SEVERITY_NUMBER + 1)} == set(Severity)
        assert severity_from_number(-1) is Severity.UNSET
        assert severity_from_number(MAX_SEVERITY_NUMBER + 1) is Severity.FATAL

    @pytest.mark.parametrize(
        ("word", "severity"), [(word, severity) for severity, words in WORDS.items() for word in words]
    )
    def test_of_a_word_in_any_case(self, word: str, severity: Severity) -> None:
        for spelling in (word, word.upper(), word.title(), word[0] + word[1:].upper()):
            assert severity_from_word(spelling) is severity

    def test_the_table_of_words_is_whole(self) -> None:
        assert sorted(LEVEL_WORDS) == sorted(word for words in WORDS.values() for word in words)

    @pytest.mark.parametrize("word", ["", "errors", "war", "warn ", "unset", "5", "ERROR\u0131"])
    def test_of_another_word_there_is_none(self, word: str) -> None:
        assert severity_from_word(word) is None


class TestCut:
    @given(
        st.text(alphabet="aü\u20ac\U0001d11e\x00", min_size=1, max_size=9),
        st.integers(MAX_TEXT_BYTES // 9, 3 * MAX_TEXT_BYTES),
    )
    @example("\U0001d11e", MAX_TEXT_BYTES)
    @example("a" + "\u20ac" * 3, MAX_TEXT_BYTES)
    def test_pieces_of_utf_8_are_utf_8_and_as_long_as_can_be(self, pattern: str, length: int) -> None:
        text = (pattern * (length // len(pattern) + 1))[:length].encode()
        pieces = cut(text)
        assert b"".join(pieces) == text
        for piece in pieces:
            piece.decode()
            assert len(piece) <= MAX_TEXT_BYTES
        assert all(len(piece) >= MAX_TEXT_BYTES - 3 for piece in pieces[:-1])

    @given(st.binary(min_size=1, max_size=9), st.integers(MAX_TEXT_BYTES - 5, 2 * MAX_TEXT_BYTES + 5))
    @example(b"\x80", 2 * MAX_TEXT_BYTES)
    def test_pieces_of_any_bytes_are_all_of_them_and_within_the_limit(self, pattern: bytes, length: int) -> None:
        text = (pattern * (length // len(pattern) + 1))[:length]
        pieces = cut(text)
        assert b"".join(pieces) == text
        assert all(0 < len(piece) <= MAX_TEXT_BYTES for piece in pieces)
        assert all(len(piece) >= MAX_TEXT_BYTES - 3 for piece in pieces[:-1])

    @pytest.mark.parametrize("length", [0, 1, MAX_TEXT_BYTES - 1, MAX_TEXT_BYTES])
    def test_text_within_the_limit_is_one_piece(self, length: int) -> None:
        assert cut(b"x" * length) == [b"x" * length]

    def test_one_byte_more_is_a_second_piece(self) -> None:
        assert cut(b"x" * MAX_TEXT_BYTES + b"y") == [b"x" * MAX_TEXT_BYTES, b"y"]


class TestRunName:
    @given(st.from_regex(r"\A[A-Za-z0-9][A-Za-z0-9._-]{0,63}\Z"))
    def test_what_a_name_may_be(self, name: str) -> None:
        assert check_run_name(name) == name

    @pytest.mark.parametrize(
        "name",
        ["", ".", "..", ".a", "-a", "_a", "a/b", "../a", "a b", "a\n", "\n", "a\x00", "ä", "٣", "x" * 65, "x" * 1000],
    )
    def test_what_it_may_not_be(self, name: str) -> None:
        with pytest.raises(UsageError) as caught:
            check_run_name(name)
        assert caught.value.exit_status == 2
        assert caught.value.hint is not None
        assert len(caught.value.message) < 120


class TestTime:
    @given(st.integers(0, MAX_TIME_US + 999_999))
    @example(0)
    @example(MAX_TIME_US)
    @example(1_700_000_000_000_001)
    def test_is_stored_as_rfc_3339_says(self, time_us: int) -> None:
        moment = datetime(1970, 1, 1, tzinfo=UTC) + timedelta(microseconds=time_us)
        assert rfc3339(time_us) == moment.strftime("%Y-%m-%dT%H:%M:%S.%fZ")

    @given(st.integers(0, MAX_TIME_US), st.integers(0, MAX_TIME_US))
    def test_sorts_as_text_as_it_does_as_a_number(self, one: int, other: int) -> None:
        assert (rfc3339(one) < rfc3339(other)) == (one < other)

    def test_now_is_one_that_can_be_stored(self) -> None:
        assert 0 < now_us() <= MAX_TIME_US


class TestRows:
    @given(lines, st.integers(1, 10**6), st.data())
    def test_are_cut_at_any_seq_of_theirs(self, lines: list[bytes], first_seq: int, data: st.DataObject) -> None:
        rows = Rows(first_seq, len(lines), b"".join(lines))
        assert rows.next_seq == first_seq + len(lines)
        at = data.draw(st.integers(0, len(lines)))
        assert rows.after(first_seq + at) == Rows(first_seq + at, len(lines) - at, b"".join(lines[at:]))
        assert rows.up_to(first_seq + at - 1) == Rows(first_seq, at, b"".join(lines[:at]))

    @given(lines.filter(bool), st.integers(0, 60))
    def test_as_many_are_taken_as_fit_and_one_at_the_least(self, lines: list[bytes], max_bytes: int) -> None:
        rows = Rows(7, len(lines), b"".join(lines)).within(max_bytes)
        assert rows == Rows(7, rows.record_count, b"".join(lines[: rows.record_count]))
        assert rows.record_count == 1 or len(rows.data) <= max_bytes
        following = lines[rows.record_count : rows.record_count + 1]
        assert not following or len(rows.data + following[0]) > max_bytes

    @given(lines, st.integers(0, 10))
    def test_lines_are_skipped_one_by_one(self, lines: list[bytes], count: int) -> None:
        assert skip_lines(b"".join(lines), count) == sum(len(line) for line in lines[:count])
