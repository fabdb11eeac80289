"""The row of a pod in ``kubectl get pods``: READY, STATUS, RESTARTS as the real server counts."""

from __future__ import annotations

from typing import TYPE_CHECKING

from harness.world.control_plane.api_server.columns import age

if TYPE_CHECKING:
    from collections.abc import Sequence

    from harness.world.control_plane.model.kinds import Object, Value


def pod_row(item: Object) -> list[Value]:
    """Return the cells of a pod, wide ones included."""
    status = item.get("status") or {}
    containers = status.get("containerStatuses") or []
    ready = sum(bool(container.get("ready")) for container in containers)
    total = len((item.get("spec") or {}).get("containers") or ())
    return [
        item["metadata"]["name"],
        f"{ready}/{total}",
        pod_state(item),
        _restarts(containers),
        age(item["metadata"].get("creationTimestamp")),
        status.get("podIP") or "<none>",
        (item.get("spec") or {}).get("nodeName") or "<none>",
        "<none>",
        "<none>",
    ]


def pod_state(item: Object) -> str:
    """Return the STATUS column: the reason of a container that does not run, or the phase."""
    status = item.get("status") or {}
    if item["metadata"].get("deletionTimestamp"):
        return "Terminating"
    state = status.get("reason") or status.get("phase") or "Unknown"
    for container in reversed(status.get("containerStatuses") or []):
        state = _reason(container.get("state") or {}) or state
    return str(state)


def _reason(state: Object) -> str | None:
    if reason := (state.get("waiting") or {}).get("reason"):
        return str(reason)
    ended = state.get("terminated")
    if ended is None:
        return None
    if ended.get("reason"):
        return str(ended["reason"])
    return (
        f"Signal:{ended['signal']}"
        if ended.get("signal")
        else f"ExitCode:{ended.get('exitCode', 0)}"
    )


def _restarts(containers: Sequence[Object]) -> str:
    count = sum(int(container.get("restartCount", 0)) for container in containers)
    ends = [
        container["lastState"]["terminated"].get("finishedAt")
        for container in containers
        if (container.get("lastState") or {}).get("terminated")
    ]
    latest = max((end for end in ends if end), default=None)
    return f"{count} ({age(latest)} ago)" if count and latest else str(count)
