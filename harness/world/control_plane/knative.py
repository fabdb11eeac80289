"""Knative Serving: a revision for each new template of a Service, and a pod for the latest one.

The trading service has no process here. Its pod is an object only: it shows the environment
that the service would run with, which is what tells whether trading is paused.
"""

from __future__ import annotations

import hashlib
from typing import TYPE_CHECKING, ClassVar, Final

import orjson

from harness.core.audit import now_rfc3339
from harness.world.control_plane.reconciler import Reconciler, condition, set_status

if TYPE_CHECKING:
    from harness.world.control_plane.model.kinds import Object

LIMIT: Final = (
    "The trading service has no process of its own: its pod is an object that shows the "
    "environment it would run with."
)
"""For the journal of every run."""

_SERVICE_LABEL: Final = "serving.knative.dev/service"
_REVISION_LABEL: Final = "serving.knative.dev/revision"
_CONDITIONS: Final = ("ConfigurationsReady", "Ready", "RoutesReady")
_TEMPLATE: Final = "replay-harness/template"


class Knative(Reconciler):
    """Keeps one revision and one pod for each Knative Service."""

    kinds: ClassVar[tuple[str, ...]] = ("KnativeService", "Pod")

    async def reconcile(self) -> None:
        """Bring every Service to its latest template."""
        for service in self.client.list("KnativeService").items:
            if "deletionTimestamp" not in service["metadata"]:
                self._roll_out(service)

    def _roll_out(self, service: Object) -> None:
        revision, digest = _revision(service)
        self._keep_pod(service, revision)
        metadata = service["metadata"]
        status = {
            "observedGeneration": metadata["generation"],
            "latestCreatedRevisionName": revision,
            "latestReadyRevisionName": revision,
            "conditions": [condition(name, status=True) for name in _CONDITIONS],
            "traffic": [{"latestRevision": True, "percent": 100, "revisionName": revision}],
            "url": f"http://{metadata['name']}.{metadata['namespace']}.svc.cluster.local",
            "annotations": {_TEMPLATE: digest},
        }
        set_status(self.client, "KnativeService", service, status)

    def _keep_pod(self, service: Object, revision: str) -> None:
        metadata = service["metadata"]
        pods = self.client.list(
            "Pod", metadata["namespace"], labels=f"{_SERVICE_LABEL}={metadata['name']}"
        ).items
        current = [pod for pod in pods if pod["metadata"]["labels"][_REVISION_LABEL] == revision]
        if not current:
            self.client.create(_pod(service, revision))
        for pod in pods:
            if pod not in current:
                self.client.delete("Pod", metadata["namespace"], pod["metadata"]["name"])


def _revision(service: Object) -> tuple[str, str]:
    """Return name and template digest of the revision that a Service calls for."""
    template = orjson.dumps(service["spec"]["template"], option=orjson.OPT_SORT_KEYS)
    digest = hashlib.sha256(template).hexdigest()[:16]
    status = service.get("status") or {}
    latest = status.get("latestCreatedRevisionName")
    if latest and (status.get("annotations") or {}).get(_TEMPLATE) == digest:
        return str(latest), digest
    number = int(latest.rsplit("-", 1)[1]) + 1 if latest else 1
    return f"{service['metadata']['name']}-{number:05}", digest


def _pod(service: Object, revision: str) -> Object:
    metadata, template = service["metadata"], service["spec"]["template"]
    started = now_rfc3339()
    containers = template["spec"]["containers"]
    return {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {
            "generateName": f"{revision}-deployment-",
            "namespace": metadata["namespace"],
            "labels": {_SERVICE_LABEL: metadata["name"], _REVISION_LABEL: revision},
            "ownerReferences": [
                {
                    "apiVersion": service["apiVersion"],
                    "kind": service["kind"],
                    "name": metadata["name"],
                    "uid": metadata["uid"],
                }
            ],
        },
        "spec": {"containers": containers},
        "status": {
            "phase": "Running",
            "startTime": started,
            "conditions": [{"type": "Ready", "status": "True", "lastTransitionTime": started}],
            "containerStatuses": [
                {
                    "name": container["name"],
                    "ready": True,
                    "started": True,
                    "restartCount": 0,
                    "state": {"running": {"startedAt": started}},
                }
                for container in containers
            ],
        },
    }
