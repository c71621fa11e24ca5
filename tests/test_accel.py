"""Which form of an operation a call takes, with a clock that stands still unless a form takes time."""

from __future__ import annotations

import os
import subprocess
import sys
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from logd import accel
from logd.accel import (
    FIRST_BACKOFF_SECONDS,
    FIRST_MEASUREMENT_SECONDS,
    MAX_BACKOFF_SECONDS,
    MAX_THRESHOLD_BYTES,
    MEASURING_SHARE,
    MIN_THRESHOLD_BYTES,
    Mode,
    Operation,
)
from logd.main import describe

REFERENCE_SECONDS = 0.008


class Panic(BaseException):
    """As Rust's is, under Python."""


class Double:
    """An operation that doubles a number, in two forms that take the time they are told to, and say who was called."""

    def __init__(
        self, mode: Mode = "auto", *, threshold_bytes: int = 1024, installed: bool = True, measured: bool = True
    ) -> None:
        self.now = 1000.0
        self.called: list[str] = []
        self.speed_up = 2.0
        self.error: BaseException | None = None
        self.reference_error: Exception | None = None
        self.operation = Operation(
            "double",
            reference=self._reference,
            accelerated=self._accelerated if installed else None,
            threshold_bytes=threshold_bytes,
            mode=mode,
            measured=measured,
            clock=lambda: self.now,
        )

    def _reference(self, number: int) -> int:
        self.called.append("reference")
        self.now += REFERENCE_SECONDS
        if self.reference_error:
            raise self.reference_error
        return number * 2

    def _accelerated(self, number: int) -> int:
        self.called.append("accelerated")
        self.now += REFERENCE_SECONDS / self.speed_up
        if self.error:
            raise self.error
        return number + number

    def call(self, size_bytes: int) -> list[str]:
        """Which forms a call takes, in order."""
        self.called.clear()
        assert self.operation(size_bytes, 21) == 42
        return self.called[:]

    def measure(self, size_bytes: int, speed_up: float) -> int:
        """The threshold when the next measurement is due and found this."""
        self.now += 1e6
        self.speed_up = speed_up
        assert self.call(size_bytes) == ["accelerated", "accelerated", "reference", "accelerated"]
        return self.threshold_bytes

    @property
    def threshold_bytes(self) -> int:
        found = self.operation.figures()["threshold_bytes"]
        assert isinstance(found, int)
        return found


# Which form


def test_auto_takes_the_accelerated_form_from_the_threshold_on() -> None:
    double = Double("auto")
    assert [double.call(size) for size in (0, 1023, 1024, 10**9)] == [["reference"]] * 2 + [["accelerated"]] * 2


@pytest.mark.parametrize(("mode", "form"), [("on", "accelerated"), ("off", "reference")])
def test_on_and_off_always_take_the_same(mode: Mode, form: str) -> None:
    double = Double(mode)
    for size in (0, 1023, 1024, 10**9):
        double.now += 1e6
        assert double.call(size) == [form]


@pytest.mark.parametrize("mode", accel.MODES)
def test_what_is_not_installed_is_not_taken(mode: Mode) -> None:
    double = Double(mode, installed=False)
    double.now += 1e6
    assert double.call(10**9) == ["reference"]
    figures = double.operation.figures()
    assert not figures["installed"]
    assert (figures["accelerated_calls"], figures["reference_calls"]) == (0, 1)


@pytest.mark.parametrize("mode", ["auto", "on"])
def test_a_form_that_lacks_its_package_is_not_installed(mode: Mode) -> None:
    double = Double(mode)
    double.error = ModuleNotFoundError("No module named 'fast'")
    assert double.call(2048) == ["accelerated", "reference"]
    double.error = None
    double.now += 1e9
    assert double.call(2048) == ["reference"]
    figures = double.operation.figures()
    assert (figures["installed"], figures["failures"], figures["set_aside_seconds"]) == (False, 0, 0)


# Thresholds


def test_a_threshold_falls_where_the_accelerated_form_is_far_faster() -> None:
    double = Double()
    assert double.measure(1023, 2.6) == 512
    assert double.measure(500, 2.6) == 256
    assert double.measure(200, 2.4) == 256


def test_a_threshold_rises_where_the_accelerated_form_gains_little() -> None:
    double = Double()
    assert double.measure(1024, 1.2) == 2048
    assert double.measure(10**6, 0.5) == 4096
    assert double.measure(10**6, 1.4) == 4096


def test_a_large_input_does_not_lower_it_nor_a_small_one_raise_it() -> None:
    double = Double()
    assert double.measure(1024, 100) == 1024
    assert double.measure(1023, 0.1) == 1024


def test_a_threshold_comes_back_from_its_bounds() -> None:
    double = Double()
    while double.measure(10**9, 0.5) < MAX_THRESHOLD_BYTES:
        pass
    assert double.measure(10**9, 0.5) == MAX_THRESHOLD_BYTES
    assert double.measure(256 * 1024, 3) == MAX_THRESHOLD_BYTES / 2
    while double.measure(1, 10) > MIN_THRESHOLD_BYTES:
        pass
    assert double.measure(1, 10) == MIN_THRESHOLD_BYTES
    assert double.measure(100, 1) == 2 * MIN_THRESHOLD_BYTES


@given(st.integers(32, 10**5), st.integers(16, 10**6))
def test_a_threshold_settles_where_the_accelerated_form_begins_to_gain(even_bytes: int, threshold_bytes: int) -> None:
    """For a form whose speed-up is the greater the larger the input, and 1 at `even_bytes`."""
    double = Double(threshold_bytes=threshold_bytes)
    for share in (0.75, 1, 1.5) * 16:
        size = int(double.threshold_bytes * share)
        double.measure(size, size / even_bytes)
    assert even_bytes <= double.threshold_bytes <= even_bytes * 4


def test_measuring_takes_a_small_share_of_the_time() -> None:
    double = Double()
    double.now += FIRST_MEASUREMENT_SECONDS
    started, calls = double.now, 0
    measurements = 0
    while double.now < started + 200:
        measurements += len(double.call(4096)) > 1
        calls += 1
    spent_seconds = measurements * 2 * REFERENCE_SECONDS
    assert 0.5 * MEASURING_SHARE < spent_seconds / 200 < 1.5 * MEASURING_SHARE


def test_a_short_command_is_not_measured() -> None:
    double = Double()
    double.now += FIRST_MEASUREMENT_SECONDS / 2
    assert double.call(4096) == ["accelerated"]
    assert double.operation.figures()["speed_up"] is None


def test_what_is_not_to_be_measured_is_not() -> None:
    double = Double(measured=False)
    double.now += 1e6
    assert [double.call(1023), double.call(1024)] == [["reference"], ["accelerated"]]
    double.error = ValueError()
    assert double.call(1024) == ["accelerated", "reference"]
    double.now += 1e6
    assert double.call(1024) == ["accelerated", "reference"]


def test_the_speed_up_that_is_shown_follows_what_is_measured() -> None:
    double = Double()
    double.measure(4096, 4.0)
    assert double.operation.figures()["speed_up"] == pytest.approx(4)
    double.measure(4096, 64.0)
    assert double.operation.figures()["speed_up"] == pytest.approx(8)
    for _ in range(40):
        double.measure(4096, 64.0)
    assert double.operation.figures()["speed_up"] == pytest.approx(64, rel=0.01)


# Failures


@pytest.mark.parametrize("error", [ValueError("bad"), RecursionError(), Panic("at the Disco")])
@pytest.mark.parametrize("mode", ["auto", "on"])
def test_a_form_that_raises_is_set_aside_twice_as_long_each_time(mode: Mode, error: BaseException) -> None:
    double = Double(mode)
    double.error = error
    seconds = FIRST_BACKOFF_SECONDS
    for count in range(1, 20):
        forms = double.call(2048)
        assert (forms[0], forms[-1]) == ("accelerated", "reference")
        figures = double.operation.figures()
        assert figures["failures"] == count
        assert figures["last_error"] == f"{type(error).__name__}: {error}"
        assert figures["set_aside_seconds"] == pytest.approx(min(seconds, MAX_BACKOFF_SECONDS))
        double.now += figures["set_aside_seconds"] - 1.5 * REFERENCE_SECONDS
        assert double.call(2048) == ["reference"]
        double.now += REFERENCE_SECONDS
        seconds *= 2


def test_a_form_that_works_again_is_set_aside_as_the_first_time() -> None:
    double = Double()
    for _ in range(2):
        for seconds in (FIRST_BACKOFF_SECONDS, 2 * FIRST_BACKOFF_SECONDS):
            double.error = ValueError()
            double.call(2048)
            assert double.operation.figures()["set_aside_seconds"] == pytest.approx(seconds)
            double.now += seconds
        double.error = None
        assert "reference" not in double.call(2048)[:1]
    assert double.operation.figures()["failures"] == 4


@pytest.mark.parametrize("mode", ["auto", "on"])
def test_where_memory_ran_out_it_is_set_aside_for_good(mode: Mode) -> None:
    double = Double(mode)
    double.error = MemoryError()
    assert double.call(2048) == ["accelerated", "reference"]
    double.error = None
    double.now += 1e12
    assert double.call(10**9) == ["reference"]
    figures = double.operation.figures()
    assert (figures["failures"], figures["set_aside_seconds"]) == (1, None)


def test_it_is_so_though_the_reference_lacks_memory_too() -> None:
    double = Double()
    double.error = double.reference_error = MemoryError()
    with pytest.raises(MemoryError):
        double.operation(2048, 21)
    assert double.operation.figures()["set_aside_seconds"] is None


def test_where_the_reference_raises_too_its_error_is_the_callers_and_the_form_stays() -> None:
    double = Double()
    double.error, double.reference_error = TypeError(), ValueError("no row")
    with pytest.raises(ValueError, match="no row"):
        double.operation(2048, 21)
    double.error = double.reference_error = None
    assert double.operation.figures()["failures"] == 0
    assert double.call(2048) == ["accelerated"]


@pytest.mark.parametrize("error", [KeyboardInterrupt(), SystemExit()])
def test_an_interrupt_is_no_failure(error: BaseException) -> None:
    double = Double()
    double.error = error
    with pytest.raises(type(error)):
        double.operation(2048, 21)
    assert double.called == ["accelerated"]
    assert double.operation.figures()["failures"] == 0


def test_a_form_that_is_set_aside_is_not_measured() -> None:
    double = Double()
    double.error = ValueError()
    double.call(2048)
    double.now += FIRST_BACKOFF_SECONDS / 2  # when it would have been due
    assert double.call(2048) == ["reference"]


def test_a_form_that_fails_while_it_is_measured_costs_no_result() -> None:
    double = Double()
    double.now += 1e6
    double.error = ValueError()
    assert double.call(10) == ["accelerated", "reference"]


@pytest.mark.parametrize("error", [ValueError(), MemoryError()])
def test_a_reference_that_fails_while_it_is_measured_costs_nothing(error: Exception) -> None:
    double = Double()
    double.now += 1e6
    double.reference_error = error
    assert double.call(2048) == ["accelerated", "accelerated", "reference"]
    assert double.call(2048) == ["accelerated"]
    figures = double.operation.figures()
    assert (figures["failures"], figures["speed_up"]) == (0, None)


@given(st.lists(st.tuples(st.integers(0, 10**6), st.floats(0, 100), st.sampled_from([None, ValueError(), Panic()]))))
def test_calls_are_counted_by_the_form_that_gave_the_result(
    calls: list[tuple[int, float, BaseException | None]],
) -> None:
    double = Double()
    for size, seconds, error in calls:
        double.now += seconds
        double.error = error
        double.call(size)
    figures = double.operation.figures()
    assert figures["accelerated_calls"] + figures["reference_calls"] == len(calls)
    assert figures["failures"] <= figures["reference_calls"]


# The process's operations


def in_a_process(code: str, **environ: str) -> subprocess.CompletedProcess[str]:
    path = os.pathsep.join(sys.path)
    return subprocess.run(
        [sys.executable, "-c", code],
        env={**os.environ, "PYTHONPATH": path, **environ},
        capture_output=True,
        text=True,
        check=False,
    )


def test_the_daemon_has_these_operations() -> None:
    done = in_a_process("import logd.daemon.server, logd.accel; print([x['name'] for x in logd.accel.figures()])")
    assert done.stdout == "['filter', 'levels', 'lines', 'records', 'sift']\n"


@pytest.mark.parametrize(("value", "mode"), [("", "auto"), *((mode, mode) for mode in accel.MODES)])
def test_the_environment_names_the_mode(value: str, mode: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(accel.MODE_VARIABLE, value)
    assert accel.mode() == mode
    monkeypatch.delenv(accel.MODE_VARIABLE)
    assert accel.mode() == "auto"


@pytest.mark.parametrize("module", ["logd.main", "logctl.main"])
def test_a_mode_that_is_none_is_refused(module: str) -> None:
    arguments = {"logd.main": "start", "logctl.main": "logs x"}[module]
    done = in_a_process(
        f"import sys; sys.argv = 'program {arguments}'.split(); from {module} import main; main()", LOGD_ACCEL="fast"
    )
    assert done.returncode == 2
    assert done.stderr == "program: LOGD_ACCEL is 'fast'\nprogram: it can be auto, on, off\n"


STATS: dict[str, Any] = {
    **dict.fromkeys(("records_per_second", "bytes_per_second", "records", "bytes", "runs", "uptime_seconds"), 0),
    **dict.fromkeys(("pid", "pending_bytes", "removed_records", "connections"), 0),
    **dict.fromkeys(("version", "socket", "state_dir"), ""),
    "sessions": [],
    "subscriptions": [],
    "store_error": None,
}


def shown(double: Double) -> str:
    """What `logd status` says of an operation."""
    return describe({**STATS, "operations": [double.operation.figures()]}).splitlines()[-1]


def test_status_says_how_each_does() -> None:
    double = Double()
    double.call(1)
    double.call(2048)
    assert shown(double) == "accelerated   double   from 1,024 bytes on, 1 calls, 1 of the reference"
    double.measure(1000, 4)
    assert shown(double).endswith("   from 512 bytes on, 2 calls, 1 of the reference, 4.0 times as fast")
    double.error = ValueError("x")
    double.call(2048)
    assert "   set aside for 1 s, 2 calls, 2 of the reference, " in shown(double)
    assert shown(double).endswith(", 1 failures, the last: ValueError: x")
    double.now += 1
    double.error = MemoryError()
    double.call(2048)
    assert "set aside for good" in shown(double)
    assert "  always, 0 calls" in shown(Double("on"))
    assert "  off, 0 calls" in shown(Double("off"))
    assert "  not installed, 0 calls" in shown(Double("off", installed=False))


def test_status_of_a_daemon_that_knows_no_operations() -> None:
    assert "accelerated" not in describe(STATS)
