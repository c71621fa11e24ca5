"""The words every part shares: severities, run names, the stored form's reserved keys, and record times.

One record as it is stored, a line of JSON:

    {"time":"2026-11-21T10:20:30.123456Z","level":"WARN","msg":"slow page","stream":"stderr","source":"w3","url":"..."}
"""

from __future__ import annotations

import re
import time
from enum import IntEnum
from functools import lru_cache
from typing import NamedTuple

from logd.errors import UsageError

MAX_TEXT_BYTES = 64 * 1024
"""The longest record text; longer text is cut into pieces, all but the first with `cont: true`."""

MAX_FIELDS = 64
MAX_LABEL_BYTES = 256
"""The longest source, stream, logger or host name: they are repeated in every record."""

RESERVED_KEYS = ("time", "level", "msg", "raw", "stream", "source", "logger", "cont")
"""Keys of the stored form, in their order. A record's own field of such a name is stored with `_` before it."""

_RUN_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,63}\Z")


class Severity(IntEnum):
    """OpenTelemetry's severity numbers, each range by its first; its short names are the stored levels."""

    UNSET = 0
    TRACE = 1
    DEBUG = 5
    INFO = 9
    WARN = 13
    ERROR = 17
    FATAL = 21

    @property
    def mask_bit(self) -> int:
        """The bit that stands for this severity in a block's level mask: 1 for UNSET, 2 for TRACE, ... 64 for FATAL."""
        return 1 << ((self + 3) // 4)


MAX_SEVERITY_NUMBER = 24

_LEVEL_WORDS = {
    "trace": Severity.TRACE,
    "verbose": Severity.DEBUG,
    "debug": Severity.DEBUG,
    "info": Severity.INFO,
    "information": Severity.INFO,
    "notice": Severity.INFO,
    "warn": Severity.WARN,
    "warning": Severity.WARN,
    "err": Severity.ERROR,
    "error": Severity.ERROR,
    "severe": Severity.ERROR,
    "crit": Severity.FATAL,
    "critical": Severity.FATAL,
    "alert": Severity.FATAL,
    "emerg": Severity.FATAL,
    "panic": Severity.FATAL,
    "fatal": Severity.FATAL,
}
LEVEL_WORDS = tuple(_LEVEL_WORDS)
"""Every word for a level that `severity_from_word` knows, lower case."""


def severity_from_word(word: str) -> Severity | None:
    """The severity that a level's name stands for, in any case ("warning", "WARN", "err"), or None for no such name."""
    return _LEVEL_WORDS.get(word.lower())


def severity_from_number(number: int) -> Severity:
    """The severity whose range holds an OpenTelemetry severity number, 0 to 24: 10 (INFO2) is INFO."""
    if number <= 0:
        return Severity.UNSET
    return Severity(1 + 4 * ((min(number, MAX_SEVERITY_NUMBER) - 1) // 4))


def cut(text: bytes) -> list[bytes]:
    """`text` in pieces of at most `MAX_TEXT_BYTES`, none of which ends inside a UTF-8 character.

    All but the last are at most three bytes shorter than that.
    """
    pieces = []
    start = 0
    while len(text) - start > MAX_TEXT_BYTES:
        end = start + MAX_TEXT_BYTES
        # A character is at most four bytes long; text that is not UTF-8 is cut where the limit falls.
        boundary = next((at for at in range(end, end - 4, -1) if text[at] & 0xC0 != 0x80), end)
        pieces.append(text[start:boundary])
        start = boundary
    pieces.append(text[start:])
    return pieces


def check_run_name(name: str) -> str:
    """Return `name`, or raise UsageError saying what a run's name may be."""
    if not _RUN_NAME.match(name):
        shown = repr(name if len(name) <= 80 else name[:77] + "...")
        raise UsageError(
            f"{shown} is not a run's name",
            hint="a name is 1 to 64 letters, digits, '.', '_' or '-', and starts with a letter or digit",
        )
    return name


def now_us() -> int:
    """Wall time now, in microseconds since the epoch."""
    return time.time_ns() // 1000


@lru_cache(maxsize=64)
def _rfc3339_seconds(seconds: int) -> str:
    return time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime(seconds))


MAX_TIME_US = 253_402_300_799 * 1_000_000
"""The end of the year 9999, the last that RFC 3339 can say; the first is 0, the epoch."""


def rfc3339(time_us: int) -> str:
    """A record's time as it is stored: UTC with six digits of microseconds."""
    seconds, micros = divmod(time_us, 1_000_000)
    return f"{_rfc3339_seconds(seconds)}.{micros:06d}Z"


ANY_LEVEL = sum(severity.mask_bit for severity in Severity)
"""The level mask of a block that may have all levels."""


class Rows(NamedTuple):
    """Consecutive records of a run as they are stored: whole JSON lines."""

    first_seq: int
    record_count: int
    data: bytes

    @property
    def next_seq(self) -> int:
        return self.first_seq + self.record_count

    def after(self, seq: int) -> Rows:
        """The rows from `seq` on; `seq` is one of theirs."""
        count = seq - self.first_seq
        return Rows(seq, self.record_count - count, self.data[skip_lines(self.data, count) :])

    def within(self, max_bytes: int) -> Rows:
        """As many of the rows, from the first, as have `max_bytes`; one at the least."""
        if len(self.data) <= max_bytes:
            return self
        end = self.data.rfind(b"\n", 0, max_bytes) + 1 or self.data.index(b"\n") + 1
        data = self.data[:end]
        return Rows(self.first_seq, data.count(b"\n"), data)

    def up_to(self, seq: int) -> Rows:
        """The rows up to `seq`; `seq` is one of theirs."""
        count = seq + 1 - self.first_seq
        return Rows(self.first_seq, count, self.data[: skip_lines(self.data, count)])


class Stored(NamedTuple):
    """Consecutive records that the daemon received together: a block, or a part of it."""

    rows: Rows
    time_us: int
    """When the daemon received them; in a run that never falls."""
    level_mask: int = ANY_LEVEL
    """What levels the block has."""


def skip_lines(data: bytes, count: int) -> int:
    """The offset in `data` behind its first `count` lines."""
    if not count:
        return 0
    pieces = data.split(b"\n", count)
    return len(data) - len(pieces[-1]) if len(pieces) > count else len(data)
