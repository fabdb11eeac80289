"""The bucket of Flink's state."""

from __future__ import annotations

import hashlib
from typing import TYPE_CHECKING, Final

from harness.world.services.object_store.local import Credentials, s3_client

if TYPE_CHECKING:
    from mypy_boto3_s3 import S3Client

    from harness.checks.evidence import Objects
    from harness.world.spec import WorldState

BUCKET: Final = "flink-checkpoints"


def list_objects(state: WorldState) -> Objects:
    """Return size and digest of every object by its key.

    The digest is taken of the content: the ETag of an object that was uploaded in parts differs
    from that of its copy.

    Args:
        state: the world.
    """
    keys = Credentials(state.s3_access_key, state.s3_secret_key)
    client = s3_client(f"http://{state.addresses.object_store}", keys)
    pages = client.get_paginator("list_objects_v2").paginate(Bucket=BUCKET)
    return {
        item["Key"]: (item["Size"], _digest(client, item["Key"]))
        for page in pages
        for item in page.get("Contents", [])
    }


def _digest(client: S3Client, key: str) -> str:
    return hashlib.sha256(client.get_object(Bucket=BUCKET, Key=key)["Body"].read()).hexdigest()
