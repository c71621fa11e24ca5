"""How commands print figures and tables."""

from __future__ import annotations

from collections.abc import Collection, Sequence

from logctl.terminal_text import display_width


def human_bytes(size: int) -> str:
    """A number of bytes to about two digits: "17 B", "1.2 MiB"."""
    if size < 1024:
        return f"{size} B"
    amount = float(size)
    for unit in ("KiB", "MiB", "GiB", "TiB"):
        amount /= 1024
        if amount < 1023.95:  # what is over is "1024.0" in this unit and "1.0" in the next
            return f"{amount:.1f} {unit}"
    return f"{amount / 1024:.1f} PiB"


def human_count(count: int) -> str:
    """A count with its thousands apart: "12,345"."""
    return f"{count:,}"


def counted(count: int, thing: str) -> str:
    """So many things: "1 run", "12,345 runs"."""
    return f"{count:,} {thing}{'s' * (count != 1)}"


def gone(first_seq: int, last_seq: int) -> str:
    """What is said of records that should be there: "records 12 to 99 are not there any more"."""
    if first_seq == last_seq:
        return f"record {first_seq} is not there any more"
    return f"records {first_seq} to {last_seq} are not there any more"


def human_rate(per_second: float) -> str:
    """A rate: "12,345/s", and below ten with a digit more, "0.5/s"."""
    return f"{per_second:,.0f}/s" if per_second >= 9.95 or not per_second else f"{per_second:.1f}/s"


def human_amount(amount: float) -> str:
    """A number of anything: whole ones as a count, others to two digits behind the point: "1,234", "0.25"."""
    if amount == int(amount):
        return f"{int(amount):,}"
    return f"{amount:,.2f}" if abs(amount) >= 0.01 else f"{amount:.2g}"


def human_speed(per_second: float) -> str:
    """A rate by the second, or where that is less than one, by the hour: "12,345/s", "1.5/s", "90/h"."""
    return human_rate(per_second) if per_second >= 1 else f"{human_rate(per_second * 3600)[:-2]}/h"


def human_percent(share: float) -> str:
    """A share of 0 to 1 as a percentage: 100 % is all of it, and nothing else is."""
    return "100%" if share >= 1 else f"{min(99, int(100 * share))}%"


def human_age(seconds: float) -> str:
    """A time span in its two largest units, rounded down: "3 m", "2 h 5 m", "6 d 1 h"; seconds only below a minute."""
    whole = max(0, int(seconds))
    if whole < 60:
        return f"{whole} s"
    days, hours, minutes = whole // 86400, whole // 3600 % 24, whole // 60 % 60
    amounts = ((days, "d"), (hours, "h"), (0 if days else minutes, "m"))
    return " ".join([f"{amount} {unit}" for amount, unit in amounts if amount])


def human_span(seconds: float) -> str:
    """A time span that one watches: as `human_age`, and below an hour to the second, "3 m 20 s"."""
    minutes, rest = divmod(max(0, int(seconds)), 60)
    return f"{minutes} m {rest} s" if 0 < minutes < 60 else human_age(seconds)


def table(headers: Sequence[str], rows: Sequence[Sequence[str]], right_aligned: Collection[int] = ()) -> str:
    """A plain table with aligned columns, two spaces apart, its lines joined by newlines.

    Args:
        headers: one for each column.
        rows: as many cells each as there are headers. Cells from outside must have been through `escape_text`, with
            `colour=False`.
        right_aligned: the columns, from 0, that hold figures.
    """
    lines = [headers, *rows]
    widths = [max(map(display_width, column)) for column in zip(*lines, strict=True)]

    def cell(column: int, text: str) -> str:
        pad = " " * (widths[column] - display_width(text))
        return pad + text if column in right_aligned else text + pad

    return "\n".join("  ".join(cell(column, text) for column, text in enumerate(line)).rstrip() for line in lines)
