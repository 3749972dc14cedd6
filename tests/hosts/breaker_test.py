"""Whether a host that hangs is asked again, as times."""

from __future__ import annotations

from codecourier.hosts.breaker import FIRST_SECONDS, LONGEST_SECONDS, Breaker


def test_what_is_new_is_closed_and_not_proven() -> None:
    assert (Breaker().is_open, Breaker().is_proven) == (False, False)
    assert Breaker().retry < 0


def test_an_answer_proves_it_and_silence_opens_it() -> None:
    proven = Breaker().after_answer(3.0)
    assert (proven.is_open, proven.is_proven) == (False, True)
    silent = proven.after_silence(4.0, 14.0)
    assert (silent.is_open, silent.is_proven, silent.retry) == (True, False, 14.0 + FIRST_SECONDS)


def test_each_further_silence_doubles_the_pause_up_to_a_bound() -> None:
    breaker, now, pauses = Breaker(), 0.0, []
    for _ in range(7):
        breaker = breaker.after_silence(now, now + 10.0)
        now = breaker.retry
        pauses.append(breaker.pause_seconds)
    assert pauses == [5.0, 10.0, 20.0, 40.0, 60.0, 60.0, 60.0]
    assert breaker.pause_seconds == LONGEST_SECONDS
    for _ in range(5000):
        breaker = breaker.after_silence(breaker.retry, breaker.retry)
    assert breaker.pause_seconds == LONGEST_SECONDS


def test_an_answer_closes_it_and_the_next_silence_begins_anew() -> None:
    breaker = Breaker().after_silence(0.0, 10.0).after_silence(15.0, 25.0)
    closed = breaker.after_answer(36.0)
    assert not closed.is_open
    assert closed.after_silence(40.0, 50.0).pause_seconds == FIRST_SECONDS


def test_operations_that_began_together_open_it_once() -> None:
    breaker = Breaker().after_answer(0.0)
    for end in (10.0, 10.0, 11.0):
        breaker = breaker.after_silence(1.0, end)
    assert (breaker.silences, breaker.retry) == (1, 15.0)


def test_an_operation_that_hangs_while_others_are_answered_opens_nothing() -> None:
    breaker = Breaker().after_answer(5.0)
    assert breaker.after_silence(0.0, 10.0) == breaker
    assert breaker.after_silence(5.0, 15.0).is_open


def test_a_failure_that_comes_at_once_closes_it_and_proves_nothing() -> None:
    breaker = Breaker().after_silence(0.0, 10.0).after_failure()
    assert (breaker.is_open, breaker.is_proven) == (False, False)
