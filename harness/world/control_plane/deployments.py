"""Deployments of Kubernetes itself: as many pods as replicas, all of the latest template.

A pod here is an object without a process. What a replay needs of it is that it is there: the
trading scheduler of profile H trades while its Deployment has a pod, and is paused without.
"""

from __future__ import annotations

import hashlib
from typing import TYPE_CHECKING, ClassVar, Final

import orjson

from harness.world.control_plane.pods.objects import Container, owner_reference, pod_status
from harness.world.control_plane.reconciler import Reconciler, condition, set_status
from harness.world.control_plane.store import utc_seconds

if TYPE_CHECKING:
    from harness.world.control_plane.model.kinds import Object

HASH_LABEL: Final = "pod-template-hash"
"""Label by which the pods of one template are told from those of another."""

_ALPHABET: Final = "bcdfghjklmnpqrstvwxz2456789"
_HASH_LENGTH: Final = 9
_NODE: Final = "miniature"


class Deployments(Reconciler):
    """Keeps the pods of every Deployment that nobody else controls.

    A Deployment with a controlling owner, such as a Flink cluster's JobManager, is left to that
    owner's controller. ReplicaSets are left out: pods belong to the Deployment itself. Pods of an
    older template go before those of a newer one come, which is what ``Recreate`` asks for.
    """

    kinds: ClassVar[tuple[str, ...]] = ("Deployment", "Pod")

    async def reconcile(self) -> None:
        """Bring every Deployment to its replicas and its template."""
        for deployment in self.client.list("Deployment").items:
            if _is_ours(deployment):
                self._keep(deployment)

    def _keep(self, deployment: Object) -> None:
        metadata, spec = deployment["metadata"], deployment["spec"]
        digest = template_hash(spec["template"])
        current = []
        for pod in self._pods(deployment):
            if (pod["metadata"].get("labels") or {}).get(HASH_LABEL) == digest:
                current.append(pod)
            else:
                self._delete(pod)
        for pod in current[spec["replicas"] :]:
            self._delete(pod)
        for _ in range(len(current), spec["replicas"]):
            self.client.create(_pod(deployment, digest))
        set_status(self.client, "Deployment", deployment, _status(metadata, spec["replicas"]))

    def _pods(self, deployment: Object) -> list[Object]:
        metadata = deployment["metadata"]
        return [
            pod
            for pod in self.client.list("Pod", metadata["namespace"]).items
            if metadata["uid"] == _controller(pod)
        ]

    def _delete(self, pod: Object) -> None:
        self.client.delete("Pod", pod["metadata"]["namespace"], pod["metadata"]["name"])


def _controller(obj: Object) -> str | None:
    """Return the uid of the object that controls this one."""
    owners = obj["metadata"].get("ownerReferences") or []
    return next((owner["uid"] for owner in owners if owner.get("controller")), None)


def _is_ours(deployment: Object) -> bool:
    return _controller(deployment) is None and "deletionTimestamp" not in deployment["metadata"]


def template_hash(template: Object) -> str:
    """Return the part of a pod's name that stands for its template."""
    digest = hashlib.sha256(orjson.dumps(template, option=orjson.OPT_SORT_KEYS)).digest()
    return "".join(_ALPHABET[byte % len(_ALPHABET)] for byte in digest[:_HASH_LENGTH])


def _pod(deployment: Object, digest: str) -> Object:
    metadata, template = deployment["metadata"], deployment["spec"]["template"]
    labels = (template.get("metadata") or {}).get("labels") or {}
    containers = template["spec"]["containers"]
    states = [Container(one["name"], one.get("image", "")) for one in containers]
    return {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {
            "generateName": f"{metadata['name']}-{digest}-",
            "namespace": metadata["namespace"],
            "labels": {**labels, HASH_LABEL: digest},
            "ownerReferences": [owner_reference(deployment)],
        },
        "spec": {**template["spec"], "nodeName": _NODE},
        "status": pod_status(states, started=utc_seconds()),
    }


def _status(metadata: Object, replicas: int) -> Object:
    """Return the status of a Deployment whose pods all run; counts of zero are left out."""
    counts = ("availableReplicas", "readyReplicas", "replicas", "updatedReplicas")
    return {
        "observedGeneration": metadata["generation"],
        "conditions": [
            condition(
                "Available",
                status=True,
                reason="MinimumReplicasAvailable",
                message="Deployment has minimum availability.",
            ),
            condition("Progressing", status=True, reason="NewReplicaSetAvailable"),
        ],
        **(dict.fromkeys(counts, replicas) if replicas else {}),
    }
