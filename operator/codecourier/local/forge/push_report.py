"""Put a hook's own reason into git's report of a push.

Git reports every refusal of an update hook as `hook declined`; GitHub names the reason, and clients show and read it.
The report is pkt-lines, within band 1 of a sideband of pkt-lines where the client asked for one.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping

__all__ = ["with_reasons"]

_FLUSH = b"0000"

_DATA_BAND = b"\x01"

_DECLINED = (b"hook declined", b"pre-receive hook declined")


def with_reasons(content: bytes, reasons: Mapping[str, str]) -> bytes:
    """Return a receive-pack answer with the reason of each refused ref, by its name."""
    if not reasons or not content:
        return content
    packets = list(_packets(content))
    if not any(packet[:1] == _DATA_BAND for packet in packets):
        return _report(content, reasons)
    # The report may be split over several packets of its band, which end before the flush.
    data = b"".join(packet[1:] for packet in packets if packet[:1] == _DATA_BAND)
    others = b"".join(_packet(packet) for packet in packets if packet and packet[:1] != _DATA_BAND)
    return others + _packet(_DATA_BAND + _report(data, reasons)) + _FLUSH


def _report(report: bytes, reasons: Mapping[str, str]) -> bytes:
    return b"".join(_packet(_explained(packet, reasons)) if packet else _FLUSH for packet in _packets(report))


def _explained(line: bytes, reasons: Mapping[str, str]) -> bytes:
    if not line.startswith(b"ng "):
        return line
    ref, _, problem = line.removeprefix(b"ng ").rstrip(b"\n").partition(b" ")
    reason = reasons.get(ref.decode(errors="replace"))
    if reason is None or problem not in _DECLINED:
        return line
    return b"ng " + ref + b" " + reason.encode() + b"\n"


def _packets(content: bytes) -> Iterator[bytes]:
    """Yield the contents of pkt-lines; nothing for a flush."""
    position = 0
    while position + 4 <= len(content):
        size = int(content[position : position + 4], 16)
        yield content[position + 4 : position + size] if size else b""
        position += max(size, 4)


def _packet(content: bytes) -> bytes:
    return f"{len(content) + 4:04x}".encode() + content
