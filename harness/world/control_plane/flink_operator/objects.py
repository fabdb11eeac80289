"""The objects by which a Flink cluster shows in the API: Deployment, Services, pods."""

from __future__ import annotations

import hashlib
import json
import secrets
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, Final

from harness.world.control_plane.flink_operator.environment import main_container
from harness.world.control_plane.model.errors import ApiError
from harness.world.control_plane.pods.objects import (
    Container,
    owner_reference,
    pod_object,
    pod_status,
)
from harness.world.services.flink.spec import BLOB_PORT, REST_PORT, RPC_PORT

if TYPE_CHECKING:
    from collections.abc import Callable

    from harness.world.control_plane.client import Client
    from harness.world.control_plane.flink_operator.clusters import ClusterRef, Submission

_ALPHABET: Final = "bcdfghjklmnpqrstvwxz2456789"
_SUFFIX: Final = 5
_KINDS: Final = ("Pod", "Service", "ConfigMap")


def random_suffix() -> str:
    """Return five characters as Kubernetes puts behind a pod's name."""
    return "".join(secrets.choice(_ALPHABET) for _ in range(_SUFFIX))


class ClusterObjects:
    """The API's side of one application cluster, from its deployment to its deletion."""

    def __init__(
        self,
        client: Client,
        cluster: ClusterRef,
        submission: Submission,
        *,
        suffix: Callable[[], str] = random_suffix,
    ) -> None:
        """Name the objects; ``create`` stores them.

        Args:
            client: acts as the operator.
            cluster: the FlinkDeployment.
            submission: what is deployed.
            suffix: makes the end of the JobManager pod's name.
        """
        self._client = client
        self._cluster = cluster
        self._generation = submission.generation
        self._spec = submission.spec.to_dict()
        self._configuration = submission.spec.configuration
        digest = hashlib.sha256(json.dumps(self._spec, sort_keys=True).encode()).hexdigest()
        template = "".join(_ALPHABET[int(digit, 16)] for digit in digest[:9])
        self.job_manager_pod = f"{cluster.name}-{template}-{suffix()}"
        self._deployment: dict[str, Any] | None = None
        self._started: dict[str, str] = {}

    @property
    def container(self) -> dict[str, Any]:
        """The main container as the pod template describes it."""
        return main_container(self._spec.get("podTemplate") or {})

    def create(self) -> None:
        """Store everything that the operator creates before a pod runs."""
        owner = self._owner()
        configuration = "".join(f"{key}: {value}\n" for key, value in self._configuration.items())
        self._client.create(
            self._object("v1", "ConfigMap", f"flink-config-{self._cluster.name}", owner)
            | {"data": {"config.yaml": configuration}}
        )
        for service in self._services(owner):
            self._client.create(service)
        self._deployment = self._client.create(self._deployment_object(owner))
        self.show_job_manager("Pending", ready=False, waiting="ContainerCreating")

    def show_job_manager(
        self,
        phase: str = "Running",
        *,
        ready: bool,
        waiting: str | None = None,
        restarts: int = 0,
        last_exit_code: int | None = None,
    ) -> None:
        """Show the JobManager's pod, and with it the Deployment, in another state.

        Args:
            phase: phase of the pod.
            ready: whether its readiness probe succeeds.
            waiting: reason why the container does not run.
            restarts: how often it was restarted.
            last_exit_code: exit code of the run before.
        """
        state = Container(
            self.container["name"],
            self._spec.get("image", ""),
            ready=ready,
            restarts=restarts,
            waiting=waiting,
            last_exit_code=last_exit_code,
        )
        self._show_pod(self.job_manager_pod, "jobmanager", state, phase)
        self._show_deployment(available=ready and waiting is None)

    def show_task_manager(self, name: str) -> None:
        """Show the pod of a TaskManager that runs."""
        state = Container(self.container["name"], self._spec.get("image", ""))
        self._show_pod(name, "taskmanager", state, "Running")

    def task_manager_pod(self, number: int) -> str:
        """Return the name of a TaskManager's pod, counted from 1."""
        return f"{self._cluster.name}-taskmanager-1-{number}"

    def delete_pod(self, name: str) -> None:
        """Delete a pod; one that is not there is no error."""
        self._delete("Pod", name)

    def delete(self) -> None:
        """Delete everything that belongs to the cluster."""
        delete_cluster_objects(self._client, self._cluster)

    def _owner(self) -> dict[str, Any]:
        return self._client.get("FlinkDeployment", self._cluster.namespace, self._cluster.name)

    def _labels(self, component: str | None = None) -> dict[str, str]:
        labels = {"app": self._cluster.name, "type": "flink-native-kubernetes"}
        return labels | ({"component": component} if component else {})

    def _object(
        self, api_version: str, kind: str, name: str, owner: dict[str, Any]
    ) -> dict[str, Any]:
        metadata = {
            "name": name,
            "namespace": self._cluster.namespace,
            "labels": self._labels(),
            "ownerReferences": [owner_reference(owner)],
        }
        return {"apiVersion": api_version, "kind": kind, "metadata": metadata}

    def _services(self, owner: dict[str, Any]) -> list[dict[str, Any]]:
        name, selector = self._cluster.name, self._labels("jobmanager")
        internal = {
            "clusterIP": "None",
            "selector": selector,
            "ports": [
                {"name": "jobmanager-rpc", "port": RPC_PORT},
                {"name": "blobserver", "port": BLOB_PORT},
            ],
        }
        rest = {"selector": selector, "ports": [{"name": "rest", "port": REST_PORT}]}
        return [
            self._object("v1", "Service", name, owner) | {"spec": internal},
            self._object("v1", "Service", f"{name}-rest", owner)
            | {"spec": rest | {"type": "ClusterIP"}},
        ]

    def _deployment_object(self, owner: dict[str, Any]) -> dict[str, Any]:
        labels = self._labels("jobmanager")
        found = self._object("apps/v1", "Deployment", self._cluster.name, owner)
        found["metadata"]["annotations"] = {
            "flinkdeployment.flink.apache.org/generation": str(self._generation)
        }
        template = {"metadata": {"labels": labels}, "spec": {"containers": [self._container()]}}
        spec = {"replicas": 1, "selector": {"matchLabels": labels}, "template": template}
        return found | {"spec": spec, "status": _deployment_status(available=False)}

    def _container(self) -> dict[str, Any]:
        return {"image": self._spec.get("image", "")} | self.container

    def _show_pod(self, name: str, component: str, state: Container, phase: str) -> None:
        current = self._client.find("Pod", self._cluster.namespace, name)
        started = self._started.setdefault(name, datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%SZ"))
        status = pod_status([state], phase=phase, started=started)  # type: ignore[arg-type]
        if current is not None:
            self._client.replace(current | {"status": status}, subresource="status")
            return
        pod = pod_object(
            name,
            self._cluster.namespace,
            labels=self._pod_labels(component),
            containers=[state],
            owner=self._deployment,
            started=started,
        )
        # The template's container, so that references to Secrets stay references.
        pod["spec"]["containers"] = [self._container()]
        self._client.create(pod | {"status": status})

    def _pod_labels(self, component: str) -> dict[str, str]:
        template = (self._spec.get("podTemplate") or {}).get("metadata") or {}
        return dict(template.get("labels") or {}) | self._labels(component)

    def _show_deployment(self, *, available: bool) -> None:
        current = self._client.find("Deployment", self._cluster.namespace, self._cluster.name)
        status = _deployment_status(available=available)
        if current is not None and current.get("status") != status:
            self._client.replace(current | {"status": status}, subresource="status")

    def _delete(self, kind: str, name: str) -> None:
        _delete_if_there(self._client, kind, self._cluster.namespace, name)


def delete_cluster_objects(client: Client, cluster: ClusterRef) -> None:
    """Delete every object of a cluster; none being there is no error."""
    _delete_if_there(client, "Deployment", cluster.namespace, cluster.name)
    selector = f"app={cluster.name},type=flink-native-kubernetes"
    for kind in _KINDS:
        for found in client.list(kind, cluster.namespace, labels=selector).items:
            _delete_if_there(client, kind, cluster.namespace, found["metadata"]["name"])


def _delete_if_there(client: Client, kind: str, namespace: str, name: str) -> None:
    if client.find(kind, namespace, name) is None:
        return
    try:
        client.delete(kind, namespace, name)
    except ApiError as error:
        if error.reason != "NotFound":
            raise


def _deployment_status(*, available: bool) -> dict[str, Any]:
    status: dict[str, Any] = {"replicas": 1, "updatedReplicas": 1, "observedGeneration": 1}
    if available:
        return status | {"readyReplicas": 1, "availableReplicas": 1}
    return status | {"unavailableReplicas": 1}
