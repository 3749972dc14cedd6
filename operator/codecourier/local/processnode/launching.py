"""From a pod and one of its containers to the launcher's document. Reads the user database, else pure."""

from __future__ import annotations

import pwd
import re
from collections.abc import Mapping
from pathlib import Path

from codecourier.kube.api import Json
from codecourier.local.processnode.container import Container
from codecourier.local.processnode.content import ContentError, Secrets, build_command, build_environment
from codecourier.local.processnode.image import IMAGE_DIR, image_path
from codecourier.local.processnode.launch.spec import LaunchSpec, Mount
from codecourier.local.processnode.sandbox import VolumeMount, build_mounts, kept_capabilities
from codecourier.local.processnode.settings import NodeSettings

__all__ = ["build_launch_spec"]

_LOG_LIMIT_BYTES = 10 * 1024 * 1024
_DEFAULT_TERMINATION_PATH = "/dev/termination-log"
_HOSTNAME_LENGTH = 63


def build_launch_spec(
    pod: Json,
    item: Json,
    container: Container,
    volumes: Mapping[str, Path],
    secrets: Secrets,
    settings: NodeSettings,
    host_mounts: list[Path],
) -> LaunchSpec:
    """Return how to start a container.

    Raises
    ------
    ContentError
        When something is missing or not allowed; the message is for the container's status.
    """
    user, group, groups = _identity(pod, item)
    environment = _defaults(pod, item, user, settings) | build_environment(item, pod["metadata"]["namespace"], secrets)
    command = build_command(item, environment)
    mounted = _volume_mounts(item, container, volumes)
    working_directory = str(item.get("workingDir") or "/")
    mounts: list[Mount] = []
    if settings.isolates:
        image = VolumeMount(IMAGE_DIR, str(settings.image_dir), read_only=True)
        mounts = build_mounts([*mounted, image], settings.shown, settings.hidden, host_mounts)
        cgroup = str(container.cgroup_folder)
        mounts.append(Mount("bind", "/sys/fs/cgroup", cgroup, read_only=True, optional=True))
    else:
        rewrite = _Rewriting(mounted)
        environment = {name: rewrite(value) for name, value in environment.items()}
        command = [rewrite(word) for word in command]
        working_directory = rewrite(working_directory)
    context = item.get("securityContext", {})
    return LaunchSpec(
        directory=str(container.folder),
        command=command,
        environment=environment,
        working_directory=working_directory,
        hostname=_hostname(pod),
        isolate=settings.isolates,
        user=user,
        group=group,
        supplemental_groups=groups,
        mounts=mounts,
        read_only_root=bool(context.get("readOnlyRootFilesystem")),
        no_new_privileges=context.get("allowPrivilegeEscalation") is False,
        kept_capabilities=kept_capabilities(context.get("capabilities", {})),
        log_limit_bytes=_LOG_LIMIT_BYTES,
    )


def _identity(pod: Json, item: Json) -> tuple[int, int, list[int]]:
    ours = pod["spec"].get("securityContext", {})
    context = {**ours, **item.get("securityContext", {})}
    user = int(context.get("runAsUser", 0))
    if context.get("runAsNonRoot") and user == 0:
        raise ContentError("container has runAsNonRoot and image will run as root")
    groups = [*ours.get("supplementalGroups", []), *([ours["fsGroup"]] if "fsGroup" in ours else [])]
    return user, int(context.get("runAsGroup", 0)), groups


def _defaults(pod: Json, item: Json, user: int, settings: NodeSettings) -> dict[str, str]:
    return {"PATH": image_path(settings, item["image"]), "HOSTNAME": _hostname(pod), "HOME": _home(user)}


def _home(user: int) -> str:
    try:
        return pwd.getpwuid(user).pw_dir
    except KeyError:
        return "/"


def _hostname(pod: Json) -> str:
    return str(pod["metadata"]["name"])[:_HOSTNAME_LENGTH].rstrip("-.")


def _volume_mounts(item: Json, container: Container, volumes: Mapping[str, Path]) -> list[VolumeMount]:
    mounts = []
    for entry in item.get("volumeMounts", []):
        source = volumes[entry["name"]]
        # A volume whose files come from objects is always read-only.
        read_only = bool(entry.get("readOnly")) or (source / "..data").is_symlink()
        mounts.append(VolumeMount(entry["mountPath"], str(source), read_only))
    path = item.get("terminationMessagePath") or _DEFAULT_TERMINATION_PATH
    return [*mounts, VolumeMount(path, str(container.termination_path), read_only=False)]


class _Rewriting:
    """Without mounts: puts the volumes' folders into texts where mount paths stand."""

    def __init__(self, mounts: list[VolumeMount]) -> None:
        self._sources = {item.target.rstrip("/"): item.source for item in mounts}
        paths = "|".join(re.escape(path) for path in sorted(self._sources, key=len, reverse=True))
        self._pattern = re.compile(rf"(?<![\w./-])(?:{paths})(?![\w.-])")

    def __call__(self, text: str) -> str:
        return self._pattern.sub(lambda found: self._sources[found[0]], text)
