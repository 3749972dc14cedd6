"""Writing and reading container logs."""

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from codecourier.local.processnode.launch.journal import OLD_SUFFIX, Journal
from codecourier.local.processnode.logs import follow_log, read_log


def write(path: Path, *chunks: bytes, limit: int = 10**9) -> None:
    journal = Journal(path, limit)
    for chunk in chunks:
        journal.write(chunk)
    journal.close()


@given(chunks=st.lists(st.binary(max_size=40)))
def test_what_was_written_is_read(chunks: list[bytes], tmp_path_factory: pytest.TempPathFactory) -> None:
    path = tmp_path_factory.mktemp("log") / "log"
    write(path, *chunks)
    assert read_log(path) == b"".join(chunks)


def test_at_its_limit_a_new_log_is_begun_and_one_old_file_kept(tmp_path: Path) -> None:
    write(tmp_path / "log", *(b"line %d\n" % number for number in range(100)), limit=200)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["log", "log" + OLD_SUFFIX]
    assert read_log(tmp_path / "log", tail_lines=1) == b"line 99\n"
    assert (tmp_path / "log").stat().st_size <= 200


@pytest.mark.parametrize(
    ("tail_lines", "limit_bytes", "expected"),
    [
        (0, None, b""),
        (1, None, b"three"),
        (2, None, b"two\rtoo\nthree"),
        (3, None, b"one\ntwo\rtoo\nthree"),
        (9, None, b"one\ntwo\rtoo\nthree"),
        (None, 5, b"one\nt"),
        (1, 2, b"th"),
    ],
)
def test_the_last_lines_and_the_first_bytes(
    tmp_path: Path, tail_lines: int | None, limit_bytes: int | None, expected: bytes
) -> None:
    write(tmp_path / "log", b"one\ntwo\rtoo\nthree")
    assert read_log(tmp_path / "log", tail_lines, limit_bytes) == expected


def test_a_last_line_with_its_end_is_one_line(tmp_path: Path) -> None:
    write(tmp_path / "log", b"one\ntwo\n")
    assert read_log(tmp_path / "log", tail_lines=1) == b"two\n"


def test_a_missing_log_is_empty(tmp_path: Path) -> None:
    assert read_log(tmp_path / "none", tail_lines=3) == b""


async def test_a_followed_log_is_given_whole_even_when_it_grows_and_a_new_one_is_begun(tmp_path: Path) -> None:
    path = tmp_path / "log"
    journal = Journal(path, 300)
    journal.write(b"first\nsecond\n")
    remaining = iter([b"third\n", b"x" * 300 + b"\n"])

    def is_running() -> bool:
        chunk = next(remaining, None)
        if chunk:
            journal.write(chunk)
        return chunk is not None

    text = b"".join([part async for part in follow_log(path, 2, None, is_running)])
    journal.close()
    assert text == b"second\nthird\n" + b"x" * 300 + b"\n"
