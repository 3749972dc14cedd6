"""Whether users cancel a SprintChain, as its spec and its status say together."""

from __future__ import annotations

from codecourier.core.shared.wishes import is_cancelled
from codecourier.resources.sprint_chain import SprintChain, SprintChainStatus

__all__ = ["has_recorded_cancellation", "is_chain_cancelled", "is_ending"]


def is_chain_cancelled(chain: SprintChain) -> bool:
    """Tell whether users cancel the unfinished attempt of a chain, or did so and have taken the wish back since."""
    status = chain.status
    return is_cancelled(chain.spec, status if status.attempt else status.updated(attempt=chain.spec.attempt))


def is_ending(chain: SprintChain) -> bool:
    """Tell whether users delete or cancel an unfinished chain, so that no further sprint starts."""
    return chain.is_deleting or is_chain_cancelled(chain)


def has_recorded_cancellation(status: SprintChainStatus) -> bool:
    """Tell whether a status says that its attempt is cancelled."""
    return 0 < status.attempt <= status.cancelled_attempt
