"""Counting warnings and errors: as many as their rows say, whatever they say of themselves."""

from __future__ import annotations

import json

from hypothesis import given
from hypothesis import strategies as st

from logd.daemon.tally import warnings_and_errors
from logd.ingest import Envelope, LineBatch, encode_lines, encode_records

LINES = st.sampled_from(
    ["plain", "WARN slow", "ERROR no", "FATAL worse", '"level":"WARN"', 'Z","level":"ERROR","msg":', "INFO well", "é"]
)


@given(st.lists(LINES, min_size=1, max_size=20), st.sampled_from([None, 9, 13, 17, 21]))
def test_as_many_are_counted_as_there_are(lines: list[str], severity: int | None) -> None:
    from logd.record import severity_from_number

    batch = LineBatch(1, "".join(f"{line}\n" for line in lines).encode())
    given_severity = None if severity is None else severity_from_number(severity)
    fields = {"level": "WARN", "inner": {"level": "ERROR"}, "text": 'Z","level":"WARN","msg":'}
    records = [[1, severity or 13 + 4 * (number % 3), line, fields] for number, line in enumerate(lines)]
    blocks = [*encode_lines([batch], Envelope(), given_severity), *encode_records(records, 1, Envelope())]
    for block in blocks:
        levels = [json.loads(row).get("level") for row in block.data.splitlines()]
        assert warnings_and_errors(block.data, block.record_count, block.level_mask) == (
            levels.count("WARN"),
            levels.count("ERROR") + levels.count("FATAL"),
        )
