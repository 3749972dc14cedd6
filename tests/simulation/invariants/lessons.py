"""Invariant 14, watched: a lesson is proposed once, and agents read only what people have accepted."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from copy import deepcopy
from dataclasses import dataclass, field

from codecourier.core.shared.learnings import GIVEN_MAX_BYTES, GIVEN_MAX_COUNT, name_lesson
from codecourier.core.shared.naming import ANNOTATION_TASK, LABEL_TRASHED
from codecourier.kinds.api_resources import LEARNINGS, RUNS, SANDBOXES
from codecourier.kube.api import Json
from tests.simulation.invariants.objects import status_of
from tests.simulation.invariants.scene import Scene
from tests.simulation.stored import Change

__all__ = ["Lessons", "SeenLessons"]

_IN_PROMPT = re.compile(r"^- (lesson .*)$", re.IGNORECASE | re.MULTILINE)
"""A lesson of a scripted agent, as an item of a prompt."""


@dataclass
class SeenLessons:
    """What was seen of Learnings."""

    proposed: dict[tuple[str, str], str] = field(default_factory=dict)
    """Name of each proposal that is there, by repository and words."""

    made: set[str] = field(default_factory=set)
    """Names of all that were ever proposed."""


class Lessons:
    """Sees every Learning, what attempts are given, and what agents read.

    Parameters
    ----------
    scene
        What is looked at.
    """

    def __init__(self, scene: Scene) -> None:
        self.is_refused = False
        """Whether Learnings were refused: then a proposal may be left out."""

        self._scene = scene
        self._seen = SeenLessons()
        self._names: set[str] = set()
        self._texts: set[str] = set()

    def back_up(self) -> SeenLessons:
        """Return what was seen up to a backup."""
        return deepcopy(self._seen)

    def restore(self, seen: SeenLessons) -> None:
        """Count on from a backup. What people had accepted by then may still be in the caches of operators."""
        self._seen = deepcopy(seen)

    def learning_changed(self, change: Change) -> None:
        """Check that a proposal is the only one of its words, and remember what people have accepted."""
        spec, name = change.new.obj["spec"], change.identity[2]
        if spec.get("accepted") and change.new.labels.get(LABEL_TRASHED) != "true":
            self._names.add(name)
            self._texts.add(spec["text"])
        if "run" not in spec:
            return
        if change.type == "DELETED":
            self._seen.proposed = {words: held for words, held in self._seen.proposed.items() if held != name}
        if change.type == "ADDED":
            words = spec["repositoryUrl"], " ".join(spec["text"].lower().split())
            if words in self._seen.proposed:
                self._fail(f"{self._seen.proposed[words]} and {name} propose the same")
            if spec.get("accepted"):
                self._fail(f"Learning {name} was proposed as accepted")
            self._seen.proposed[words] = name
            self._seen.made.add(name)

    def run_changed(self, change: Change) -> None:
        """Check what an attempt is given: accepted by people, bounded, and the same for all its tries."""
        before, after = status_of(change.old), status_of(change.new)
        names, run = tuple(after.get("learnings") or ()), change.identity[2]
        if before.get("tries") and before.get("attempt") == after.get("attempt"):
            if names != tuple(before.get("learnings") or ()):
                self._fail(f"Run {run} is given other Learnings within an attempt")
            return
        if wrong := set(names) - self._names:
            self._fail(f"Run {run} is given what no person has accepted: {sorted(wrong)}")
        if len(names) > GIVEN_MAX_COUNT:
            self._fail(f"Run {run} is given {len(names)} Learnings")

    def pod_changed(self, change: Change) -> None:
        """Check what an agent reads: texts that people have accepted, together within the bound."""
        if change.type != "ADDED":
            return
        prompt = json.loads(change.new.metadata["annotations"][ANNOTATION_TASK])["prompt"]
        texts = _IN_PROMPT.findall(prompt)
        if wrong := set(texts) - self._texts:
            self._fail(f"the agent of {change.identity[2]} reads what no person has accepted: {sorted(wrong)}")
        if sum(len(text.encode()) for text in texts) > GIVEN_MAX_BYTES:
            self._fail(f"the agent of {change.identity[2]} reads too many lessons")

    def unproposed(self) -> Iterator[str]:
        """Yield what an agent has proposed and nobody can accept, at rest."""
        if self.is_refused:
            return
        for stored in self._scene.store.list(SANDBOXES):
            run = self._scene.store.find((RUNS, stored.metadata["namespace"], stored.obj["spec"]["runRef"]["name"]))
            texts = (status_of(stored).get("result") or {}).get("learnings") or ()
            if run is None or not _is_closed(run.obj, stored.metadata["name"]):
                continue
            for text in texts:
                name = name_lesson(run.obj["status"]["repositoryUrl"], text)
                if name not in self._seen.made:
                    yield f"no {LEARNINGS.kind} {name} has what {stored.metadata['name']} proposes: {text}"

    def _fail(self, text: str) -> None:
        self._scene.fail("14", text)


def _is_closed(run: Json, sandbox: str) -> bool:
    tries = (run.get("status") or {}).get("tries") or ()
    return any(entry["sandbox"] == sandbox and entry.get("finishTime") for entry in tries)
