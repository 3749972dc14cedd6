"""Writing and reading container logs."""

from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from codecourier.local.processnode.launch.journal import LINE_LIMIT_BYTES, OLD_SUFFIX, Journal
from codecourier.local.processnode.logs import LogOptions, follow_log, last_lines, read_log


def write(path: Path, *chunks: bytes, limit: int = 10**9) -> None:
    journal = Journal(path, limit)
    for chunk in chunks:
        journal.feed("stdout", chunk)
    journal.close()


@given(chunks=st.lists(st.binary(max_size=40)))
def test_what_was_written_is_read(chunks: list[bytes], tmp_path_factory: pytest.TempPathFactory) -> None:
    path = tmp_path_factory.mktemp("log") / "log"
    write(path, *chunks)
    assert read_log(path, LogOptions()) == b"".join(chunks)


def test_a_long_line_is_written_in_pieces_and_read_as_one(tmp_path: Path) -> None:
    line = b"x" * (3 * LINE_LIMIT_BYTES + 5)
    write(tmp_path / "log", line + b"\nshort\n")
    assert max(map(len, (tmp_path / "log").read_bytes().splitlines())) < LINE_LIMIT_BYTES + 100
    assert read_log(tmp_path / "log", LogOptions()) == line + b"\nshort\n"
    assert read_log(tmp_path / "log", LogOptions(tail_lines=2)) == line + b"\nshort\n"
    assert read_log(tmp_path / "log", LogOptions(tail_lines=1)) == b"short\n"


def test_a_log_is_turned_over_and_one_old_file_kept(tmp_path: Path) -> None:
    write(tmp_path / "log", *(b"line %d\n" % number for number in range(100)), limit=2000)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["log", "log" + OLD_SUFFIX]
    assert read_log(tmp_path / "log", LogOptions(tail_lines=1)) == b"line 99\n"
    assert (tmp_path / "log").stat().st_size <= 2000


def test_options(tmp_path: Path) -> None:
    path = tmp_path / "log"
    write(path, b"one\ntwo\nthree")
    assert read_log(path, LogOptions(tail_lines=0)) == b""
    assert read_log(path, LogOptions(tail_lines=1)) == b"three"
    assert read_log(path, LogOptions(tail_lines=2)) == b"two\nthree"
    assert read_log(path, LogOptions(tail_lines=9)) == b"one\ntwo\nthree"
    assert read_log(path, LogOptions(limit_bytes=5)) == b"one\nt"
    assert read_log(path, LogOptions(since=datetime.now(tz=UTC) + timedelta(hours=1))) == b""
    dated = read_log(path, LogOptions(timestamps=True)).splitlines()
    assert [line.split(b" ", 1)[1] for line in dated] == [b"one", b"two", b"three"]
    assert read_log(tmp_path / "none", LogOptions()) == b""


def test_the_end_of_a_log_is_bounded(tmp_path: Path) -> None:
    write(tmp_path / "log", b"".join(b"%04d %s\n" % (number, b"x" * 50) for number in range(200)))
    text = last_lines(tmp_path / "log")
    assert len(text) == 2048
    assert text.endswith(f"0199 {'x' * 50}\n")


async def test_a_followed_log_is_given_whole_even_when_it_grows_and_turns_over(tmp_path: Path) -> None:
    path = tmp_path / "log"
    journal = Journal(path, 300)
    journal.feed("stdout", b"first\nsecond\n")
    remaining = iter([b"third\n", b"x" * 300 + b"\n"])

    def is_running() -> bool:
        chunk = next(remaining, None)
        if chunk:
            journal.feed("stdout", chunk)
        return chunk is not None

    text = b"".join([part async for part in follow_log(path, LogOptions(tail_lines=2), is_running)])
    journal.close()
    assert text == b"second\nthird\n" + b"x" * 300 + b"\n"
