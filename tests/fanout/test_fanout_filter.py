"""The filter against its reference, whichever way it takes, for any records and patterns; what matches, by example."""

from __future__ import annotations

import itertools
import json
import sys
from collections.abc import Callable, Iterable
from typing import Any

import pytest
from hypothesis import assume, example, given, settings
from hypothesis import strategies as st
from installed import is_installed, needs_re2

import logd.fanout.filter as filter_module
from logd.errors import BadFilter, UsageError
from logd.fanout import Filter
from logd.ingest import Block, Envelope, LineBatch, encode_lines, encode_records
from logd.record import MAX_TEXT_BYTES, MAX_TIME_US, Rows, Severity

FIRST_SEQ = 41
TIME_US = 1_795_256_430_123_456
"""2026-11-21T10:20:30.123456Z, the time of records that bring none."""


def rows_of(blocks: Iterable[Block]) -> Rows:
    data = b"".join(block.data for block in blocks)
    return Rows(FIRST_SEQ, data.count(b"\n"), data)


def structured(*records: list[Any], **labels: Any) -> Rows:
    """Records of [time in µs or None, severity, text, fields or None] as they are stored."""
    return rows_of(encode_records(list(records), TIME_US, Envelope(**labels)))


def messages(*texts: str | bytes) -> Rows:
    return structured(*([None, 0, text, None] for text in texts))


def _by_needles(made: Filter, patch: pytest.MonkeyPatch) -> None:
    patch.setattr(filter_module, "_RARE_BYTES", 0)


def _by_re2(made: Filter, patch: pytest.MonkeyPatch) -> None:
    patch.setattr(filter_module._Search, "_rare_needles", lambda self, data: None)


def _by_parsing(made: Filter, patch: pytest.MonkeyPatch) -> None:
    _by_re2(made, patch)
    for search in (made._search, made._search_any_message):
        if search is not None:
            patch.setattr(search, "_lines", None)


WAYS: list[Callable[[Filter, pytest.MonkeyPatch], None]] = [
    lambda made, patch: None,
    _by_needles,
    _by_re2,
    _by_parsing,
]


def select(made: Filter, rows: Rows) -> list[Rows]:
    """What the filter finds, which is what its reference finds, whichever way it takes."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(filter_module, "_matching_spans", lambda size_bytes, made, data: made._spans_reference(data))
        found = made.select(rows)
    for take in WAYS:
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(filter_module, "_matching_spans", lambda size_bytes, made, data: made._spans(data))
            take(made, patch)
            assert made.select(rows) == found
            assert made._can_match_by_search(rows.data) or not found
    return found


def test_a_text_that_has_nothing_of_what_matches_is_known() -> None:
    for take in WAYS[:2]:
        with pytest.MonkeyPatch.context() as patch:
            made = Filter(pattern="nowhere")
            take(made, patch)
            assert not made._can_match_by_search(LEVELS.data)
    assert Filter(pattern="nowhere", invert=True)._can_match_by_search(LEVELS.data)


def numbers(rows: Rows, **criteria: Any) -> list[int]:
    """Which of the rows match, from 0."""
    found = select(Filter(**criteria), rows)
    return [seq - FIRST_SEQ for stretch in found for seq in range(stretch.first_seq, stretch.next_seq)]


# Any records, any patterns


def words(text: str) -> list[str]:
    return text.split()


FRAGMENTS = st.sampled_from(
    [
        *'aAbk sS"\\/\n\t\r\b\f\x00\x1b\x1f\x7f.,:{}[]01éÉß\u2028\u017f\u212a😀',
        *words(r"foo bar 日本 \n \u001b u001b n \" stderr time 2026-11 WARN"),
        *words('"level":"ERROR" "msg":"foo ","stream":"stderr" {"a":"b"}'),
        '{"time":"2026-11-21T10:20:30.123456Z","msg":"foo"}',
    ]
)
TEXTS = st.lists(FRAGMENTS, max_size=8).map("".join)
NOT_UTF8 = st.tuples(TEXTS, st.sampled_from([b"\xff", b"\xc3", b"\xed\xa0\x80"]), TEXTS).map(
    lambda parts: parts[0].encode() + parts[1] + parts[2].encode()
)
FIELDS = st.dictionaries(
    st.one_of(TEXTS, st.sampled_from(["stream", "source", "msg", "level", "raw"])),
    st.one_of(
        TEXTS,
        st.integers(-(2**70), 2**70),
        st.none(),
        st.booleans(),
        st.just({"time": "2026-11-21T10:20:30.123456Z", "level": "ERROR", "msg": "foo", "stream": "stderr"}),
        st.just([{"a": 1, "stream": "stderr", "source": "w3"}]),
    ),
    max_size=3,
)
TIMES = st.integers(TIME_US - 3, TIME_US + 3) | st.sampled_from([0, 1, MAX_TIME_US, 10**15, 2 * 10**15])
LABELS = st.sampled_from(["", "stderr", "w3", 'a"b\\', "é\n"])
RECORDS = st.tuples(st.none() | TIMES, st.integers(0, 24), TEXTS | NOT_UTF8, st.none() | FIELDS).map(list)


@st.composite
def blocks(draw: st.DrawFn) -> list[Block]:
    envelope = Envelope(stream=draw(LABELS), source=draw(LABELS), logger=draw(LABELS), fields=draw(FIELDS))
    if draw(st.booleans()):
        return list(encode_records(draw(st.lists(RECORDS, min_size=1, max_size=8)), TIME_US, envelope))
    lines = "".join(text.replace("\n", " ") + "\n" for text in draw(st.lists(TEXTS, min_size=1, max_size=8)))
    severity = draw(st.none() | st.sampled_from(Severity))
    batch = LineBatch(draw(TIMES), lines.encode())
    return list(encode_lines([batch], envelope, severity, cont=draw(st.booleans())))


ROWS = st.lists(blocks(), max_size=4).map(lambda several: rows_of(block for each in several for block in each))

LITERALS = st.sampled_from(
    [
        *'aAbksS ",:é日n01{\n\t\x1b\x7f\u2028',
        *words(r'foo stderr time u001b \. \\ \" \{ \/ \t \n \x22 \x{1b} \x5c \033 \0 {1 \Qa."\\E \Q\n\E \Q.\E'),
    ]
)
CLASSES = [
    *words(r'. [ab] [^a] [^"] ["\\] [^-a] [^]a] []a] [a-] [^a-] [[] [[:] [^\n] [^\\] [\s\S]'),
    *words(r"[[:alpha:]] [^[:digit:]] [[:^cntrl:]\t] \s \S \d \D \w \W \pL \PL \pN \PN \pP \a \f \r \v"),
    *words(r"[\x00-\x{10FFFF}] [^\pL\s] \p{Greek} \P{Latin} \p{^Latin} \P{^Latin}"),
    "[ -~]",
]
"""Of one character."""
ANCHORS = st.sampled_from(["^", "$", "\\A", "\\z", "\\b", "\\B"])
FLAGS = st.sampled_from(["(?i)", "(?s)", "(?m)", "(?im-s)", "(?U)", "(?-i)"])
REPEATS = st.sampled_from(["*", "+", "?", "*?", "+?", "??", "{0}", "{2}", "{0,2}", "{1,}", "{1,2}?", "{,2}"])
OPENINGS = st.sampled_from(["(", "(?:", "(?i:", "(?P<word>", "(?s:", "(?m-i:", "(?<x>"])


def composed(patterns: st.SearchStrategy[str]) -> st.SearchStrategy[str]:
    group = st.tuples(OPENINGS, patterns, st.just(")")).map("".join)
    return st.one_of(
        st.lists(patterns, max_size=4).map("".join),
        group,
        st.tuples(st.one_of(LITERALS, st.sampled_from(CLASSES), ANCHORS, group), REPEATS).map("".join),
        st.lists(patterns, min_size=2, max_size=3).map("|".join),
    )


PATTERNS = st.recursive(
    st.one_of(LITERALS, LITERALS, st.sampled_from(CLASSES), ANCHORS, FLAGS), composed, max_leaves=12
)

FILTERS = st.fixed_dictionaries(
    {"pattern": PATTERNS},
    optional={
        "fixed": st.booleans(),
        "ignore_case": st.booleans(),
        "invert": st.booleans(),
        "min_severity": st.sampled_from(Severity),
        "stream": LABELS,
        "source": LABELS,
        "since_us": TIMES | st.sampled_from([-(10**20), 10**20]),
        "until_us": TIMES | st.sampled_from([-(10**20), 10**20]),
    },
)
if not is_installed("re2"):
    FILTERS = FILTERS.map(lambda criteria: {**criteria, "fixed": True, "ignore_case": False})


@settings(deadline=None, max_examples=150)
@given(ROWS, FILTERS)
@example(messages("\x1b[31m"), {"pattern": "001b"})
@example(messages("\tfoo", "a\\bfoo"), {"pattern": r"\bfoo"})
@example(messages('say "foo"'), {"pattern": 'foo"$'})
def test_every_way_finds_what_the_reference_finds(rows: Rows, criteria: dict[str, Any]) -> None:
    try:
        made = Filter(**criteria)
    except BadFilter:
        assume(False)
    select(made, rows)


# All there is of some things

CHARACTERS = [*map(chr, range(128)), *"éÉß日ſ\u212a\u0130\u2028\ufffd😀"]


@pytest.mark.parametrize("characters", CLASSES)
def test_a_class_has_the_same_characters_in_json(characters: str) -> None:
    rows = messages(*(f"a{character}b" for character in CHARACTERS))
    for pattern in ("a{}b", "^a{}b$", "(?i)A{}+B", "^a?{}[^x]"):
        select(Filter(pattern=pattern.format(characters)), rows)


@pytest.mark.parametrize("pattern", ["{}", "^{}$", "x{}", "{}{}"])
def test_a_character_is_found_in_all_its_cases(pattern: str) -> None:
    rows = messages(*(f"x{character}{character}" for character in CHARACTERS), *CHARACTERS)
    for character in "aKs1é_":
        for wrapped in (pattern, f"(?i){pattern}", f"(?i:{pattern})"):
            select(Filter(pattern=wrapped.replace("{}", character)), rows)
        select(Filter(pattern=pattern.replace("{}", character), ignore_case=True), rows)


def test_a_fixed_text_is_found_in_all_its_cases_where_these_do_not_matter() -> None:
    rows = messages("desk", "DESK", "DeSK", "de\u017f\u212a", "des", "deskä", "DESKÄ", "d.sk")
    assert numbers(rows, pattern="desk", fixed=True, ignore_case=True) == [0, 1, 2, 3, 5, 6]
    assert numbers(rows, pattern="skä", fixed=True, ignore_case=True) == [5, 6]
    assert numbers(rows, pattern="desk", fixed=True) == [0, 5]
    assert numbers(rows, pattern="d.sk", fixed=True, ignore_case=True) == [7]


ANCHORED = [
    *words(r"^a a$ ^a$ ^a|b$ a|^b b$|a (^a) (^|,)a a(,|$) ^*a ^?a ^+a a$? a$* x^a a$x ^^a a$$ ^ $ ^$ |^a a| ^$|a"),
    *words(r"^(a|b)$ ^(?:a|b$) (?:^a|b)$ ^.a a.$ ^[^b] [^a]$ ^\s*a a\s*$ \Aa a\z \A\z"),
    *words(r"^\ba a\b$ \b^a a$\b \Ba a\B \bb\b \s\ba a\b\s"),
    *words(r"(?m)^a (?m)a$ (?m:^a$) (?m)\Aa\z (?m)^b\n^a$ (?i)^A (?i)A$ (?s)^.a (?s)a.$"),
]


@pytest.mark.parametrize("pattern", ANCHORED)
def test_a_message_begins_and_ends_where_it_does_alone(pattern: str) -> None:
    texts = ["a", "b", "ab", "ba", "", "A", "a,b", ",a", "xa", "ax", "a b", "b a", "bb", "é", "aé"]
    escaped = [f"{text}{escape}" for text in texts for escape in '\n"\\\t\x1b'] + [
        f"{escape}a" for escape in '\n"\\\t\x1b'
    ]
    rows = messages(*texts, *escaped, "b\na", "a\nb", "b\na\nb", "n\nna", b"a\xff", b"\xffa")
    select(Filter(pattern=pattern), rows)
    select(Filter(pattern=pattern, invert=True), rows)


# What matches

LEVELS = structured(*([None, severity, f"of {severity.name}", None] for severity in Severity))


def test_without_a_criterion_everything_matches() -> None:
    made = Filter(invert=True, ignore_case=True, fixed=True)
    assert made.matches_all
    assert select(made, LEVELS) == [LEVELS]
    assert select(made, Rows(7, 0, b"")) == []


@pytest.mark.parametrize(
    "criteria",
    [
        {"pattern": "a"},
        {"min_severity": Severity.TRACE},
        {"stream": "s"},
        {"source": "s"},
        {"since_us": 0},
        {"until_us": 1},
    ],
)
def test_with_one_it_may_not(criteria: dict[str, Any]) -> None:
    assert not Filter(**criteria).matches_all


def test_stretches_are_as_long_as_can_be() -> None:
    rows = messages("yes", "yes", "no", "no", "yes", "no", "yes")
    lines = rows.data.splitlines(keepends=True)
    assert select(Filter(pattern="yes"), rows) == [
        Rows(FIRST_SEQ, 2, lines[0] + lines[1]),
        Rows(FIRST_SEQ + 4, 1, lines[4]),
        Rows(FIRST_SEQ + 6, 1, lines[6]),
    ]
    assert select(Filter(pattern="yes", invert=True), rows) == [
        Rows(FIRST_SEQ + 2, 2, lines[2] + lines[3]),
        Rows(FIRST_SEQ + 5, 1, lines[5]),
    ]


def test_a_block_that_matches_as_a_whole_is_not_copied() -> None:
    assert Filter(pattern="of").select(LEVELS)[0] is LEVELS


@pytest.mark.parametrize("severity", Severity)
def test_a_level_is_this_or_more_severe(severity: Severity) -> None:
    at_least = [number for number, each in enumerate(Severity) if each >= severity]
    assert numbers(LEVELS, min_severity=severity) == at_least
    made = Filter(min_severity=severity)
    assert [number for number, each in enumerate(Severity) if each.mask_bit & made.level_mask] == at_least


def test_only_a_records_own_level_counts() -> None:
    rows = structured(
        [None, 0, '","level":"ERROR","msg":"', None],
        [None, 9, "ERROR", {"level": "ERROR", "x": {"level": "ERROR"}}],
        [None, 17, "", None],
    )
    assert numbers(rows, min_severity=Severity.WARN) == [2]


def test_only_a_records_own_labels_count() -> None:
    inner = {"time": "2026-11-21T10:20:30.123456Z", "msg": "x", "stream": "err", "source": "w3"}
    rows = rows_of(
        block
        for stream, source in [("", ""), ("err", ""), ("", "w3"), ("err", "w3"), ("err2", "w33")]
        for block in encode_records(
            [
                [None, 0, "x", None],
                [None, 0, '","stream":"err","source":"w3', {"stream": ["err"], "_source": "w3", "inner": inner}],
                [None, 0, b"\xff", {"inner": [inner]}],
            ],
            TIME_US,
            Envelope(stream=stream, source=source),
        )
    )
    assert numbers(rows, stream="err") == [3, 4, 5, 9, 10, 11]
    assert numbers(rows, source="w3") == [6, 7, 8, 9, 10, 11]
    assert numbers(rows, stream="err", source="w3") == [9, 10, 11]
    assert numbers(rows, stream="err", source="w3", pattern="^x$", invert=True) == [10, 11]


def test_a_records_own_label_counts_and_not_its_sessions() -> None:
    rows = structured([None, 0, "x", {"stream": "own"}], [None, 0, "x", {"a": 1}], stream="shared", source="w3")
    assert numbers(rows, stream="own", source="w3") == [0]
    assert numbers(rows, stream="shared") == [1]


def test_with_another_filter_both_have_to_match() -> None:
    rows = structured(
        [None, Severity.WARN, "slow page", None],
        [None, Severity.INFO, "slow page", None],
        [None, Severity.WARN, "slow query", None],
        [None, Severity.WARN, "page gone", None],
    )
    both: list[dict[str, Any]] = [{"pattern": "slow"}, {"pattern": "page", "min_severity": 13}]
    for one, other in itertools.permutations(both):
        made = Filter.of({**one, "also": other})
        assert [found.first_seq - FIRST_SEQ for found in made.select(rows)] == [0]
        assert made.level_mask == Filter.of({"min_severity": 13}).level_mask
        assert not made.matches_all
        assert made.can_match(rows.data)
    assert not Filter.of({"pattern": "page", "also": {"pattern": "nowhere"}}).can_match(rows.data)
    assert Filter.of({"also": {"also": {}}}).select(rows) == [rows]
    with pytest.raises(BadFilter):
        Filter.of({"also": {"pattern": "("}})


@pytest.mark.parametrize("label", ['a"b', "a\\b", "a\nb", "é", "a.b", "\x7f", "\u2028"])
def test_a_label_is_compared_as_it_is(label: str) -> None:
    assert numbers(structured([None, 0, "x", None], stream=label), stream=label) == [0]
    assert numbers(structured([None, 0, "x", None], stream="axb"), stream=label) == []


def test_times_are_from_the_first_on_and_before_the_second() -> None:
    times = [TIME_US + 1, TIME_US, TIME_US - 1, 0, MAX_TIME_US, TIME_US + 1]
    rows = structured(*([time_us, 0, "x", None] for time_us in times))
    assert numbers(rows, since_us=TIME_US) == [0, 1, 4, 5]
    assert numbers(rows, until_us=TIME_US) == [2, 3]
    assert numbers(rows, since_us=TIME_US, until_us=TIME_US + 1) == [1]
    assert numbers(rows, since_us=TIME_US, until_us=TIME_US) == []
    assert numbers(rows, since_us=-1, until_us=0) == []
    assert numbers(rows, since_us=-(10**30), until_us=10**30) == [0, 1, 2, 3, 4, 5]
    assert numbers(rows, since_us=MAX_TIME_US) == [4]
    assert numbers(rows, since_us=MAX_TIME_US + 1) == []


@settings(deadline=None, max_examples=50)
@given(st.integers(0, MAX_TIME_US), st.integers(0, MAX_TIME_US), st.lists(st.integers(-2, 2)))
def test_any_span_of_time(since_us: int, until_us: int, offsets: list[int]) -> None:
    near = [bound + offset for bound in (since_us, until_us, (since_us + until_us) // 2) for offset in offsets]
    times = [time_us for time_us in near if 0 <= time_us <= MAX_TIME_US]
    rows = structured(*([time_us, 0, "x", None] for time_us in times))
    found = [number for number, time_us in enumerate(times) if since_us <= time_us < until_us]
    assert numbers(rows, since_us=since_us, until_us=until_us) == found


def test_only_the_pattern_is_inverted() -> None:
    rows = structured(
        [None, 17, "slow", None], [None, 17, "fast", None], [None, 9, "slow", None], [None, 9, "fast", None]
    )
    assert numbers(rows, pattern="slow", invert=True) == [1, 3]
    assert numbers(rows, pattern="slow", invert=True, min_severity=Severity.ERROR) == [1]
    assert numbers(rows, pattern="slow", invert=True, since_us=TIME_US + 1) == []
    assert numbers(rows, pattern="", invert=True, min_severity=Severity.ERROR) == [0, 1]


def test_only_the_message_is_searched() -> None:
    rows = structured([None, 17, "x", {"url": "http"}], stream="stderr", source="w3")
    for text in ("time", "2026", "level", "ERROR", "msg", "stderr", "w3", "url", "http", '"', ",", "}"):
        assert (
            numbers(rows, pattern=text, fixed=True) == numbers(rows, pattern=text, fixed=True, ignore_case=True) == []
        )


def test_the_message_is_searched_decoded() -> None:
    rows = messages('say "hi"', "a\\nb", "a\nb", "\x1b[31mred", b"\xff!", "\x7f", "\u2028")
    assert numbers(rows, pattern='"hi"') == [0]
    assert numbers(rows, pattern=r"a\\nb", fixed=True) == []
    assert numbers(rows, pattern=r"a\\nb") == [1]
    assert numbers(rows, pattern=r"a\nb") == [2]
    assert numbers(rows, pattern="(?s)a.b") == [2]
    assert numbers(rows, pattern="001b") == []
    assert numbers(rows, pattern=r"\x1b\[") == [3]
    assert numbers(rows, pattern="\ufffd!") == [4]
    assert numbers(rows, pattern=r"[\x{7f}\x{2028}]") == [5, 6]


def test_pieces_of_a_long_line_are_records_of_their_own() -> None:
    line = b"begin" + b"." * (2 * MAX_TEXT_BYTES) + b"end\n"
    rows = rows_of(encode_lines([LineBatch(TIME_US, line)], Envelope(stream="stdout"), None))
    assert rows.record_count == 3
    assert numbers(rows, pattern="begin") == [0]
    assert numbers(rows, pattern="end$", stream="stdout") == [2]
    assert numbers(rows, pattern="^begin.*end$") == []


# How it is found


def test_lines_are_parsed_only_where_needles_are_rare(monkeypatch: pytest.MonkeyPatch) -> None:
    parsed: list[bytes] = []

    def loads(line: bytes) -> Any:
        parsed.append(line)
        return json.loads(line)

    monkeypatch.setattr(filter_module, "_loads", loads)
    rows = messages(*(f"page {number} \t of http://host/{number}" for number in range(2000)))
    for pattern, count in [("page", 2000), (r"^page \d+\s", 2000), ("[13579]$", 1000), ("1999", 1), ("nowhere", 0)]:
        parsed.clear()
        found = Filter(pattern=pattern).select(rows)
        assert sum(stretch.record_count for stretch in found) == count
        assert len(parsed) == (1 if count == 1 else 0)


def test_a_pattern_that_is_too_long_over_json_is_tried_on_each_message() -> None:
    made = Filter(pattern=r"\PL{450}")
    assert made._search._lines is None
    rows = messages("1" * 449, "1" * 450, "\n" * 450, "1" * 449 + "a")
    assert [(stretch.first_seq, stretch.record_count) for stretch in select(made, rows)] == [(FIRST_SEQ + 1, 2)]


def test_what_is_no_record_is_survived() -> None:
    whole = messages("yes", "no")
    damaged = Rows(FIRST_SEQ, 5, whole.data + b"\0\0\0\n" + b'","msg":"yes"}\n' + messages("yes").data)
    for criteria in ({"pattern": "yes"}, {"pattern": "yes", "invert": True}, {"min_severity": Severity.INFO}):
        for take in WAYS:
            made = Filter(**criteria)
            with pytest.MonkeyPatch.context() as patch:
                take(made, patch)
                found = [stretch.first_seq for stretch in made.select(damaged)]
            assert (FIRST_SEQ in found) == (criteria == {"pattern": "yes"})


# What is refused


@pytest.mark.parametrize(
    ("pattern", "reason"),
    [
        ("foo(", "missing ): foo("),
        ("(?=x)", "invalid perl operator: (?="),
        ("a**", "bad repetition operator: **"),
        (r"(x)\1", r"invalid escape sequence: \1"),
        ("日(", "missing ): 日("),
        (r"\pL{1000}\pN{1000}", "pattern too large"),
        ("\udcff", "not UTF-8"),
    ],
)
@needs_re2
def test_what_is_no_pattern_is_refused(pattern: str, reason: str, capfd: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(BadFilter) as refused:
        Filter(pattern=pattern)
    assert reason in refused.value.message
    assert repr(pattern) in refused.value.message
    assert isinstance(refused.value, UsageError)
    assert capfd.readouterr() == ("", "")


def test_a_fixed_text_may_be_no_pattern() -> None:
    assert numbers(messages("f(x", "fx"), pattern="f(", fixed=True) == [0]
    assert numbers(messages("f(x", "fx"), pattern="F(", fixed=True, ignore_case=True) == [0]
    assert numbers(messages(r"a\Eb", "ab"), pattern=r"A\E", fixed=True, ignore_case=True) == [0]


def test_without_re2_patterns_are_refused_and_all_else_works(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "re2", None)
    for criteria in ({"pattern": "a.c"}, {"pattern": "abc", "fixed": True, "ignore_case": True}):
        with pytest.raises(BadFilter, match="google-re2") as refused:
            Filter(**criteria)
        assert "pip install google-re2" in refused.value.message
        assert "fixed text" in str(refused.value.hint)
    assert numbers(LEVELS, pattern="of ", fixed=True) == list(range(len(Severity)))
    assert numbers(LEVELS, pattern="WARN", fixed=True, min_severity=Severity.INFO) == [4]
    assert numbers(LEVELS, pattern="WARN", fixed=True, invert=True, min_severity=Severity.INFO) == [3, 5, 6]
    assert numbers(LEVELS, min_severity=Severity.ERROR) == [5, 6]
    assert numbers(LEVELS, since_us=TIME_US + 1) == []
    assert numbers(LEVELS, stream="x") == []


@needs_re2
@pytest.mark.parametrize("pattern", [r"\C", r"a|\C", r"\\\C"])
def test_a_byte_that_is_no_character_cannot_be_asked_for(pattern: str) -> None:
    with pytest.raises(BadFilter, match="any character"):
        Filter(pattern=pattern)
    Filter(pattern=r"\\C")
    Filter(pattern=pattern, fixed=True)
