"""Plain lines as stored rows.

A plain reading of the stored form, with the standard library's json alone, says what rows there should be; all that
`encode_lines` makes of any bytes is held to it, and its fast path to its own line-by-line path.
"""

from __future__ import annotations

import base64
import itertools
import json
import math
import tracemalloc
from collections.abc import Callable, Iterable, Iterator
from datetime import UTC, datetime, timedelta
from functools import reduce
from operator import or_
from typing import Any

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

import logd.ingest.lines as lines_module
from logd.ingest import MAX_BLOCK_BYTES, Block, Envelope, LineBatch, encode_lines, levels
from logd.ingest.levels import severity_of_line
from logd.ingest.lines import MAX_PIECE_BYTES, _encode_accelerated, _encode_fast, _encode_reference
from logd.record import MAX_TEXT_BYTES, MAX_TIME_US, RESERVED_KEYS, Severity

Form = Callable[[list[LineBatch], Envelope, Severity | None, bool], list[Block] | None]

TIME_US = 1_700_000_000_000_000
MAX_LINES_BYTES = 1000 * 1024
"""As the protocol has it."""

FRAGMENTS = [
    *(b"", b"x", b" ", b"\r", b"\t", b"\x00\x01\x1b[31m\x1f", b"\x7f", b'"quoted" \\ / </a>', b"{}"),
    *(b"ERROR", b" WARN ", b"[info]", b"debug: x", b"level=trace", b"no error"),
    *("ü€".encode(), "\U0001d11e".encode(), "\u2028\ufeff\u200f\ufffd".encode()),
    *(b"\xff", b"\xc3", b"\xa9", b"\xed\xa0\x80", b"\xf0\x9d\x84", b"\xc0\x80", b"\xf4\x90\x80\x80"),
]
LENGTHS = [1, 1, 1, 2, 3, 1000, MAX_TEXT_BYTES // 2, MAX_TEXT_BYTES - 1, MAX_TEXT_BYTES, MAX_TEXT_BYTES + 1]


def of_length(fragment: bytes, length: int) -> bytes:
    """A fragment itself, or for more than a few bytes so much of it repeated."""
    return fragment * length if length < 10 else (fragment * (length // max(1, len(fragment)) + 1))[:length]


line_texts = st.lists(st.builds(of_length, st.sampled_from(FRAGMENTS), st.sampled_from(LENGTHS)), max_size=3).map(
    b"".join
)
short_texts = st.lists(st.sampled_from(FRAGMENTS), max_size=4).map(b"".join) | st.binary(max_size=20).map(
    lambda data: data.replace(b"\n", b"")
)
times = st.integers(0, MAX_TIME_US) | st.integers(TIME_US, TIME_US + 3)


def batches_of(texts: st.SearchStrategy[bytes], max_lines: int) -> st.SearchStrategy[list[LineBatch]]:
    lines = st.lists(texts, min_size=1, max_size=max_lines).map(lambda texts: b"\n".join([*texts, b""]))
    return st.lists(st.builds(LineBatch, times, lines), min_size=1, max_size=3)


batches = batches_of(short_texts, 8) | batches_of(line_texts, 2)
severities = st.none() | st.sampled_from(list(Severity))
labels = st.text(max_size=5)
fields = st.dictionaries(
    st.text(max_size=4) | st.sampled_from(RESERVED_KEYS),
    st.none() | st.booleans() | st.integers(-(2**63), 2**64 - 1) | st.floats(allow_nan=False, width=32) | st.text(),
    max_size=3,
)
sessions = st.fixed_dictionaries({}, optional={"stream": labels, "source": labels, "logger": labels, "fields": fields})


def rfc3339(time_us: int) -> str:
    moment = datetime(1970, 1, 1, tzinfo=UTC) + timedelta(microseconds=time_us)
    return moment.strftime("%Y-%m-%dT%H:%M:%S.%fZ")


def pieces_of(line: bytes) -> Iterator[bytes]:
    """A line in pieces within the limit: as long as they can be where it is UTF-8, and so again where it is not."""
    while len(line) > MAX_TEXT_BYTES:
        end = next(
            (end for end in range(MAX_TEXT_BYTES, MAX_TEXT_BYTES - 4, -1) if not 0x80 <= line[end] < 0xC0),
            MAX_TEXT_BYTES,
        )
        yield line[:end]
        line = line[end:]
    yield line


def row(time_us: int, text: bytes, severity: Severity, session: dict[str, Any], *, cont: bool) -> bytes:
    record: dict[str, Any] = {"time": rfc3339(time_us)}
    if severity:
        record["level"] = severity.name
    record["msg"] = text.decode("utf-8", "replace")
    if record["msg"].encode() != text:
        record["raw"] = base64.b64encode(text).decode()
    record |= {name: session[name] for name in ("stream", "source", "logger") if session.get(name)}
    if cont:
        record["cont"] = True
    own = session.get("fields", {})
    for key, value in own.items():
        record[stored_name(key, own)] = None if value in (float("inf"), float("-inf")) else value
    return json.dumps(record, ensure_ascii=False, separators=(",", ":")).encode() + b"\n"


def stored_name(key: str, own: Iterable[str]) -> str:
    if key in RESERVED_KEYS:
        key = f"_{key}"
        while key in own:
            key = f"_{key}"
    return key


def expected(
    batches: list[LineBatch], session: dict[str, Any], severity: Severity | None, *, cont: bool = False
) -> list[tuple[bytes, Severity]]:
    """The row of every record, with its severity."""
    rows = []
    for time_us, lines in batches:
        for line in lines.split(b"\n")[:-1]:
            named = severity_of_line(line) if severity is None else severity
            for piece in pieces_of(line):
                rows.append((row(time_us, piece, named, session, cont=cont), named))
                cont = True
            cont = False
    return rows


def span_of(data: bytes) -> tuple[int, int]:
    """The earliest and the latest of the times that rows say."""
    times = [datetime.fromisoformat(json.loads(line)["time"]) for line in data.split(b"\n")[:-1]]
    first, last = (
        (time - datetime(1970, 1, 1, tzinfo=UTC)) // timedelta(microseconds=1) for time in (min(times), max(times))
    )
    return first, last


def mask(severities: Iterable[Severity]) -> int:
    return sum({severity.mask_bit for severity in severities})


def check(blocks: list[Block], rows: list[tuple[bytes, Severity]]) -> None:
    """The blocks hold these rows, and say so of themselves."""
    assert b"".join(block.data for block in blocks) == b"".join(data for data, _ in rows)
    left = iter(rows)
    for block in blocks:
        own = list(itertools.islice(left, block.record_count))
        assert block.record_count > 0
        assert block.data == b"".join(data for data, _ in own)
        assert block.level_mask == mask(severity for _, severity in own)
        assert (block.oldest_us, block.newest_us) == span_of(block.data)
    assert next(left, None) is None


def texts_of(data: bytes) -> list[bytes]:
    """The texts that rows were made of: their bytes, with those that were cut put together."""
    texts: list[bytes] = []
    for line in data.split(b"\n")[:-1]:
        record = json.loads(line)
        text = base64.b64decode(record["raw"]) if "raw" in record else record["msg"].encode()
        if record.get("cont"):
            texts[-1] += text
        else:
            texts.append(text)
    return texts


class TestAnyBytes:
    @settings(deadline=None, max_examples=200)
    @given(batches, sessions, severities, st.booleans())
    @example([LineBatch(TIME_US, b"\n")], {}, None, False)
    @example([LineBatch(TIME_US, b"a\x7fb\n\x7f\n")], {}, None, False)
    @example([LineBatch(TIME_US, b"x" * MAX_TEXT_BYTES + b"\n")], {}, Severity.WARN, True)
    @example([LineBatch(TIME_US, b"\xe2\x82\xac" * 50_000 + b"\nERROR\n")], {"stream": "stderr"}, None, True)
    @example([LineBatch(TIME_US, b"\n"), LineBatch(0, b"ERROR\n"), LineBatch(MAX_TIME_US, b"\xff\n")], {}, None, True)
    def test_become_the_rows_of_their_lines(
        self, batches: list[LineBatch], session: dict[str, Any], severity: Severity | None, cont: bool
    ) -> None:
        blocks = list(encode_lines(batches, Envelope(**session), severity, cont=cont))
        check(blocks, expected(batches, session, severity, cont=cont))

    @settings(deadline=None)
    @given(batches, sessions, severities)
    def test_come_back_from_rows_that_are_json(
        self, batches: list[LineBatch], session: dict[str, Any], severity: Severity | None
    ) -> None:
        data = b"".join(block.data for block in encode_lines(batches, Envelope(**session), severity))
        assert texts_of(data) == [line for batch in batches for line in batch.lines.split(b"\n")[:-1]]
        own = [stored_name(key, session.get("fields", {})) for key in session.get("fields", {})]
        for line in data.split(b"\n")[:-1]:
            keys = [key for key, _ in json.loads(line, object_pairs_hook=list)]
            reserved = [key for key in RESERVED_KEYS if key in keys]
            assert keys == reserved + own
            assert {"time", "msg"} <= set(reserved)

    @settings(deadline=None, max_examples=200)
    @given(batches, sessions, severities, st.booleans())
    @example([LineBatch(TIME_US, b"\n\n")], {"stream": "\x7f"}, None, False)
    def test_are_the_same_by_either_form(
        self, batches: list[LineBatch], session: dict[str, Any], severity: Severity | None, cont: bool
    ) -> None:
        envelope = Envelope(**session)
        reference, accelerated = (
            form(batches, envelope, severity, cont) or [] for form in (_encode_reference, _encode_accelerated)
        )
        assert b"".join(block.data for block in accelerated) == b"".join(block.data for block in reference)
        assert sum(block.record_count for block in accelerated) == sum(block.record_count for block in reference)
        assert reduce(or_, (block.level_mask for block in accelerated)) == reduce(
            or_, (block.level_mask for block in reference)
        )
        assert min(block.oldest_us for block in accelerated) == min(block.oldest_us for block in reference)
        assert max(block.newest_us for block in accelerated) == max(block.newest_us for block in reference)

    @settings(deadline=None)
    @given(batches, sessions, severities)
    def test_are_encoded_at_once_wherever_they_can_be(
        self, batches: list[LineBatch], session: dict[str, Any], severity: Severity | None
    ) -> None:
        lines = b"".join(batch.lines for batch in batches)
        plain = b"\x7f" not in lines and lines.decode("utf-8", "ignore").encode() == lines
        envelope = Envelope(**session)
        plain = plain and b"\x7f" not in envelope.closing
        fast = _encode_fast(batches, envelope, severity)
        assert (fast is not None) == (plain and max(map(len, lines.split(b"\n"))) <= MAX_TEXT_BYTES)


def test_a_form_that_fails_costs_no_lines(monkeypatch: pytest.MonkeyPatch) -> None:
    """Nor does one within it."""
    batches = [LineBatch(TIME_US, b"ERROR a\nb\xff\n" * 100)]
    stored = list(encode_lines(batches, Envelope(), None))

    def fail(*_: object) -> Any:
        raise ValueError

    for operation in (levels.severities_in_block, lines_module._encode):
        monkeypatch.setattr(operation, "_accelerated", fail)
        assert list(encode_lines(batches, Envelope(), None)) == stored
        monkeypatch.setattr(operation, "_set_aside_until", -math.inf)


@pytest.mark.parametrize("form", [_encode_accelerated, _encode_reference])
def test_lines_that_are_too_many_for_a_block_are_encoded_in_parts(form: Form) -> None:
    envelope = Envelope(fields={"key": "v" * 10_000})
    for odd in (b"", b"\xff", b"\x7f"):
        for count in (99, 300):
            for batches in ([LineBatch(TIME_US, odd + b"\n" * count)], [LineBatch(TIME_US, odd + b"\n")] * count):
                blocks = form(batches, envelope, None, False)
                assert (blocks is None) == (count == 300)


@pytest.mark.parametrize("odd", [b"", b"\x7f", b"\xff", b"x" * (MAX_TEXT_BYTES + 1)], ids=["", "0x7f", "bytes", "long"])
def test_a_full_frame_becomes_the_rows_of_its_lines(odd: bytes) -> None:
    """So much that it is encoded in pieces, one of which has the odd line."""
    texts = [b"%d %s" % (number, b"\xc3\xbc" * (number * 7 % 200)) for number in range(4000)]
    texts[1000:1000] = [odd, b"ERROR: odd " + odd]
    lines = b"\n".join([*texts, b""])
    assert 3 * MAX_PIECE_BYTES < len(lines) <= MAX_LINES_BYTES
    blocks = list(encode_lines([LineBatch(TIME_US, lines)], Envelope(), None))
    check(blocks, expected([LineBatch(TIME_US, lines)], {}, None))


def test_every_byte_and_every_character_of_two_planes_is_stored() -> None:
    lines = [bytes([byte]) for byte in range(256) if byte != 10]
    lines += [chr(code).encode("utf-8", "surrogatepass") for code in range(0x80, 0x20000) if code % 7 == 0]
    for chosen in (
        lines,
        [line for line in lines if line != b"\x7f" and line.decode("utf-8", "ignore").encode() == line],
    ):
        one = [LineBatch(TIME_US, b"\n".join([*chosen, b""]))]
        assert texts_of(b"".join(block.data for block in encode_lines(one, Envelope(), Severity.UNSET))) == chosen


def test_a_row_is_as_documented() -> None:
    envelope = Envelope(stream="stderr", source="w3", logger="db", fields={"url": "…", "msg": 1, "ok": True})
    (block,) = encode_lines([LineBatch(1_795_256_430_123_456, b"[warn] slow page\n")], envelope, None)
    assert block == (
        '{"time":"2026-11-21T10:20:30.123456Z","level":"WARN","msg":"[warn] slow page","stream":"stderr",'
        '"source":"w3","logger":"db","url":"…","_msg":1,"ok":true}\n'.encode(),
        1,
        Severity.WARN.mask_bit,
        1_795_256_430_123_456,
        1_795_256_430_123_456,
    )


def test_bytes_that_are_no_text_are_shown_and_kept() -> None:
    (block,) = encode_lines([LineBatch(TIME_US, b"a\xffb\n")], Envelope(stream="stdout"), None)
    assert block.data.endswith(b'"msg":"a\xef\xbf\xbdb","raw":"Yf9i","stream":"stdout"}\n')


def test_a_line_that_goes_on_says_so_and_the_next_does_not() -> None:
    sent = [LineBatch(TIME_US, b"end\nnext\n"), LineBatch(TIME_US, b"more\n")]
    data = b"".join(block.data for block in encode_lines(sent, Envelope(stream="s"), None, cont=True))
    assert [json.loads(line).get("cont") for line in data.splitlines()] == [True, None, None]


@pytest.mark.parametrize("character", ["x", "ü", "€", "\U0001d11e"])
@pytest.mark.parametrize("offset", range(4))
def test_no_cut_is_within_a_character(character: str, offset: int) -> None:
    text = "x" * offset + character * 60_000
    data = b"".join(block.data for block in encode_lines([LineBatch(TIME_US, text.encode() + b"\n")], Envelope(), None))
    records = [json.loads(line) for line in data.splitlines()]
    assert not any("raw" in record or "\ufffd" in record["msg"] for record in records)
    assert "".join(record["msg"] for record in records) == text
    assert [record.get("cont", False) for record in records] == [False] + [True] * (len(records) - 1)
    assert all(MAX_TEXT_BYTES - 3 <= len(record["msg"].encode()) <= MAX_TEXT_BYTES for record in records[:-1])


def test_all_pieces_of_a_line_have_its_level() -> None:
    line = b"x" * 100_000 + b" ERROR " + b"x" * 100_000 + b"\n"
    (block,) = encode_lines([LineBatch(TIME_US, line)], Envelope(), None)
    assert [json.loads(row)["level"] for row in block.data.splitlines()] == ["ERROR"] * 4
    assert block.level_mask == Severity.ERROR.mask_bit


class TestBlockSize:
    """Blocks stay around `MAX_BLOCK_BYTES`, however much longer the stored form is than the input."""

    @pytest.mark.parametrize("session", [{}, {"source": "s" * 256, "fields": {"key": "v" * 2000}}])
    @pytest.mark.parametrize(
        "lines",
        [
            b"\n" * MAX_LINES_BYTES,
            b"\n" * (MAX_LINES_BYTES - 2) + b"\x7f\n",
            b"\xff\n" + b"\n" * (MAX_LINES_BYTES - 2),
            b"ERROR\n" * (MAX_LINES_BYTES // 6),
            b"x\nERROR\n\xff\n" * (MAX_LINES_BYTES // 10),
            (b"\n" * 100 + b"x" * (MAX_TEXT_BYTES + 1) + b"\n") * 15,
        ],
        ids=["newlines", "newlines and 0x7f", "newlines and no text", "levels", "levels and no text", "long lines"],
    )
    def test_is_bounded_for_short_lines(self, lines: bytes, session: dict[str, Any]) -> None:
        if session:
            lines = lines[: lines.rindex(b"\n", 0, 100_000) + 1]  # the same, but 3 KB of output a line
        count = data_bytes = 0
        for block in encode_lines([LineBatch(TIME_US, lines)], Envelope(**session), None):
            assert len(block.data) <= 1.5 * MAX_BLOCK_BYTES
            assert block.data.count(b"\n") == block.record_count
            count += block.record_count
            data_bytes += len(block.data)
        assert count == lines.count(b"\n") + lines.count(b"x" * (MAX_TEXT_BYTES + 1))
        assert data_bytes > 3 * len(lines) or max(map(len, lines.split(b"\n"))) > MAX_TEXT_BYTES

    @pytest.mark.parametrize("byte", [b"\n", b"\x7f\n", b"\xff\n"])
    def test_is_bounded_for_many_small_batches(self, byte: bytes) -> None:
        small = [LineBatch(TIME_US + number, byte * 100) for number in range(MAX_PIECE_BYTES // 100 // len(byte))]
        envelope = Envelope(fields={"key": "v" * 500})
        blocks = list(encode_lines(small, envelope, None))
        assert max(len(block.data) for block in blocks) <= 1.5 * MAX_BLOCK_BYTES
        assert sum(block.record_count for block in blocks) == 100 * len(small)

    def test_is_bounded_for_escapes_by_their_longest_form(self) -> None:
        lines = (b"\x01" * 999 + b"\n") * (MAX_LINES_BYTES // 1000)
        blocks = list(encode_lines([LineBatch(TIME_US, lines)], Envelope(), None))
        assert max(len(block.data) for block in blocks) <= 6 * MAX_PIECE_BYTES + MAX_BLOCK_BYTES

    def test_large_input_is_one_block_for_each_piece(self) -> None:
        lines = (b"x" * 999 + b"\n") * 1000
        blocks = list(encode_lines([LineBatch(TIME_US, lines)], Envelope(), None))
        assert len(blocks) == 4
        assert sum(block.record_count for block in blocks) == 1000

    @pytest.mark.parametrize("line", [b"", b"\xff"])
    def test_takes_no_more_memory_than_a_few_blocks(self, line: bytes) -> None:
        lines = (line + b"\n") * (MAX_LINES_BYTES // (len(line) + 1))
        envelope = Envelope(fields={"key": "v" * 4000})
        tracemalloc.start()
        try:
            for block in itertools.islice(encode_lines([LineBatch(TIME_US, lines)], envelope, None), 10):
                assert len(block.data) <= 1.5 * MAX_BLOCK_BYTES
            _, peak_bytes = tracemalloc.get_traced_memory()
        finally:
            tracemalloc.stop()
        assert peak_bytes < 20 * MAX_BLOCK_BYTES
