"""Pod objects as the kubelet would leave them, so that ``kubectl get pods`` looks right."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, Final, Literal

from harness.world.control_plane.model.documents import copied

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from harness.world.control_plane.model.kinds import Object

Phase = Literal["Pending", "Running", "Succeeded", "Failed"]

_NODE: Final = "miniature"


@dataclass(frozen=True, slots=True)
class Container:
    """One container and how it is doing.

    Attributes:
        name: its name.
        image: its image.
        ready: whether its readiness probe succeeds; counts for READY while it runs.
        restarts: how often it was restarted.
        waiting: reason why it is not running, e.g. ``CrashLoopBackOff``.
        exit_code: exit code, when it has ended.
        last_exit_code: exit code of the run before, when it was restarted.
        environment: variables, as the specification shows them.
        environment_from: names of ConfigMaps that all variables are taken from.
        ports: container ports by name.
        command: command line, when it differs from the image's.
    """

    name: str
    image: str = ""
    ready: bool = True
    restarts: int = 0
    waiting: str | None = None
    exit_code: int | None = None
    last_exit_code: int | None = None
    environment: Mapping[str, str] = field(default_factory=dict)
    environment_from: Sequence[str] = ()
    ports: Mapping[str, int] = field(default_factory=dict)
    command: Sequence[str] = ()

    @property
    def running(self) -> bool:
        """Whether it neither waits nor has ended."""
        return self.waiting is None and self.exit_code is None


def owner_reference(owner: Object) -> Object:
    """Return the reference by which an object says that ``owner`` controls it."""
    return {
        "apiVersion": owner["apiVersion"],
        "kind": owner["kind"],
        "name": owner["metadata"]["name"],
        "uid": owner["metadata"]["uid"],
        "controller": True,
        "blockOwnerDeletion": True,
    }


def pod_object(
    name: str,
    namespace: str,
    *,
    labels: Mapping[str, str],
    containers: Sequence[Container],
    owner: Object | None = None,
    phase: Phase = "Running",
    address: str = "127.0.0.1",
    annotations: Mapping[str, str] | None = None,
    started: str | None = None,
) -> Object:
    """Return a Pod with its status.

    Args:
        name: its name.
        namespace: its namespace.
        labels: its labels.
        containers: its containers and their states.
        owner: object that controls it: deleting that deletes the pod.
        phase: its phase.
        address: its address.
        annotations: its annotations.
        started: RFC 3339 time of its start; None: now.
    """
    started = started or datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
    metadata: Object = {"name": name, "namespace": namespace, "labels": dict(labels)}
    if annotations:
        metadata["annotations"] = dict(annotations)
    if owner is not None:
        metadata["ownerReferences"] = [owner_reference(owner)]
    return {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": metadata,
        "spec": {
            "containers": [_specification(container) for container in containers],
            "nodeName": _NODE,
            "restartPolicy": "Always",
        },
        "status": pod_status(containers, phase=phase, address=address, started=started),
    }


def pod_status(
    containers: Sequence[Container],
    *,
    phase: Phase = "Running",
    address: str = "127.0.0.1",
    started: str,
) -> Object:
    """Return the status alone, for a patch of the ``status`` subresource.

    Args:
        containers: the containers and their states.
        phase: the pod's phase.
        address: the pod's address.
        started: RFC 3339 time of its start.
    """
    ready = bool(containers) and all(
        container.ready and container.running for container in containers
    )
    return {
        "phase": phase,
        "conditions": [
            _condition("Initialized", started, holds=True),
            _condition("Ready", started, holds=ready),
            _condition("ContainersReady", started, holds=ready),
            _condition("PodScheduled", started, holds=True),
        ],
        "hostIP": address,
        "podIP": address,
        "podIPs": [{"ip": address}],
        "startTime": started,
        "containerStatuses": [_container_status(container, started) for container in containers],
        "qosClass": "BestEffort",
    }


def _specification(container: Container) -> Object:
    result: Object = {"name": container.name, "image": container.image}
    if container.command:
        result["command"] = list(container.command)
    if container.environment_from:
        result["envFrom"] = [{"configMapRef": {"name": n}} for n in container.environment_from]
    if container.environment:
        result["env"] = [{"name": k, "value": v} for k, v in container.environment.items()]
    if container.ports:
        result["ports"] = [
            {"name": name, "containerPort": port, "protocol": "TCP"}
            for name, port in container.ports.items()
        ]
    return copied(result)  # type: ignore[no-any-return]


def _condition(kind: str, since: str, *, holds: bool) -> Object:
    condition = {"type": kind, "status": str(holds), "lastTransitionTime": since}
    if not holds and kind != "PodScheduled":
        condition["reason"] = "ContainersNotReady"
    return condition


def _container_status(container: Container, started: str) -> Object:
    return {
        "name": container.name,
        "image": container.image,
        "imageID": "",
        "ready": container.ready and container.running,
        "started": container.running,
        "restartCount": container.restarts,
        "state": _state(container, started),
        "lastState": _terminated(container.last_exit_code, started),
    }


def _state(container: Container, started: str) -> dict[str, Any]:
    if container.waiting is not None:
        return {"waiting": {"reason": container.waiting}}
    return _terminated(container.exit_code, started) or {"running": {"startedAt": started}}


def _terminated(exit_code: int | None, time: str) -> dict[str, Any]:
    if exit_code is None:
        return {}
    reason = "Error" if exit_code else "Completed"
    return {"terminated": {"exitCode": exit_code, "reason": reason, "finishedAt": time}}
