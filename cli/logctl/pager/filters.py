"""Which records are shown, or looked for."""

from __future__ import annotations

import re
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any

from logd.record import Severity


@dataclass(frozen=True)
class Filter:
    """What a record has to be; one that asks for nothing is falsy.

    Args:
        patterns: RE2 patterns, all of which its message has to match.
        min_severity: its level at the least; 0 for any, and for records without one.
        source, stream: whose it has to be; "" for any.
        since_us, until_us: its time at the least, and what it has to be before; 0 for any.
        inverted: its message must not match the first pattern.
    """

    patterns: tuple[str, ...] = ()
    min_severity: int = 0
    source: str = ""
    stream: str = ""
    since_us: int = 0
    until_us: int = 0
    inverted: bool = False

    def __bool__(self) -> bool:
        return self != _ANY

    def __and__(self, other: Filter) -> Filter:
        """What both ask for. Of two sources or streams the other's counts."""
        return replace(
            self,
            patterns=tuple(
                self.patterns + other.patterns if self.inverted else dict.fromkeys(self.patterns + other.patterns)
            ),
            min_severity=max(self.min_severity, other.min_severity),
            source=other.source or self.source,
            stream=other.stream or self.stream,
        )

    def with_typed(self, text: str) -> Filter:
        """The same with this as the one pattern, or with none for ""; "!" before it is for what does not match."""
        pattern = text.removeprefix("!")
        return replace(self, patterns=(pattern,) if pattern else (), inverted=text != pattern != "")

    def criteria(self) -> dict[str, Any]:
        """The protocol's filter: of one pattern, with one filter behind it for each other one."""
        given: dict[str, Any] = {
            "min_severity": int(self.min_severity),
            "source": self.source,
            "stream": self.stream,
            "since_us": self.since_us,
            "until_us": self.until_us,
            "pattern": self.patterns[0] if self.patterns else "",
            "invert": self.inverted,
        }
        for pattern in self.patterns[:0:-1]:
            given["also"] = {"pattern": pattern, **({"also": given["also"]} if "also" in given else {})}
        return {key: value for key, value in given.items() if value}

    def __str__(self) -> str:
        """As the status line has it: "&/timeout/ level≥WARN"."""
        words = [f"&/{pattern}/" for pattern in self.patterns]
        if self.inverted:
            words[0] = f"&!{words[0][1:]}"
        if self.min_severity:
            words.append(f"level≥{Severity(self.min_severity).name}")
        words += [f"{name}={value}" for name, value in (("source", self.source), ("stream", self.stream)) if value]
        words += [
            f"{name} {_clock(at_us)}" for name, at_us in (("since", self.since_us), ("until", self.until_us)) if at_us
        ]
        return " ".join(words)


_ANY = Filter()


def filter_of_criteria(criteria: dict[str, Any]) -> Filter:
    """The filter that is the protocol's, as options give it."""
    pattern = criteria.get("pattern", "")
    if criteria.get("fixed"):
        pattern = re.sub(r"[^\w\s]", r"\\\g<0>", pattern, flags=re.ASCII)
    if criteria.get("ignore_case"):
        pattern = f"(?i){pattern}"
    return Filter(
        (pattern,) if pattern else (),
        criteria.get("min_severity", 0),
        criteria.get("source", ""),
        criteria.get("stream", ""),
        criteria.get("since_us", 0),
        criteria.get("until_us", 0),
        bool(criteria.get("invert")),
    )


def _clock(at_us: int) -> str:
    return datetime.fromtimestamp(at_us / 1e6).strftime("%m-%d %H:%M:%S")
