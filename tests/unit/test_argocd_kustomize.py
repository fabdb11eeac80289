from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from harness.core.audit import AuditTrail
from harness.core.errors import DocumentError
from harness.world.control_plane.kustomize import render
from harness.world.profiles import ProfileSettings, load_profile
from harness.world.repository import ManifestRepository

if TYPE_CHECKING:
    from pathlib import Path

APP = "argocd/applications/torghut"
CONFIG = "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: a, namespace: n}\n"


@pytest.fixture(name="git")
def git_fixture(tmp_path: Path) -> ManifestRepository:
    audit = AuditTrail(tmp_path / "audit.jsonl")
    return ManifestRepository.create(tmp_path / "m", load_profile("S"), ProfileSettings(), audit)


def rendered(git: ManifestRepository, **files: str) -> list[str]:
    for name, content in files.items():
        target = git.path / "x" / f"{name}.yaml"
        target.parent.mkdir(exist_ok=True)
        target.write_text(content)
    git.commit("x")
    objects = render(git, git.head, "x")
    return [f"{obj['metadata'].get('namespace')}/{obj['metadata']['name']}" for obj in objects]


def test_directories_files_and_documents_are_followed(git: ManifestRepository) -> None:
    objects = render(git, "HEAD", APP)
    assert [obj["kind"] for obj in objects] == [
        "Service",
        "ObjectBucketClaim",
        "ConfigMap",
        "FlinkDeployment",
    ]
    assert len(render(git, "HEAD", "argocd/applications/kafka")) == 7


def test_the_commit_counts_not_the_work_tree(git: ManifestRepository) -> None:
    (git.path / APP / "kustomization.yaml").write_text("resources: []\n")
    assert len(render(git, "HEAD", APP)) == 4


def test_a_namespace_is_laid_over(git: ManifestRepository) -> None:
    names = rendered(git, kustomization="namespace: other\nresources: [c.yaml]\n", c=CONFIG)
    assert names == ["other/a"]


def test_a_parent_directory_can_be_named(git: ManifestRepository) -> None:
    names = rendered(git, kustomization=f"resources: [../{APP}/ta/configmap.yaml]\n")
    assert names == ["torghut/torghut-ta-config"]


@pytest.mark.parametrize(
    ("files", "message"),
    [
        ({"c": CONFIG}, r"x/kustomization\.yaml: is not there"),
        ({"kustomization": "resources: [no.yaml]\n"}, r"x/no\.yaml: is not there"),
        ({"kustomization": "resources: [no]\n"}, r"x/no/kustomization\.yaml: is not there"),
        ({"kustomization": "patches: []\nimages: []\n"}, "images, patches cannot be rendered"),
        ({"kustomization": "resources: [c.yaml, c.yaml]\n", "c": CONFIG}, "is there twice"),
        ({"kustomization": "resources: [c.yaml]\n", "c": "a: ["}, r"x/c\.yaml: not YAML"),
        ({"kustomization": "resources: [c.yaml]\n", "c": "- a\n"}, "not a mapping"),
        ({"kustomization": "resources: [c.yaml]\n", "c": "kind: A\n"}, "not a Kubernetes object"),
    ],
)
def test_what_cannot_be_rendered_names_the_file(
    git: ManifestRepository, files: dict[str, str], message: str
) -> None:
    with pytest.raises(DocumentError, match=message):
        rendered(git, **files)


def test_an_empty_document_is_nothing(git: ManifestRepository) -> None:
    names = rendered(git, kustomization="resources: [c.yaml]\n", c=f"---\n---\n{CONFIG}---\n")
    assert names == ["n/a"]
