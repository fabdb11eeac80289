"""Renders a path of the manifests' repository: the part of kustomize that the manifests use."""

from __future__ import annotations

import posixpath
from typing import TYPE_CHECKING, Any, Final

from ruamel.yaml import YAML
from ruamel.yaml.error import YAMLError

from harness.core.errors import DocumentError

if TYPE_CHECKING:
    from collections.abc import Iterator

    from harness.world.control_plane.model.kinds import Object
    from harness.world.repository import ManifestRepository

_FILE: Final = "kustomization.yaml"
_KNOWN: Final = frozenset({"apiVersion", "kind", "resources", "namespace"})


def render(repository: ManifestRepository, revision: str, path: str) -> list[Object]:
    """Return the objects that a directory stands for at a commit.

    Args:
        repository: where manifests are read from.
        revision: commit.
        path: directory with a ``kustomization.yaml``, from the root.

    Raises:
        DocumentError: when a file is missing or not YAML, or when the kustomization asks for
            something other than resources and a namespace.
    """
    objects = list(_directory(repository, revision, path))
    seen: set[tuple[str, str, str]] = set()
    for obj in objects:
        metadata = obj["metadata"]
        key = (str(obj["kind"]), str(metadata.get("namespace", "")), str(metadata["name"]))
        if key in seen:
            raise DocumentError(f"{'/'.join(key)} is there twice", where=path)
        seen.add(key)
    return objects


def _directory(repository: ManifestRepository, revision: str, path: str) -> Iterator[Object]:
    file = posixpath.join(path, _FILE)
    [kustomization] = _load(repository, revision, file) or [{}]
    unknown = sorted(set(kustomization) - _KNOWN)
    if unknown:
        raise DocumentError(
            f"{', '.join(unknown)} cannot be rendered",
            where=file,
            hint=f"the miniature knows {', '.join(sorted(_KNOWN))}",
        )
    for name in kustomization.get("resources") or ():
        for obj in _resource(repository, revision, posixpath.normpath(f"{path}/{name}")):
            if "namespace" in kustomization:
                obj["metadata"]["namespace"] = kustomization["namespace"]
            yield obj


def _resource(repository: ManifestRepository, revision: str, path: str) -> Iterator[Object]:
    if not path.endswith((".yaml", ".yml")):
        yield from _directory(repository, revision, path)
        return
    for obj in _load(repository, revision, path):
        if not isinstance(obj.get("metadata"), dict) or not {"apiVersion", "kind"} <= obj.keys():
            raise DocumentError("a document is not a Kubernetes object", where=path)
        yield obj


def _load(repository: ManifestRepository, revision: str, file: str) -> list[dict[str, Any]]:
    try:
        documents = list(YAML(typ="safe").load_all(repository.show(file, revision)))
    except YAMLError as error:
        raise DocumentError(f"not YAML: {error}", where=file) from error
    documents = [document for document in documents if document is not None]
    if not all(isinstance(document, dict) for document in documents):
        raise DocumentError("a document is not a mapping", where=file)
    return documents
