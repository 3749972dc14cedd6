"""The catalogue: every reason has a sentence, and no sentence can break the status that carries it."""

from __future__ import annotations

import re
from collections import defaultdict
from pathlib import Path

import pytest

from codecourier.core.shared import reasons
from codecourier.core.shared.reasons import RETRYABLE, SENTENCES, Reason, sentence


def test_every_reason_has_a_sentence() -> None:
    assert set(SENTENCES) == set(Reason)


@pytest.mark.parametrize("reason", Reason)
def test_every_sentence_ends_as_one_and_can_be_filled(reason: Reason) -> None:
    names = re.findall(r"\{(\w+)\}", SENTENCES[reason])
    text = sentence(reason, **defaultdict(str, dict.fromkeys(names, "It stands here.")))
    assert "{" not in text
    assert text.endswith(".")


def test_a_long_detail_is_cut() -> None:
    assert len(sentence(Reason.AGENT_FAILED, detail="x" * 10_000)) == 2048


def test_what_the_agent_did_is_never_tried_again() -> None:
    agents = {
        Reason.AGENT_FAILED,
        Reason.AGENT_TIMEOUT,
        Reason.SETUP_FAILED,
        Reason.VERIFY_FAILED,
        Reason.SECRET_IN_OUTPUT,
    }
    assert not RETRYABLE & agents


def test_every_reason_is_given_by_some_plan_or_problem() -> None:
    package = Path(reasons.__file__).parents[2]
    source = "".join(path.read_text(encoding="utf-8") for path in package.rglob("*.py") if path.name != "reasons.py")
    assert [reason.name for reason in Reason if f"Reason.{reason.name}" not in source] == []
