"""The kinds that the miniature serves."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Final

from harness.world.control_plane.model import schemas
from harness.world.control_plane.model.kinds import Column, ResourceKind

if TYPE_CHECKING:
    from collections.abc import Sequence

_AGE: Final = Column("Age", ".metadata.creationTimestamp", "date")


def _core(kind: str, plural: str, *short: str, **more: object) -> ResourceKind:
    return ResourceKind(
        key=kind,
        group="",
        version="v1",
        kind=kind,
        plural=plural,
        singular=kind.lower(),
        short_names=short,
        built_in=True,
        **more,  # type: ignore[arg-type]
    )


CORE: Final = (
    _core("ConfigMap", "configmaps", "cm", schema=schemas.CONFIG_MAP),
    _core("Secret", "secrets", schema=schemas.SECRET, selectable=("type",)),
    _core("Service", "services", "svc", subresources=("status",), categories=("all",)),
    _core(
        "Pod",
        "pods",
        "po",
        subresources=("status", "log", "exec"),
        categories=("all",),
        selectable=("spec.nodeName", "status.phase", "status.podIP"),
    ),
    _core(
        "Namespace",
        "namespaces",
        "ns",
        namespaced=False,
        subresources=("status",),
        selectable=("status.phase",),
    ),
    _core(
        "Event",
        "events",
        "ev",
        selectable=(
            "involvedObject.kind",
            "involvedObject.name",
            "involvedObject.namespace",
            "involvedObject.uid",
            "reason",
            "type",
        ),
    ),
    _core("ServiceAccount", "serviceaccounts", "sa"),
)
DEPLOYMENT: Final = ResourceKind(
    key="Deployment",
    group="apps",
    version="v1",
    kind="Deployment",
    plural="deployments",
    singular="deployment",
    short_names=("deploy",),
    subresources=("status",),
    categories=("all",),
    generation=True,
    built_in=True,
)
FLINK_DEPLOYMENT: Final = ResourceKind(
    key="FlinkDeployment",
    group="flink.apache.org",
    version="v1beta1",
    kind="FlinkDeployment",
    plural="flinkdeployments",
    singular="flinkdeployment",
    short_names=("flinkdep",),
    subresources=("status",),
    # The operator's CRD lists these two and no age.
    columns=(
        Column("Job Status", ".status.jobStatus.state"),
        Column("Lifecycle State", ".status.lifecycleState"),
    ),
    generation=True,
    schema=schemas.FLINK_DEPLOYMENT,
)
FLINK_STATE_SNAPSHOT: Final = ResourceKind(
    key="FlinkStateSnapshot",
    group="flink.apache.org",
    version="v1beta1",
    kind="FlinkStateSnapshot",
    plural="flinkstatesnapshots",
    singular="flinkstatesnapshot",
    short_names=("flinksnp",),
    subresources=("status",),
    columns=(
        Column("Path", ".status.path"),
        Column("Timestamp", ".status.resultTimestamp"),
        Column("Snapshot State", ".status.state"),
    ),
    generation=True,
    schema=schemas.FREE,
)
KNATIVE_SERVICE: Final = ResourceKind(
    key="KnativeService",
    group="serving.knative.dev",
    version="v1",
    kind="Service",
    plural="services",
    singular="service",
    short_names=("kservice", "ksvc"),
    subresources=("status",),
    columns=(
        Column("URL", ".status.url"),
        Column("LatestCreated", ".status.latestCreatedRevisionName"),
        Column("LatestReady", ".status.latestReadyRevisionName"),
        Column("Ready", ".status.conditions[type=Ready].status"),
        Column("Reason", ".status.conditions[type=Ready].reason"),
    ),
    categories=("all", "knative", "serving"),
    generation=True,
    schema=schemas.KNATIVE_SERVICE,
)
# Argo CD's CRD has no status subresource: its controller patches the main resource.
APPLICATION: Final = ResourceKind(
    key="Application",
    group="argoproj.io",
    version="v1alpha1",
    kind="Application",
    plural="applications",
    singular="application",
    short_names=("app", "apps"),
    columns=(
        Column("Sync Status", ".status.sync.status"),
        Column("Health Status", ".status.health.status"),
        Column("Revision", ".status.sync.revision", wide=True),
        Column("Project", ".spec.project", wide=True),
    ),
    generation=True,
    schema=schemas.FREE,
)
KAFKA_TOPIC: Final = ResourceKind(
    key="KafkaTopic",
    group="kafka.strimzi.io",
    version="v1beta2",
    also=("v1",),
    kind="KafkaTopic",
    plural="kafkatopics",
    singular="kafkatopic",
    short_names=("kt",),
    subresources=("status",),
    columns=(
        Column("Cluster", ".metadata.labels.strimzi\\.io/cluster"),
        Column("Partitions", ".spec.partitions", "integer"),
        Column("Replication factor", ".spec.replicas", "integer"),
        Column("Ready", ".status.conditions[type=Ready].status"),
    ),
    categories=("strimzi",),
    generation=True,
    schema=schemas.KAFKA_TOPIC,
)
OBJECT_BUCKET_CLAIM: Final = ResourceKind(
    key="ObjectBucketClaim",
    group="objectbucket.io",
    version="v1alpha1",
    kind="ObjectBucketClaim",
    plural="objectbucketclaims",
    singular="objectbucketclaim",
    short_names=("obc", "obcs"),
    subresources=("status",),
    columns=(_AGE,),
    generation=True,
    schema=schemas.FREE,
)
CATALOG: Final = (
    *CORE,
    DEPLOYMENT,
    FLINK_DEPLOYMENT,
    FLINK_STATE_SNAPSHOT,
    KNATIVE_SERVICE,
    APPLICATION,
    KAFKA_TOPIC,
    OBJECT_BUCKET_CLAIM,
)
"""All kinds, in the order of ``kubectl api-resources``."""


def catalog(topic_api: Sequence[str]) -> tuple[ResourceKind, ...]:
    """Return all kinds of a cluster.

    Args:
        topic_api: versions of KafkaTopic that Strimzi serves, the stored one first: v1beta2 and
            v1 since 0.49, v1 alone since 1.0.
    """
    stored, *others = topic_api
    topic = replace(KAFKA_TOPIC, version=stored, also=tuple(others))
    return tuple(topic if kind is KAFKA_TOPIC else kind for kind in CATALOG)
