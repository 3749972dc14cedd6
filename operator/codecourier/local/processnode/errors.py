"""What can keep a container from starting, in the kubelet's words."""

__all__ = ["ConfigurationError", "StartError", "VolumeError"]


class ConfigurationError(Exception):
    """The container's configuration cannot be made yet: something that it names is missing.

    Parameters
    ----------
    message
        What is missing, for the container's status.
    reason
        The waiting reason of the kubelet.
    """

    def __init__(self, message: str, reason: str = "CreateContainerConfigError") -> None:
        super().__init__(message)
        self.reason = reason


class VolumeError(Exception):
    """A volume cannot be set up yet; the message says which and why."""


class StartError(Exception):
    """The launcher could not start the container's command; the message says why."""
