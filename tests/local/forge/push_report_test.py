from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from codecourier.local.forge.push_report import with_reasons

REASONS = {"refs/heads/a": "protected branch hook declined"}


def packet(content: bytes) -> bytes:
    return f"{len(content) + 4:04x}".encode() + content


def report(reason: bytes) -> bytes:
    lines = (b"unpack ok\n", b"ng refs/heads/a " + reason + b"\n", b"ok refs/heads/b\n")
    return b"".join(packet(line) for line in lines) + b"0000"


def test_plain_report_gets_the_reason() -> None:
    assert with_reasons(report(b"hook declined"), REASONS) == report(b"protected branch hook declined")


def test_other_reasons_stay() -> None:
    assert with_reasons(report(b"failed to update ref"), REASONS) == report(b"failed to update ref")


def test_without_reasons_nothing_changes() -> None:
    assert with_reasons(b"anything", {}) == b"anything"
    assert with_reasons(b"", REASONS) == b""


@given(st.integers(1, 200))
def test_sideband_is_unpacked_wherever_it_is_split(size: int) -> None:
    inner = report(b"hook declined")
    parts = [inner[start : start + size] for start in range(0, len(inner), size)]
    message = packet(b"\x02remote: no\n")
    content = message + b"".join(packet(b"\x01" + part) for part in parts) + b"0000"
    expected = message + packet(b"\x01" + report(b"protected branch hook declined")) + b"0000"
    assert with_reasons(content, REASONS) == expected
