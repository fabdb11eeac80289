"""The object store as a local process: moto's S3 server, which keeps objects in memory."""

from __future__ import annotations

import os
import secrets
import sys
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Final, Self

import boto3
import botocore.session
from botocore.config import Config
from botocore.exceptions import BotoCoreError, ClientError

from harness.world.processes import ManagedProcess
from harness.world.services.starting import (
    check_free,
    scrubbed_environment,
    split_address,
    wait_alive,
)

if TYPE_CHECKING:
    from pathlib import Path

    from mypy_boto3_s3 import S3Client

    from harness.world.addresses import Addresses

REGION: Final = "us-east-1"


@dataclass(frozen=True, slots=True)
class Credentials:
    """Keys of an S3 user.

    Attributes:
        access_key: access key id.
        secret_key: secret access key.
    """

    access_key: str
    secret_key: str

    @classmethod
    def generate(cls) -> Self:
        """Return new random keys in the form that Ceph's gateway gives out."""
        return cls(secrets.token_hex(10).upper(), secrets.token_urlsafe(30))


class LocalObjectStore:
    """Object store of one world.

    Everything is in the memory of its process: it grows with each checkpoint that is kept, and
    is empty after a restart. Any credentials are accepted.

    Attributes:
        name: ``object-store``.
        url: its end point.
        credentials: keys to use.
    """

    name = "object-store"

    def __init__(
        self,
        addresses: Addresses,
        *,
        logs: Path,
        world_id: str,
        credentials: Credentials | None = None,
    ) -> None:
        """Describe the server; ``start`` runs it.

        Args:
            addresses: the world's addresses.
            logs: where its log goes; it has one line for each request.
            world_id: marks the process.
            credentials: keys to use; None makes new ones.
        """
        self.url = f"http://{addresses.object_store}"
        self.credentials = credentials or Credentials.generate()
        self._address = addresses.object_store
        self._logs = logs
        self._world_id = world_id

    @cached_property
    def processes(self) -> tuple[ManagedProcess, ...]:
        """The one server process."""
        host, port = split_address(self._address)
        return (
            ManagedProcess(
                "object-store",
                [sys.executable, "-I", "-m", "moto.server", "-H", host, "-p", str(port)],
                log=self._logs / "object-store.log",
                environment={
                    **scrubbed_environment(self._world_id),
                    # Else the first label of production's host name is taken for a bucket.
                    "S3_IGNORE_SUBDOMAIN_BUCKETNAME": "true",
                },
            ),
        )

    def start(self) -> None:
        """Start the server.

        Raises:
            ServiceError: when the port is taken or the process cannot be started.
        """
        check_free(self.name, [self._address])
        self.processes[0].start()

    def wait_ready(self, timeout: float = 60.0) -> None:
        """Wait until it lists buckets.

        Args:
            timeout: seconds.

        Raises:
            ServiceError: when the process died, with the end of its log.
            WaitTimeoutError: when it does not answer in time.
        """
        client = self.client()
        wait_alive(
            self.processes,
            lambda: "Buckets" in client.list_buckets(),
            what=f"the object store to answer at {self.url}",
            timeout=timeout,
            expected=(BotoCoreError, ClientError),
        )

    def client(self) -> S3Client:
        """Return a new S3 client that talks to this world and to nothing else."""
        return s3_client(self.url, self.credentials)

    def create_bucket(self, name: str) -> None:
        """Create a bucket; one that exists stays as it is.

        Raises:
            ClientError: when the name is refused.
        """
        self.client().create_bucket(Bucket=name)

    def stop(self) -> None:
        """End the server and forget all objects."""
        self.processes[0].stop()


def s3_client(url: str, credentials: Credentials) -> S3Client:
    """Return an S3 client that talks to one server and takes nothing of the user's.

    Args:
        url: end point of the server.
        credentials: keys to use.
    """
    return _isolated_session().client(
        "s3",
        endpoint_url=url,
        region_name=REGION,
        aws_access_key_id=credentials.access_key,
        aws_secret_access_key=credentials.secret_key,
        # Names of buckets stay in the path, and no proxy of the user is asked.
        config=Config(
            s3={"addressing_style": "path"},
            proxies={},
            connect_timeout=2,
            retries={"total_max_attempts": 1},
        ),
    )


def _isolated_session() -> boto3.session.Session:
    """Return a session that reads neither the user's AWS files nor AWS_PROFILE."""
    unset = (None, None, None, None)
    nothing = (None, None, os.devnull, None)
    variables = {"profile": unset, "config_file": nothing, "credentials_file": nothing}
    core = botocore.session.Session(session_vars=variables)
    return boto3.session.Session(botocore_session=core)
