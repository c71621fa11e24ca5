"""One SQLite file: all or nothing, from any thread, and begun anew where it is damaged."""

from __future__ import annotations

import errno
import logging
import os
import sqlite3
import stat
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path

import pytest

from logd.errors import StoreError, UsageError
from logd.store import database, disk
from logd.store.database import Damaged, Database, checked, transaction


class Words(Database):
    """A file of words, which begins with some."""

    _SCHEMA = "CREATE TABLE words (word TEXT NOT NULL PRIMARY KEY, length INTEGER NOT NULL)"
    _SCHEMA_VERSION = 3
    first: tuple[str, ...] = ("alpha",)
    on_refill: Callable[[], None] = staticmethod(lambda: None)

    @transaction
    def add(self, *words: str, then: Callable[[], None] = lambda: None) -> None:
        """Add words, and then do something else, in one transaction."""
        self._add(words)
        then()

    @transaction
    def all(self) -> list[str]:
        rows = self._execute("SELECT word, length FROM words ORDER BY word").fetchall()
        return [checked(row, (str, int))[0] for row in rows]

    @transaction
    def lengthen(self, *words: str) -> None:
        self._execute_many("UPDATE words SET length = length + 1 WHERE word = ?", [(word,) for word in words])

    @transaction
    def do(self, statement: str, *values: object) -> list[tuple[object, ...]]:
        return self._execute(statement, *values).fetchall()

    def _add(self, words: tuple[str, ...]) -> None:
        for word in words:
            self._execute("INSERT INTO words VALUES (?, ?)", word, len(word) if word else None)

    def _refill(self) -> None:
        self.on_refill()
        known = self._execute("SELECT word FROM words").fetchall()
        self._add(tuple(word for word in self.first if (word,) not in known))


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "words.sqlite"


@pytest.fixture
def words(path: Path) -> Iterator[Words]:
    with closing(Words(path)) as made:
        yield made


def fail_with(error: Exception) -> Callable[[], None]:
    def fail() -> None:
        raise error

    return fail


def set_aside(path: Path) -> list[Path]:
    return sorted(path.parent.glob(f"{path.name}.bad-*Z"))


class TestFile:
    def test_is_made_by_the_first_call(self, path: Path, words: Words) -> None:
        assert not path.exists()
        assert words.all() == ["alpha"]
        assert path.exists()

    def test_is_there_when_it_is_opened_again(self, path: Path, words: Words) -> None:
        words.add("beta")
        words.close()
        assert os.listdir(path.parent) == [path.name]
        with closing(Words(path)) as again:
            assert again.all() == ["alpha", "beta"]

    def test_and_those_beside_it_are_for_their_owner_alone(self, path: Path, words: Words) -> None:
        before = os.umask(0)
        try:
            words.add("beta")
        finally:
            os.umask(before)
        modes = {each.name: stat.S_IMODE(each.stat().st_mode) for each in path.parent.iterdir()}
        assert modes == dict.fromkeys(("words.sqlite", "words.sqlite-wal", "words.sqlite-shm"), 0o600)

    def test_that_is_a_link_is_refused(self, path: Path, words: Words) -> None:
        path.symlink_to(path.with_name("elsewhere"))
        with pytest.raises(StoreError, match=r"cannot use words\.sqlite"):
            words.all()
        assert not path.with_name("elsewhere").exists()

    def test_that_cannot_be_made_is_an_error_until_it_can(self, path: Path, words: Words) -> None:
        path.mkdir()
        with pytest.raises(StoreError, match=r"cannot use words\.sqlite"):
            words.all()
        path.rmdir()
        assert words.all() == ["alpha"]

    def test_that_the_disk_has_no_room_for_is_in_memory_until_it_has(
        self, path: Path, words: Words, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        words.add("beta")
        words.close()
        again = Words(path)
        with monkeypatch.context() as full, closing(again):
            full.setattr(again, "_open_file", fail_with(OSError(errno.ENOSPC, "full")))
            assert again.all() == ["alpha"], "what can be had from elsewhere"
            again.add("forgotten")
            assert again.all() == ["alpha", "forgotten"]
            full.undo()
            assert again.all() == ["alpha", "forgotten"], "it is not tried at each call"
            monkeypatch.setattr(again, "_reopen_at_us", 0.0)
            assert again.all() == ["alpha", "beta"]
            again.add("gamma")
        with closing(Words(path)) as last:
            assert last.all() == ["alpha", "beta", "gamma"]

    def test_that_is_closed_is_an_error(self, path: Path, words: Words) -> None:
        words.all()
        words.close()
        words.close()
        with pytest.raises(StoreError, match="it is closed"):
            words.all()
        assert set_aside(path) == []

    def test_that_cannot_be_refilled_is_opened_by_a_later_call(self, words: Words) -> None:
        words.on_refill = fail_with(StoreError("list", "runs", OSError(errno.EIO, "no")))
        for _ in range(2):
            with pytest.raises(StoreError, match="cannot list runs: no"):
                words.all()
        words.on_refill = lambda: None
        assert words.all() == ["alpha"]

    def test_is_read_with_what_a_killed_process_left(self, path: Path, words: Words) -> None:
        words.add("beta")
        left = path.with_name("left")
        for suffix in ("", "-wal"):
            Path(f"{left}{suffix}").write_bytes(Path(f"{path}{suffix}").read_bytes())
        with closing(Words(left)) as again:
            assert again.all() == ["alpha", "beta"]


class TestTransaction:
    @pytest.mark.parametrize("error", [UsageError("no"), ValueError("no"), KeyboardInterrupt()])
    def test_that_raises_keeps_nothing(self, words: Words, error: Exception) -> None:
        with pytest.raises(type(error)):
            words.add("beta", "gamma", then=fail_with(error))
        assert words.all() == ["alpha"]

    def test_that_the_disk_has_no_room_for_keeps_nothing(self, path: Path, words: Words) -> None:
        words.do("PRAGMA max_page_count = 4")
        with pytest.raises(StoreError, match=r"cannot use words\.sqlite: database or disk is full") as caught:
            words.add("beta", "x" * 20_000)
        assert caught.value.errno == errno.ENOSPC
        assert words.all() == ["alpha"]
        words.do("PRAGMA max_page_count = 400")
        words.add("beta", "x" * 20_000)
        assert words.all() == ["alpha", "beta", "x" * 20_000]
        assert set_aside(path) == []

    def test_that_waits_too_long_for_anothers_lock_fails(
        self, path: Path, words: Words, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(database, "BUSY_SECONDS", 0)
        words.all()
        with closing(sqlite3.connect(path, isolation_level=None)) as other:
            other.execute("BEGIN IMMEDIATE")
            with pytest.raises(StoreError, match="database is locked"):
                words.add("beta")
            assert words.all() == ["alpha"]
        words.add("beta")
        assert words.all() == ["alpha", "beta"]
        assert set_aside(path) == []

    def test_with_a_value_that_there_must_be_fails(self, path: Path, words: Words) -> None:
        with pytest.raises(StoreError, match="NOT NULL"):
            words.add("beta", "")
        assert words.all() == ["alpha"]
        assert set_aside(path) == []

    def test_with_a_statement_that_is_wrong_fails(self, path: Path, words: Words) -> None:
        with pytest.raises(StoreError, match="number of bindings"):
            words.do("SELECT ?")
        assert words.all() == ["alpha"]
        assert set_aside(path) == []


class TestDamage:
    def check_begun_anew(self, path: Path, words: Words, caplog: pytest.LogCaptureFixture, *, count: int = 1) -> None:
        with caplog.at_level(logging.WARNING):
            words.add("new")
        assert words.all() == ["alpha", "new"]
        assert len(set_aside(path)) == count
        warnings = [each for each in caplog.records if each.name == "logd.store.database"]
        assert [each.levelname for each in warnings] == ["WARNING"] * count
        assert str(set_aside(path)[-1]) in warnings[-1].getMessage()

    @pytest.mark.parametrize("content", [b"junk" * 5, b"junk" * 5000, bytes(8192)])
    def test_of_the_whole_file(
        self, path: Path, words: Words, content: bytes, caplog: pytest.LogCaptureFixture
    ) -> None:
        path.write_bytes(content)
        self.check_begun_anew(path, words, caplog)
        assert set_aside(path)[0].read_bytes() == content

    def test_that_another_schema_is(self, path: Path, words: Words, caplog: pytest.LogCaptureFixture) -> None:
        with closing(sqlite3.connect(path)) as other:
            other.executescript("CREATE TABLE words (word TEXT); PRAGMA user_version = 2")
        self.check_begun_anew(path, words, caplog)
        assert "its schema is 2 and not 3" in caplog.text

    @pytest.mark.parametrize(
        "change",
        [
            "DROP TABLE words",
            "ALTER TABLE words DROP COLUMN length",
            "UPDATE words SET word = CAST(x'ff' AS TEXT)",
            "UPDATE words SET length = 'five'",
        ],
    )
    def test_that_somebody_did_who_can_write_sql(
        self, path: Path, words: Words, change: str, caplog: pytest.LogCaptureFixture
    ) -> None:
        words.all()
        with closing(sqlite3.connect(path, isolation_level=None)) as other:
            other.execute(change)
        with caplog.at_level(logging.WARNING):
            assert words.all() == ["alpha"]
        self.check_begun_anew(path, words, caplog)

    def test_that_lets_statements_fail_that_cannot(
        self, path: Path, words: Words, caplog: pytest.LogCaptureFixture
    ) -> None:
        words.all()
        with closing(sqlite3.connect(path, isolation_level=None)) as other:
            other.execute("CREATE UNIQUE INDEX words_by_length ON words (length)")
            other.execute("INSERT INTO words VALUES ('old', 3)")
        self.check_begun_anew(path, words, caplog)
        assert "UNIQUE constraint failed" in caplog.text

    def test_of_a_row_that_is_listed_and_not_found(
        self, path: Path, words: Words, caplog: pytest.LogCaptureFixture
    ) -> None:
        words.lengthen("alpha")
        assert set_aside(path) == []
        with pytest.raises(StoreError, match="a row that was listed is not found"):
            words.lengthen("alpha", "beta")
        assert len(set_aside(path)) == 1
        with caplog.at_level(logging.WARNING):
            words.lengthen()
        assert words.all() == ["alpha"]

    def test_that_is_met_while_the_file_is_open(
        self, path: Path, words: Words, caplog: pytest.LogCaptureFixture
    ) -> None:
        words.add("beta", *(f"{number:0500}" for number in range(1000)))
        words.close()
        again = Words(path)
        assert again.do("SELECT COUNT(*) FROM words") == [(1002,)]
        again.close()
        again = Words(path)
        again.do("SELECT 1")
        with path.open("r+b") as file:
            file.seek(3 * 4096)
            file.write(b"\xa5" * (path.stat().st_size - 4 * 4096))
        self.check_begun_anew(path, again, caplog)
        again.close()

    def test_leaves_nothing_beside_the_new_file_that_was_of_the_old(
        self, path: Path, words: Words, caplog: pytest.LogCaptureFixture
    ) -> None:
        words.all()
        words.close()
        with closing(Words(path)) as again:
            again.add("beta")
            wal = Path(f"{path}-wal").read_bytes()
        left = path.with_name("left")
        left.write_bytes(b"junk" * 5000)
        Path(f"{left}-wal").write_bytes(wal)
        with closing(Words(left)) as again:
            self.check_begun_anew(left, again, caplog)
        assert set_aside(left)[0].read_bytes().startswith(b"junk")

    def test_leaves_nothing_of_a_file_that_was_removed_alone(self, path: Path, words: Words) -> None:
        words.add("beta")
        wal = Path(f"{path}-wal").read_bytes()
        words.close()
        path.unlink()
        Path(f"{path}-wal").write_bytes(wal)
        with closing(Words(path)) as again:
            assert again.all() == ["alpha"]

    def test_is_kept_a_few_times(self, path: Path, words: Words, caplog: pytest.LogCaptureFixture) -> None:
        for number in range(5):
            words.close()
            path.write_bytes(b"%d" % number * 5000)
            words = Words(path)
            with caplog.at_level(logging.WARNING):
                assert words.all() == ["alpha"]
        words.close()
        assert [each.read_bytes()[:1] for each in set_aside(path)] == [b"2", b"3", b"4"]
        assert len(caplog.records) == 5

    def test_that_cannot_be_set_aside_is_an_error_until_it_can(
        self, path: Path, words: Words, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
    ) -> None:
        path.write_bytes(b"junk" * 5000)
        with monkeypatch.context() as patch:
            patch.setattr(disk, "rename", lambda *_: fail_with(OSError(errno.EROFS, "read-only"))())
            with pytest.raises(StoreError, match="read-only"), caplog.at_level(logging.WARNING):
                words.all()
        caplog.clear()
        self.check_begun_anew(path, words, caplog)


def test_a_row_is_of_the_kinds_that_were_written() -> None:
    assert checked(("a", 1), (str, int)) == ("a", 1)
    for values in [("a", None), ("a", 1.5), (b"a", 1), ("a",), ("a", 1, 2)]:
        with pytest.raises(Damaged, match="of another kind"):
            checked(values, (str, int))
