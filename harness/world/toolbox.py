"""The pod with S3 tools that the document has its reader look for."""

from __future__ import annotations

import shlex
from typing import TYPE_CHECKING, Final

from harness.world.control_plane.pods.objects import Container, pod_object
from harness.world.control_plane.pods.runtime import PodBacking
from harness.world.tools import find_aws

if TYPE_CHECKING:
    from pathlib import Path

    from harness.world.addresses import Addresses
    from harness.world.control_plane.client import Client
    from harness.world.control_plane.pods.runtime import PodRuntime
    from harness.world.services.object_store.local import Credentials

NAMESPACE: Final = "torghut"
LABEL: Final = "torghut-toolbox"
DIFFERENCE: Final = (
    "A pod torghut-toolbox with the aws command stands in the namespace; which pod of production "
    "has S3 tools is not known."
)


def add_toolbox_pod(
    client: Client, pods: PodRuntime, root: Path, addresses: Addresses, keys: Credentials
) -> None:
    """Stand a pod in which the real ``aws`` reaches the world's object store and nothing else.

    Args:
        client: acts on the API.
        pods: gets what stands behind the pod.
        root: directory of the world.
        addresses: where the proxy listens.
        keys: credentials of the object store.
    """
    folder = root / "pods" / "toolbox"
    program = folder / "usr" / "local" / "bin" / "aws"
    program.parent.mkdir(parents=True)
    program.write_text(f'#!/bin/sh\nexec {shlex.quote(str(find_aws()))} "$@"\n')
    program.chmod(0o755)
    proxy = f"http://{addresses.proxy}"
    environment = {
        "PATH": "/usr/local/bin:/usr/bin:/bin",
        "HOME": str(folder),
        "AWS_ACCESS_KEY_ID": keys.access_key,
        "AWS_SECRET_ACCESS_KEY": keys.secret_key,
        "AWS_DEFAULT_REGION": "us-east-1",
        "AWS_MAX_ATTEMPTS": "1",  # a refused name is not tried again for ten seconds
        "HTTP_PROXY": proxy,
        "HTTPS_PROXY": proxy,
    }
    client.create(
        pod_object(
            LABEL,
            NAMESPACE,
            labels={"app": LABEL},
            containers=[Container("toolbox", "amazon/aws-cli")],
            address=addresses.host(50),
        )
    )
    backing = PodBacking(root=folder, environment=environment)
    pods.register(NAMESPACE, LABEL, "toolbox", backing)
