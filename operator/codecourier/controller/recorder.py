"""Kubernetes Events: what a person sees in `kubectl describe`."""

from __future__ import annotations

import hashlib
import logging
from collections.abc import Callable
from datetime import datetime

from codecourier.controller.postbox import Postbox
from codecourier.core.shared.intents import Event
from codecourier.kube.api import EVENTS, Json, KubeApi
from codecourier.kube.errors import AlreadyExists, KubeError

__all__ = ["Recorder"]

_LOGGER = logging.getLogger(__name__)
_NOTE_BYTES = 1024
"""Bounds of the API server, which refuses an Event that exceeds one."""

_INSTANCE_LENGTH = 128
_NAME_LENGTH = 200
_CONTROLLER = "codecourier.dev/operator"


class Recorder:
    """Posts Events. A lost one is only not seen: the status holds the truth.

    Parameters
    ----------
    api
        The API server.
    instance
        Name of this operator's pod.
    now
        The wall clock, in UTC.
    is_pressing
        Tells whether work waits that Events may not delay.
    """

    def __init__(
        self, api: KubeApi, instance: str, now: Callable[[], datetime], is_pressing: Callable[[], bool]
    ) -> None:
        self._api = api
        self._instance = instance
        self._now = now
        self.postbox = Postbox(self._post, is_pressing)
        """The Events that are not posted yet."""

    async def record(self, obj: Json, event: Event) -> None:
        """Let an Event about an object, as it was just written, be posted soon; its name prevents duplicates."""
        metadata = obj["metadata"]
        identity = f"{metadata['uid']}/{metadata['resourceVersion']}/{event.reason}"
        digest = hashlib.sha256(identity.encode()).hexdigest()[:16]
        body: Json = {
            "apiVersion": EVENTS.api_version,
            "kind": "Event",
            "metadata": {"name": f"{_shortened(metadata['name'])}.{digest}", "namespace": metadata["namespace"]},
            "regarding": {
                "apiVersion": obj["apiVersion"],
                "kind": obj["kind"],
                "name": metadata["name"],
                "namespace": metadata["namespace"],
                "uid": metadata["uid"],
                "resourceVersion": metadata["resourceVersion"],
            },
            "eventTime": self._now().strftime("%Y-%m-%dT%H:%M:%S.%fZ"),
            "reportingController": _CONTROLLER,
            "reportingInstance": self._instance[:_INSTANCE_LENGTH],
            "action": "Reconcile",
            "reason": event.reason,
            "note": event.message.encode()[:_NOTE_BYTES].decode(errors="ignore"),
            "type": "Warning" if event.is_warning else "Normal",
        }
        await self.postbox.put(body)

    async def _post(self, body: Json) -> None:
        try:
            await self._api.create(EVENTS, body)
        except AlreadyExists:
            return
        except KubeError as error:
            about = body["regarding"]
            _LOGGER.info("an Event about %s/%s was not posted: %s", about["namespace"], about["name"], error)


def _shortened(name: str) -> str:
    # A truncated name must still end in a valid character.
    return name[:_NAME_LENGTH].rstrip("-.")
