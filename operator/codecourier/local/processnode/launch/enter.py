"""The last steps before the container's command: root, user, then exec. Runs in the forked child."""

import os
import signal
import socket
from pathlib import Path
from typing import NoReturn

from codecourier.local.processnode.launch.spec import LaunchSpec

__all__ = ["become_container"]

_IGNORED_BY_PYTHON = (signal.SIGPIPE, signal.SIGXFSZ)


def become_container(spec: LaunchSpec) -> NoReturn:
    """Turn this process into the container's first one.

    Raises
    ------
    OSError
        When the container cannot be set up or its command not be found; the message is for the container's status.
    """
    os.setsid()
    os.umask(0o022)
    if spec.isolate:
        _isolate(spec)
    else:
        os.chdir(_made(spec.working_directory))
    for number in _IGNORED_BY_PYTHON:
        signal.signal(number, signal.SIG_DFL)
    _execute(spec.command, spec.environment)


def _isolate(spec: LaunchSpec) -> None:
    # Imported here because the module can only be loaded on Linux.
    from codecourier.local.processnode.launch import root, syscalls  # noqa: PLC0415 - Linux only

    syscalls.die_with_parent()
    syscalls.unshare(syscalls.CLONE_NEWNS | syscalls.CLONE_NEWIPC | syscalls.CLONE_NEWUTS)
    socket.sethostname(spec.hostname)
    root.enter_root(spec)
    working_directory = _made(spec.working_directory)
    syscalls.drop_capabilities(frozenset(spec.kept_capabilities))
    # So that /dev/stdout can be opened by its name too; both streams are one pipe.
    os.fchown(1, spec.user, -1)
    os.setgroups(spec.supplemental_groups)
    os.setresgid(spec.group, spec.group, spec.group)
    os.setresuid(spec.user, spec.user, spec.user)
    syscalls.die_with_parent()
    if spec.no_new_privileges:
        syscalls.forbid_new_privileges()
    os.chdir(working_directory)


def _made(folder: str) -> str:
    # Container runtimes make a working folder that the image lacks.
    if not Path(folder).is_dir():
        Path(folder).mkdir(parents=True)
    return folder


def _execute(command: list[str], environment: dict[str, str]) -> NoReturn:
    program = command[0]
    try:
        os.execvpe(program, command, environment)  # noqa: S606 - running the pod's command is the purpose
    except FileNotFoundError as error:
        where = f"stat {program}: no such file or directory" if "/" in program else "executable file not found in $PATH"
        message = f'exec: "{program}": {where}'
        raise FileNotFoundError(error.errno, message) from error
    except OSError as error:
        message = f'exec: "{program}": {os.strerror(error.errno or 0).lower()}'
        raise OSError(error.errno, message) from error
