"""Schemas of the kinds, as far as a replay depends on them; other fields pass unchecked."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from collections.abc import Mapping

Schema = dict[str, Any]


def _map(description: str = "", **properties: Schema) -> Schema:
    return {
        "type": "object",
        "description": description,
        "properties": properties,
        "x-kubernetes-preserve-unknown-fields": True,
    }


def _string(description: str = "") -> Schema:
    return {"type": "string", "description": description}


def _integer(description: str = "", **limits: int) -> Schema:
    return {"type": "integer", "format": "int64", "description": description, **limits}


def _strings(description: str) -> Schema:
    return {
        "type": "object",
        "description": description,
        "additionalProperties": {"type": "string"},
    }


def _choice(description: str, *options: str) -> Schema:
    return {"type": "string", "description": description, "enum": list(options)}


_FREE: Final[Mapping[str, Any]] = {"type": "object", "x-kubernetes-preserve-unknown-fields": True}

CONFIG_MAP: Final = _map(
    "ConfigMap holds configuration data for pods to consume.",
    data=_strings("Data contains the configuration data."),
    binaryData=_strings("BinaryData contains the binary data."),
)
SECRET: Final = _map(
    "Secret holds secret data of a certain type.",
    data=_strings("Data contains the secret data, base64 encoded."),
    stringData=_strings("stringData allows specifying non-binary secret data in string form."),
    type=_string("Used to facilitate programmatic handling of secret data."),
)
FLINK_DEPLOYMENT: Final = _map(
    "Flink cluster, and the job on it, that the operator keeps.",
    spec=_map(
        "Desired state.",
        image=_string("Image of JobManager and TaskManagers."),
        imagePullPolicy=_string(),
        serviceAccount=_string("Service account that Flink uses."),
        flinkVersion=_string("Version of Flink, e.g. v2_0."),
        flinkConfiguration=dict(_FREE),
        restartNonce=_integer("Changing it to another number restarts the job."),
        mode=_choice("Kubernetes deployment mode.", "native", "standalone"),
        job=_map(
            "The job; none for a session cluster.",
            state=_choice("Desired state of the job.", "running", "suspended"),
            upgradeMode=_choice(
                "How state is carried over.", "last-state", "savepoint", "stateless"
            ),
            parallelism=_integer("Parallelism of the job."),
            jarURI=_string("Where the job's jar is."),
            entryClass=_string("Class to run."),
            args={"type": "array", "items": {"type": "string"}},
            initialSavepointPath=_string("Savepoint to start from for the first time."),
            savepointRedeployNonce=_integer("Changing it redeploys from initialSavepointPath."),
            savepointTriggerNonce=_integer("Changing it triggers a savepoint."),
            checkpointTriggerNonce=_integer("Changing it triggers a checkpoint."),
            allowNonRestoredState={"type": "boolean"},
        ),
        podTemplate=dict(_FREE),
        jobManager=_map(replicas=_integer(), resource=dict(_FREE), podTemplate=dict(_FREE)),
        taskManager=_map(
            replicas=_integer(minimum=1), resource=dict(_FREE), podTemplate=dict(_FREE)
        ),
    ),
    status=_map(
        "Last observed state.",
        jobStatus=dict(_FREE),
        reconciliationStatus=dict(_FREE),
        jobManagerDeploymentStatus=_string(),
        lifecycleState=_string(),
        error=_string(),
        observedGeneration=_integer(),
    ),
)
KAFKA_TOPIC: Final = _map(
    "Topic of a Kafka cluster.",
    spec=_map(
        "The specification of the topic.",
        topicName=_string("The name of the topic; metadata.name when absent."),
        partitions=_integer("The number of partitions.", minimum=1),
        replicas=_integer("The number of replicas.", minimum=1),
        config=dict(_FREE),
    ),
    status=dict(_FREE),
)
KNATIVE_SERVICE: Final = _map(
    "Service manages Routes and Configurations of a workload.",
    spec=_map(template=dict(_FREE), traffic={"type": "array", "items": dict(_FREE)}),
    status=dict(_FREE),
)
FREE: Final = _map("", spec=dict(_FREE), status=dict(_FREE))
