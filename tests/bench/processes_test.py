"""What /proc says of a process."""

import os

import pytest

from bench.processes import Usage, cpu_seconds, differences, resident_bytes


def test_processor_time_is_read_past_a_name_with_spaces_and_parentheses() -> None:
    ticks = os.sysconf("SC_CLK_TCK")
    fields = ["S", "1", "1", "1", "0", "-1", "0", "0", "0", "0", "0", str(3 * ticks), str(ticks), "0", "0"]
    assert cpu_seconds(f"42 (a (b) c) {' '.join(fields)}") == pytest.approx(4)


def test_memory_is_read_in_bytes() -> None:
    status = "Name:\tx\nVmHWM:\t    2048 kB\nVmRSS:\t    1024 kB\n"
    assert resident_bytes(status) == (1024 * 1024, 2048 * 1024)


def test_only_processes_that_were_there_before_have_a_difference() -> None:
    before, after = Usage(1.0, 0, 0), Usage(3.5, 0, 0)
    assert differences({"operator": before}, {"operator": after, "new": after}) == {"operator": 2.5}
