"""The folder of all runs: `<state>/runs/<run>/`, one folder a run.

Names are opened relative to a folder's descriptor and never through a link, so that nothing planted in the state
directory leads out of it.
"""

from __future__ import annotations

import logging
import os
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from functools import partial
from pathlib import Path

from logd.config import StoreConfig
from logd.errors import NotFound, StoreError, UsageError
from logd.record import check_run_name, now_us
from logd.store import disk
from logd.store.catalog import Catalog, RunFigures, RunRow
from logd.store.index import Index
from logd.store.retention import Limits
from logd.store.run import RunStore
from logd.store.segment import compressed_name, first_seqs, index_name, open_in, segment_name, store_errors
from logd.store.text import FrameCache

log = logging.getLogger(__name__)

_REMOVED = ".removed."
"""Before the name of a folder whose run is removed, until it is gone."""
_FOLDER_MODE = 0o700
_FOLDER_FLAGS = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC


class Store:
    """All runs under a state directory, and the catalog of them. Blocks on the disk: call it in a thread.

    All methods raise StoreError where the disk says no.
    """

    def __init__(self, state_dir: Path, config: StoreConfig) -> None:
        self.config = config
        self._frames = FrameCache()
        folder = state_dir / "runs"
        with store_errors("open", str(folder)):
            folder.mkdir(mode=_FOLDER_MODE, parents=True, exist_ok=True)
            self._runs_fd = os.open(folder, _FOLDER_FLAGS)
        self.catalog = Catalog(state_dir / "catalog.sqlite", self.names)

    def close(self) -> None:
        self.catalog.close()
        os.close(self._runs_fd)

    def open_run(self, name: str, *, create: bool = False) -> RunStore:
        """Open a run, which is to be closed by `close_run`.

        Raises:
            UsageError: it is not a name that a run can have.
            NotFound: there is no such run, and `create` is false.
        """
        check_run_name(name)
        if create:
            with store_errors("create", name), suppress(FileExistsError):
                disk.mkdir(name, _FOLDER_MODE, dir_fd=self._runs_fd)
        folder_fd = self._open_folder(name)
        try:
            run = RunStore(folder_fd, self.config, self._frames)
        except BaseException:
            os.close(folder_fd)
            raise
        try:
            self.catalog.begin_use(name)
        except StoreError as error:
            log.error("run %s: %s", name, error.message)  # it can be read all the same
        return run

    def close_run(self, name: str, run: RunStore) -> None:
        """Close a run that was opened."""
        figures = None
        try:
            figures = self._figures(name)
        except NotFound:
            log.warning("run %s: its folder was removed by somebody else", name)
        finally:
            run.close()
            self.catalog.end_use(name, figures)

    def remove_run(self, name: str) -> None:
        """Remove a run and all that is stored of it. NotFound where there is none."""
        check_run_name(name)
        unnamed = f"{_REMOVED}{name}.{os.urandom(4).hex()}"
        try:
            disk.rename(name, unnamed, src_dir_fd=self._runs_fd, dst_dir_fd=self._runs_fd)
        except FileNotFoundError:
            raise NotFound(f"there is no run {name}") from None
        except OSError as error:
            raise StoreError("remove", name, error) from error
        # The folder first: where the disk is full, that is what makes room for the catalog to be written.
        for remove in (partial(self._remove_folder, unnamed), partial(self.catalog.remove_run, name)):
            try:
                remove()
            except StoreError as error:
                # There is no run of that name any more; the rest goes at the next start.
                log.error("run %s is not removed whole yet: %s", name, error.message)

    def _remove_folder(self, name: str) -> None:
        with store_errors("remove", name):
            folder_fd = os.open(name, _FOLDER_FLAGS, dir_fd=self._runs_fd)
            try:
                for each in os.listdir(folder_fd):
                    with suppress(FileNotFoundError):  # it may be compressed at this moment
                        disk.unlink(each, dir_fd=folder_fd)
            finally:
                os.close(folder_fd)
            disk.rmdir(name, dir_fd=self._runs_fd)

    def _open_folder(self, name: str) -> int:
        try:
            return os.open(name, _FOLDER_FLAGS, dir_fd=self._runs_fd)
        except FileNotFoundError:
            raise NotFound(f"there is no run {name}") from None
        except OSError as error:
            raise StoreError("open", name, error) from error

    def names(self) -> list[str]:
        """The names of all runs' folders, in order."""
        with store_errors("list", "runs"), os.scandir(self._runs_fd) as entries:
            return sorted(entry.name for entry in entries if _is_run(entry))

    def page(self, after: str, limit: int) -> list[RunRow]:
        """At most `limit` runs in the order of their names, from the first after `after`.

        Figures that the catalog does not have are read from the folder; where that cannot be, they stay unknown.
        """
        return [row if row.figures is not None else self._with_figures(row) for row in self.catalog.page(after, limit)]

    def row(self, name: str) -> RunRow:
        """A run as `page` has it. NotFound where there is none."""
        row = self.catalog.row(check_run_name(name))
        if row is None:
            raise NotFound(f"there is no run {name}")
        return row if row.figures is not None else self._with_figures(row)

    def _with_figures(self, row: RunRow) -> RunRow:
        try:
            figures = self._figures(row.name)
        except (NotFound, StoreError) as error:
            log.warning("run %s cannot be read: %s", row.name, error.message)
            return row
        try:
            self.catalog.set_figures(row.name, figures)
        except StoreError as error:  # then they are read again the next time
            log.warning("the size of run %s is not kept: %s", row.name, error.message)
        return row._replace(figures=figures)

    def _figures(self, name: str) -> RunFigures:
        folder_fd = self._open_folder(name)
        try:
            return read_figures(folder_fd)
        finally:
            os.close(folder_fd)

    # What housekeeping asks

    def limits(self, name: str) -> Limits:
        """What is kept of a run: its own limits, or else the configuration's."""
        return self._limits_of(self.catalog.row(name))

    def _limits_of(self, row: RunRow | None) -> Limits:
        config = self.config
        max_bytes = config.max_run_bytes if row is None or row.max_bytes is None else row.max_bytes
        if row is None or row.max_age_seconds is None:
            return Limits(max_bytes, config.max_run_age_seconds)
        return Limits(max_bytes, row.max_age_seconds)

    def over_age(self) -> list[str]:
        """Runs that nobody uses and that may hold what is too old."""
        now = now_us()
        found = []
        for row in self.catalog.oldest_first():
            age_seconds = self._limits_of(row).max_age_seconds
            if age_seconds and row.figures is not None and (row.figures.first_time_us or now) < now - age_seconds * 1e6:
                found.append(row.name)
        return found

    def idle_bytes(self) -> int:
        """What all runs have together that nobody uses."""
        return self.catalog.totals()[1]

    def idle_runs(self) -> list[tuple[int, str]]:
        """The runs that nobody uses and that hold something: the time of their oldest record, and their name."""
        return [
            (row.figures.first_time_us or 0, row.name) for row in self.catalog.oldest_first() if row.figures is not None
        ]

    def free_bytes(self) -> int:
        with store_errors("read", "the file system's state"):
            return disk.free_bytes(self._runs_fd)

    def keep_free_bytes(self) -> int:
        """How much of the disk is to be kept free: where less is free already, that, as others have taken it."""
        with store_errors("read", "the file system's state"):
            part = disk.total_bytes(self._runs_fd) * self.config.keep_free_percent // 100
        return min(part, self.config.keep_free_bytes, self.free_bytes())

    def unfinished(self) -> list[str]:
        """Runs with segments to compress or to tidy; what is left of runs that were being removed goes."""
        found = []
        with store_errors("list", "runs"):
            for name in os.listdir(self._runs_fd):
                if name.startswith(_REMOVED):
                    self._remove_folder(name)
        for name in self.names():
            try:
                folder_fd = self._open_folder(name)
            except NotFound:
                continue
            try:
                files = os.listdir(folder_fd)
            finally:
                os.close(folder_fd)
            if sum(file.endswith(".jsonl") for file in files) > 1 or any(file.endswith(".new") for file in files):
                found.append(name)
        return found


def _is_run(entry: os.DirEntry[str]) -> bool:
    try:
        check_run_name(entry.name)
    except UsageError:
        return False
    return entry.is_dir(follow_symlinks=False)


def read_figures(folder_fd: int) -> RunFigures:
    """What a run's folder tells at a glance. StoreError where it cannot be read."""
    with store_errors("read", "a run's folder"), os.scandir(folder_fd) as entries:
        sizes = {
            entry.name: entry.stat(follow_symlinks=False).st_size
            for entry in entries
            if entry.is_file(follow_symlinks=False)
        }
    segments = first_seqs(sizes)
    if not segments:
        return RunFigures(1, 0, 0, None, None)
    first_time_us = last_time_us = None
    head = segments[-1] - 1
    for segment in segments:
        with _index(folder_fd, segment) as index:
            entry = index.entry(0)
        if entry is not None and entry.record_count:
            first_time_us = entry.time_us
            break
    for segment in reversed(segments):
        with _index(folder_fd, segment) as index:
            newest = index.last_block()
        if newest is not None:
            last_time_us = newest[1].time_us
            head = max(head, newest[1].next_seq - 1)
            break
    names = {name(segment) for segment in segments for name in (segment_name, compressed_name, index_name)}
    size_bytes = sum(size for name, size in sizes.items() if name in names)
    return RunFigures(segments[0], head, size_bytes, first_time_us, last_time_us)


@contextmanager
def _index(folder_fd: int, segment: int) -> Iterator[Index]:
    fd = open_in(folder_fd, index_name(segment), os.O_RDONLY)
    try:
        with store_errors("read", index_name(segment)):
            yield Index(fd)
    finally:
        os.close(fd)
