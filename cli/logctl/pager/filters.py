"""Which records are shown, or looked for."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

from logd.record import Severity


@dataclass(frozen=True)
class Filter:
    """What a record has to be; one that asks for nothing is falsy.

    Args:
        patterns: RE2 patterns, all of which its message has to match.
        min_severity: its level at the least; 0 for any, and for records without one.
        source, stream: whose it has to be; "" for any.
    """

    patterns: tuple[str, ...] = ()
    min_severity: int = 0
    source: str = ""
    stream: str = ""

    def __bool__(self) -> bool:
        return self != _ANY

    def __and__(self, other: Filter) -> Filter:
        """What both ask for. Of two sources or streams the other's counts."""
        return Filter(
            tuple(dict.fromkeys(self.patterns + other.patterns)),
            max(self.min_severity, other.min_severity),
            other.source or self.source,
            other.stream or self.stream,
        )

    def with_pattern(self, pattern: str) -> Filter:
        """The same with this as the one pattern, or with none for ""."""
        return replace(self, patterns=(pattern,) if pattern else ())

    def criteria(self) -> dict[str, Any]:
        """The protocol's filter. Where there is more than one pattern they are a list, `patterns`."""
        given: dict[str, Any] = {
            "min_severity": self.min_severity,
            "source": self.source,
            "stream": self.stream,
        }
        if len(self.patterns) == 1:
            given["pattern"] = self.patterns[0]
        else:
            given["patterns"] = list(self.patterns)
        return {key: value for key, value in given.items() if value}

    def __str__(self) -> str:
        """As the status line has it: "&/timeout/ level≥WARN"."""
        words = [f"&/{pattern}/" for pattern in self.patterns]
        if self.min_severity:
            words.append(f"level≥{Severity(self.min_severity).name}")
        words += [f"{name}={value}" for name, value in (("source", self.source), ("stream", self.stream)) if value]
        return " ".join(words)


_ANY = Filter()
