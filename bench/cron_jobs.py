"""The controller that CronJobs have in Kubernetes, beside which schedules are measured."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime
from pathlib import Path

from bench.processes import running_program
from codecourier.kube.api import Json, Resource
from codecourier.local.binaries import find_binaries
from codecourier.local.layout import ClusterLayout

__all__ = ["CRON_JOBS", "JOBS", "LIFTED", "build_cron_job", "running_cron_job_controller"]

CRON_JOBS = Resource("batch", "v1", "cronjobs", "CronJob")
JOBS = Resource("batch", "v1", "jobs", "Job")

LIFTED = ("--kube-api-qps=2000", "--kube-api-burst=4000", "--concurrent-cron-job-syncs=50")
"""Flags that lift the controller's limits: by default it sends 20 requests a second, with 5 workers."""


@contextmanager
def running_cron_job_controller(layout: ClusterLayout, log: Path, flags: tuple[str, ...]) -> Iterator[int]:
    """Run a kube-controller-manager with the controllers of CronJobs and Jobs alone; its process id is the context."""
    program = find_binaries(lambda _: None, lambda: None) / "kube-controller-manager"
    command = [
        str(program),
        "--secure-port=0",
        f"--kubeconfig={layout.controller_manager_kubeconfig}",
        "--controllers=cronjob-controller,job-controller",
        "--leader-elect=false",
        *flags,
    ]
    with running_program(command, log) as process:
        yield process.pid


def build_cron_job(namespace: str, name: str, slot: datetime) -> Json:
    """Return a CronJob that is due at a slot each day; its Job is suspended, so that it makes no pod."""
    container = {"name": "agent", "image": "agent:1"}
    pod = {"restartPolicy": "Never", "containers": [container]}
    return {
        "apiVersion": "batch/v1",
        "kind": "CronJob",
        "metadata": {"name": name, "namespace": namespace},
        "spec": {
            "schedule": f"{slot.minute} {slot.hour} * * *",
            "timeZone": "UTC",
            "jobTemplate": {"spec": {"suspend": True, "template": {"spec": pod}}},
        },
    }
