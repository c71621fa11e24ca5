"""What live lines say of how far their job is."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from logctl.job.bars import item_of
from logd.protocol import Report


@pytest.mark.parametrize(
    ("line", "figures"),
    [
        (" 24%|##4       | 237/1000 [00:02<00:07, 107.5it/s]", (237, 1000, "it")),
        ("epoch 3/9:  50%|#####     | 5/10 [00:10<00:10,  2.00s/batch]", (50, 100, "%")),
        (" 50%|#####     | 5/10 [00:10<00:10,  2.00s/batch]", (5, 10, "batch")),
        ("Reading package lists... 24%", (24, 100, "%")),
        ("Receiving objects:  45% (450/1000), 1.2 MiB | 2.0 MiB/s", (450, 1000, None)),
        ("   ━━━━━━━━ 1.2/5.0 MB 3.2 MB/s eta 0:00:02", (1.2, 5.0, "MB")),
        ("\x1b[32m 99.5 %\x1b[0m", (99.5, 100, "%")),
        ("backup of 3/4 began", (None, None, None)),
        ("resolving |", (None, None, None)),
        ("0/0 0%", (0, 100, "%")),
    ],
)
def test_figures_are_found(line: str, figures: tuple[float | None, float | None, str | None]) -> None:
    item = item_of(line.encode())
    assert (item["done"], item["total"], item["unit"]) == figures
    assert item["state"] == "running"


def test_a_status_is_text_without_sequences() -> None:
    assert item_of(b"\x1b[1m  \x1b[32mbusy\x07\x1b[0m   now \xff")["status"] == "busy now \N{REPLACEMENT CHARACTER}"


@settings(max_examples=200)
@given(st.text(alphabet="0123456789/%. sMBit|\x1b[\r", max_size=60).map(str.encode) | st.binary(max_size=300))
def test_whatever_is_drawn_an_item_can_be_reported(line: bytes) -> None:
    Report(1, "run", {"stdout": item_of(line)})
