"""The kubeconfig by which kubectl finds the server and trusts it."""

from __future__ import annotations

import base64
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from pathlib import Path

_TEMPLATE: Final = """\
apiVersion: v1
kind: Config
clusters:
- name: {name}
  cluster:
    server: {server}
    certificate-authority-data: {authority}
users:
- name: {name}
  user:
    token: {token}
contexts:
- name: {name}
  context:
    cluster: {name}
    user: {name}
    namespace: {namespace}
current-context: {name}
"""


def write_kubeconfig(
    path: Path,
    *,
    server: str,
    authority: bytes,
    token: str,
    namespace: str = "default",
    name: str = "torghut-miniature",
) -> None:
    """Write a kubeconfig that only its owner can read.

    Args:
        path: the file.
        server: ``https://host:port``.
        authority: certificate of the authority, PEM.
        token: bearer token.
        namespace: namespace of the context.
        name: name of cluster, user and context.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    path.touch(mode=0o600)
    path.chmod(0o600)
    path.write_text(
        _TEMPLATE.format(
            name=name,
            server=server,
            authority=base64.b64encode(authority).decode(),
            token=token,
            namespace=namespace,
        ),
        encoding="utf-8",
    )
