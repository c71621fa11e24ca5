"""Hot operations, each in two forms that give the same: a reference, of the standard library alone, and a faster one.

    spans = operation("filter", reference=by_parsing, accelerated=by_re2, threshold_bytes=64)
    found = spans(len(data), data)

LOGD_ACCEL says which form a call takes:

    off     the reference
    on      the accelerated form
    auto    the accelerated form where the input is as large as the operation's threshold, or larger

Rules, which keep this out of the way of what is called:

- In `auto` both forms are timed on a call now and then, for `MEASURING_SHARE` of the time. The threshold follows: it is
  halved where the accelerated form is far faster below it, and doubled where it gains little above it.
- A form that raises where the reference does not is at fault. The caller has the reference's result and hears nothing
  of it; the form is set aside for a while, twice as long after each failure in a row; where memory ran out, for good.
- Where both raise, the input is at fault, and the reference's error is the caller's.
- A form that raises ImportError lacks its package, which is no failure: the reference is taken from then on.

So a form must leave its arguments as they are, and give a result that is whole: no generator, which would fail later.

Known limit: threads count without a lock, so that of calls at the same time one may not be counted.
"""

from __future__ import annotations

import math
import os
from collections.abc import Callable
from operator import itemgetter
from time import perf_counter
from typing import Any, Final, Generic, Literal, TypeVar, TypeVarTuple

from logd.errors import UsageError

Mode = Literal["auto", "on", "off"]
Ts = TypeVarTuple("Ts")
R = TypeVar("R")

MODE_VARIABLE: Final = "LOGD_ACCEL"
MODES: Final[tuple[Mode, ...]] = ("auto", "on", "off")

LOWER_OVER: Final = 2.5
RAISE_UNDER: Final = 1.3
"""Between these two speed-ups a threshold stays where it is, so that it comes to rest."""

MIN_THRESHOLD_BYTES: Final = 16
MAX_THRESHOLD_BYTES: Final = 1024 * 1024
"""It moves between these two, so that a few measurements bring it from anywhere to anywhere."""

MEASURING_SHARE: Final = 0.001
"""How much of the time goes into measuring: what one measurement took is waited for a thousand times."""

FIRST_MEASUREMENT_SECONDS: Final = 0.25
"""An operation is not measured before: a short command never is."""

FIRST_BACKOFF_SECONDS: Final = 1.0
MAX_BACKOFF_SECONDS: Final = 3600.0

_WEIGHT = 0.25
"""How much the last measurement counts in the speed-up that is shown."""

_ERROR_CHARACTERS = 200

_INTERRUPTS = (KeyboardInterrupt, SystemExit)


class Operation(Generic[*Ts, R]):
    """A hot operation. It is called with the size of its input in bytes, and then with what its forms take.

    Args:
        reference: the form that is always right.
        accelerated: the form that gives the same sooner; None where a package that it needs is not installed.
        threshold_bytes: the size from which on it does; where this begins, in `auto`.
        measured: whether the threshold follows what is measured; not where the reference does less, and says less.
        clock: seconds that never go back.
    """

    def __init__(
        self,
        name: str,
        *,
        reference: Callable[[*Ts], R],
        accelerated: Callable[[*Ts], R] | None,
        threshold_bytes: int,
        mode: Mode,
        measured: bool = True,
        clock: Callable[[], float] = perf_counter,
    ) -> None:
        self.name = name
        self.mode = mode
        self.installed = accelerated is not None
        self.threshold_bytes = threshold_bytes if mode == "auto" else 0
        self.reference_calls = 0
        self.accelerated_calls = 0
        self.speed_up: float | None = None
        self.failures = 0
        self.last_error = ""
        self._reference = reference
        self._accelerated = accelerated or reference
        self._clock = clock
        self._backoff_seconds = FIRST_BACKOFF_SECONDS
        # A form that is never to be taken is set aside for ever: so a call has to look at two times alone.
        usable = self.installed and mode != "off"
        self._set_aside_until = -math.inf if usable else math.inf
        measured = measured and usable and mode == "auto"
        self._measure_at = clock() + FIRST_MEASUREMENT_SECONDS if measured else math.inf

    def __call__(self, size_bytes: int, /, *args: *Ts) -> R:
        now = self._clock()
        measure = now >= self._measure_at
        if not measure and (size_bytes < self.threshold_bytes or now < self._set_aside_until):
            self.reference_calls += 1
            return self._reference(*args)
        try:
            result = self._accelerated(*args)
        except _INTERRUPTS:
            raise
        except BaseException as error:  # a library in Rust that panics raises no Exception
            return self._fall_back(error, *args)
        self.accelerated_calls += 1
        self._backoff_seconds = FIRST_BACKOFF_SECONDS
        if measure:
            self._measure(size_bytes, *args)
        return result

    def figures(self) -> dict[str, Any]:
        """What `logd status` shows of it: see `stats` in logd-protocol(7)."""
        left_seconds = max(0.0, self._set_aside_until - self._clock()) if self.failures else 0.0
        return {
            "name": self.name,
            "mode": self.mode,
            "installed": self.installed,
            "threshold_bytes": self.threshold_bytes,
            "reference_calls": self.reference_calls,
            "accelerated_calls": self.accelerated_calls,
            "speed_up": self.speed_up,
            "failures": self.failures,
            "last_error": self.last_error,
            "set_aside_seconds": left_seconds if left_seconds < math.inf else None,
        }

    def _measure(self, size_bytes: int, *args: *Ts) -> None:
        """Time both forms. What they import and remember is there by now, from the call itself."""
        started = self._clock()
        try:
            first, reference, second = (
                self._time(form, *args) for form in (self._accelerated, self._reference, self._accelerated)
            )
        except _INTERRUPTS:
            raise
        except BaseException:  # the caller's result is there already
            return
        finally:
            ended = self._clock()
            self._measure_at = ended + (ended - started) / MEASURING_SHARE
        # The shorter of two: what else runs on the machine shows more in what is short.
        speed_up = reference / max(min(first, second), 1e-9)
        self.speed_up = speed_up if self.speed_up is None else self.speed_up ** (1 - _WEIGHT) * speed_up**_WEIGHT
        # Only an input on the wrong side moves the threshold: that a large one gains says nothing of smaller ones.
        if size_bytes < self.threshold_bytes:
            if speed_up > LOWER_OVER:
                self.threshold_bytes = max(self.threshold_bytes // 2, MIN_THRESHOLD_BYTES)
        elif speed_up < RAISE_UNDER:
            self.threshold_bytes = min(self.threshold_bytes * 2, MAX_THRESHOLD_BYTES)

    def _time(self, form: Callable[[*Ts], R], *args: *Ts) -> float:
        started = self._clock()
        form(*args)
        return self._clock() - started

    def _fall_back(self, error: BaseException, *args: *Ts) -> R:
        """The reference's result, or what it raises; set the accelerated form aside where that is at fault."""
        self.reference_calls += 1
        if isinstance(error, ImportError):
            self.installed = False
            self._set_aside(math.inf)
        elif isinstance(error, MemoryError):
            self._note_failure(error, math.inf)
        else:
            result = self._reference(*args)
            self._note_failure(error, self._backoff_seconds)
            self._backoff_seconds = min(self._backoff_seconds * 2, MAX_BACKOFF_SECONDS)
            return result
        return self._reference(*args)

    def _note_failure(self, error: BaseException, seconds: float) -> None:
        self.failures += 1
        self.last_error = f"{type(error).__name__}: {error}"[:_ERROR_CHARACTERS]
        self._set_aside(seconds)

    def _set_aside(self, seconds: float) -> None:
        self._set_aside_until = self._clock() + seconds
        self._measure_at = max(self._measure_at, self._set_aside_until)


_operations: list[Operation[*tuple[Any, ...], Any]] = []


def operation(
    name: str,
    *,
    reference: Callable[[*Ts], R],
    accelerated: Callable[[*Ts], R] | None,
    threshold_bytes: int,
    measured: bool = True,
) -> Operation[*Ts, R]:
    """An operation of this process, in the mode that the environment names; `figures` has it.

    Raises:
        UsageError: it names none.
    """
    made = Operation(
        name,
        reference=reference,
        accelerated=accelerated,
        threshold_bytes=threshold_bytes,
        mode=mode(),
        measured=measured,
    )
    _operations.append(made)
    return made


def mode() -> Mode:
    """The mode that LOGD_ACCEL names, `auto` where it is not set.

    Raises:
        UsageError: it names none.
    """
    word = os.environ.get(MODE_VARIABLE) or "auto"
    for known in MODES:
        if word == known:
            return known
    raise UsageError(f"{MODE_VARIABLE} is {word!r}", hint=f"it can be {', '.join(MODES)}")


def figures() -> list[dict[str, Any]]:
    """The figures of all operations of this process, by name."""
    return sorted((each.figures() for each in _operations), key=itemgetter("name"))
