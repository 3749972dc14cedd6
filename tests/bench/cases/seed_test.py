"""The mix of finished objects."""

from bench.cases.seed import Template, _choose

PLAIN = Template({}, {}, {}, ({}, {}))
WITH_PULL_REQUEST = Template({}, {}, {}, ({}, {}, {}))


def test_kinds_of_runs_take_turns_until_there_are_enough_objects() -> None:
    chosen = list(_choose([PLAIN, WITH_PULL_REQUEST], 20))
    assert [number for number, _ in chosen] == [0, 1, 2, 3]
    assert [template for _, template in chosen] == [PLAIN, WITH_PULL_REQUEST] * 2
    assert sum(template.size for _, template in chosen) == 22
