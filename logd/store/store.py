"""The folder of all runs: `<state>/runs/<run>/`, one folder a run.

Names are opened relative to a folder's descriptor and never through a link, so that nothing planted in the state
directory leads out of it.
"""

from __future__ import annotations

import os
from contextlib import suppress
from pathlib import Path
from typing import NamedTuple

from logd.config import StoreConfig
from logd.errors import NotFound, StoreError, UsageError
from logd.record import check_run_name
from logd.store.index import Index
from logd.store.run import RunStore
from logd.store.segment import first_seqs, index_name, open_in, segment_name, store_errors

_FOLDER_MODE = 0o700
_FOLDER_FLAGS = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC


class RunSummary(NamedTuple):
    """What a run's folder tells at a glance, without opening the run."""

    name: str
    records: int
    size_bytes: int
    first_time_us: int | None
    last_time_us: int | None
    readable: bool = True
    """Whether the folder could be read; where not, the figures say nothing."""


class Store:
    """All runs under a state directory. Blocks on the disk: call it in a thread.

    All methods raise StoreError where the disk says no.
    """

    def __init__(self, state_dir: Path, config: StoreConfig) -> None:
        self.config = config
        folder = state_dir / "runs"
        with store_errors("open", str(folder)):
            folder.mkdir(mode=_FOLDER_MODE, parents=True, exist_ok=True)
            self._runs_fd = os.open(folder, _FOLDER_FLAGS)

    def close(self) -> None:
        os.close(self._runs_fd)

    def open_run(self, name: str, *, create: bool = False) -> RunStore:
        """Open a run, which is then the caller's to close.

        Raises:
            UsageError: it is not a name that a run can have.
            NotFound: there is no such run, and `create` is false.
        """
        check_run_name(name)
        if create:
            with store_errors("create", name), suppress(FileExistsError):
                os.mkdir(name, _FOLDER_MODE, dir_fd=self._runs_fd)
        folder_fd = self._open_folder(name)
        try:
            return RunStore(folder_fd, self.config)
        except BaseException:
            os.close(folder_fd)
            raise

    def _open_folder(self, name: str) -> int:
        try:
            return os.open(name, _FOLDER_FLAGS, dir_fd=self._runs_fd)
        except FileNotFoundError:
            raise NotFound(f"there is no run {name}") from None
        except OSError as error:
            raise StoreError("open", name, error) from error

    def names(self) -> list[str]:
        """The names of all runs, in order."""
        with store_errors("list", "runs"), os.scandir(self._runs_fd) as entries:
            return sorted(entry.name for entry in entries if _is_run(entry))

    def summary(self, name: str) -> RunSummary:
        """A run's summary. NotFound where there is no such run."""
        folder_fd = self._open_folder(check_run_name(name))
        try:
            return _summarise(name, folder_fd)
        finally:
            os.close(folder_fd)


def _is_run(entry: os.DirEntry[str]) -> bool:
    try:
        check_run_name(entry.name)
    except UsageError:
        return False
    return entry.is_dir(follow_symlinks=False)


def _summarise(name: str, folder_fd: int) -> RunSummary:
    with store_errors("read", name):
        segments = first_seqs(os.listdir(folder_fd))
        sizes = [os.stat(segment_name(seq), dir_fd=folder_fd, follow_symlinks=False).st_size for seq in segments]
    if not segments:
        return RunSummary(name, 0, 0, None, None)
    oldest = newest = None
    next_seq = segments[-1]
    for first_seq in {segments[0], segments[-1]}:
        fd = open_in(folder_fd, index_name(first_seq), os.O_RDONLY)
        try:
            index = Index(fd)
            if first_seq == segments[0]:
                oldest = index.entry(0)
            if first_seq == segments[-1] and (newest := index.last_block()) is not None:
                next_seq = newest.next_seq
        finally:
            os.close(fd)
    return RunSummary(
        name,
        next_seq - segments[0],
        sum(sizes),
        oldest.time_us if oldest is not None and oldest.record_count else None,
        newest.time_us if newest else None,
    )
