"""Object storage as Rook hands it out: a bucket, a Secret with keys, a ConfigMap with the address.

The Secrets of the other services, which production keeps sealed, are made here too.
"""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any, ClassVar, Final

import boto3
from botocore.config import Config
from botocore.exceptions import BotoCoreError, ClientError

from harness.core.audit import AuditEvent
from harness.core.errors import HarnessError
from harness.world.control_plane.reconciler import Reconciler, set_status

if TYPE_CHECKING:
    from harness.core.audit import AuditTrail
    from harness.world.control_plane.client import Client
    from harness.world.control_plane.model.kinds import Object

HOST: Final = "rook-ceph-rgw-objectstore.rook-ceph.svc"
"""Name of production's object store."""


_PROVISIONER: Final = "rook-ceph.ceph.rook.io/bucket"


class Buckets(Reconciler):
    """Fulfils every ObjectBucketClaim. Deleting a claim leaves its bucket alone (Retain)."""

    kinds: ClassVar[tuple[str, ...]] = ("ObjectBucketClaim", "Secret", "ConfigMap")
    retriable = (HarnessError, OSError, BotoCoreError, ClientError)

    def __init__(
        self,
        client: Client,
        audit: AuditTrail,
        *,
        endpoint: str,
        access_key: str,
        secret_key: str,
        resync: float = 5.0,
    ) -> None:
        """Prepare the controller.

        Args:
            client: acts as ``rook-ceph-operator``.
            audit: where bucket creations are recorded.
            endpoint: URL of the object store.
            access_key: key that claims hand out.
            secret_key: its secret.
            resync: seconds between two passes.
        """
        super().__init__(client, resync=resync)
        self._audit = audit
        self._keys = {"AWS_ACCESS_KEY_ID": access_key, "AWS_SECRET_ACCESS_KEY": secret_key}
        self._s3 = boto3.client(
            "s3",
            endpoint_url=endpoint,
            region_name="us-east-1",
            aws_access_key_id=access_key,
            aws_secret_access_key=secret_key,
            config=Config(
                s3={"addressing_style": "path"},
                proxies={},
                retries={"max_attempts": 1},
                connect_timeout=2,
                read_timeout=5,
            ),
        )

    async def reconcile(self) -> None:
        """Make bucket, Secret and ConfigMap of every claim."""
        for claim in self.client.list("ObjectBucketClaim").items:
            await self._fulfil(claim)

    async def _fulfil(self, claim: Object) -> None:
        bucket = claim["spec"]["bucketName"]
        await asyncio.to_thread(self._keep_bucket, bucket)
        metadata = claim["metadata"]
        self._keep(claim, "Secret", {"type": "Opaque", "stringData": self._keys})
        address = {
            "BUCKET_HOST": HOST,
            "BUCKET_NAME": bucket,
            "BUCKET_PORT": "80",
            "BUCKET_REGION": "",
            "BUCKET_SUBREGION": "",
        }
        self._keep(claim, "ConfigMap", {"data": address})
        name = f"obc-{metadata['namespace']}-{metadata['name']}"
        if claim["spec"].get("objectBucketName") != name:
            self.client.patch(
                "ObjectBucketClaim",
                metadata["namespace"],
                metadata["name"],
                {"spec": {"objectBucketName": name}},
            )
        set_status(self.client, "ObjectBucketClaim", claim, {"phase": "Bound"})

    def _keep_bucket(self, bucket: str) -> None:
        try:
            self._s3.head_bucket(Bucket=bucket)
        except ClientError as error:
            if error.response["ResponseMetadata"]["HTTPStatusCode"] != 404:  # noqa: PLR2004
                raise
            self._s3.create_bucket(Bucket=bucket)
            self._audit.record(AuditEvent("s3", self.client.actor, "create", bucket))

    def _keep(self, claim: Object, kind: str, content: dict[str, Any]) -> None:
        metadata = claim["metadata"]
        if self.client.find(kind, metadata["namespace"], metadata["name"]) is not None:
            return
        owner = {
            "apiVersion": claim["apiVersion"],
            "kind": claim["kind"],
            "name": metadata["name"],
            "uid": metadata["uid"],
            "blockOwnerDeletion": True,
            "controller": True,
        }
        self.client.create(
            {
                "apiVersion": "v1",
                "kind": kind,
                "metadata": {
                    "name": metadata["name"],
                    "namespace": metadata["namespace"],
                    "labels": {"bucket-provisioner": _PROVISIONER.replace("/", "-")},
                    "ownerReferences": [owner],
                },
                **content,
            }
        )


def bootstrap_secrets(client: Client, *, kafka_password: str, clickhouse_password: str) -> None:
    """Create the Secrets that production keeps sealed; existing ones stay.

    Args:
        client: acts as whoever builds the world.
        kafka_password: of the Kafka user ``torghut-ws``.
        clickhouse_password: of the ClickHouse user ``torghut``.
    """
    values = {
        "torghut-ws": {"password": kafka_password},
        "torghut-clickhouse-auth": {"torghut_password": clickhouse_password},
    }
    for name, data in values.items():
        if client.find("Secret", "torghut", name) is None:
            client.create(
                {
                    "apiVersion": "v1",
                    "kind": "Secret",
                    "metadata": {"name": name, "namespace": "torghut"},
                    "type": "Opaque",
                    "stringData": data,
                }
            )
