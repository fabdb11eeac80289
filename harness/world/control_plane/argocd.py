"""Argo CD's application controller: Git on one side, the cluster on the other."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar, Final

from harness.core.audit import AuditEvent, now_rfc3339
from harness.core.errors import HarnessError
from harness.world.control_plane.argocd_state import compare, overall_health
from harness.world.control_plane.kustomize import render
from harness.world.control_plane.model.errors import ApiError
from harness.world.control_plane.reconciler import Reconciler, set_status

if TYPE_CHECKING:
    from collections.abc import Sequence

    from harness.core.audit import AuditTrail
    from harness.world.control_plane.argocd_state import Resource
    from harness.world.control_plane.client import Client
    from harness.world.control_plane.model.kinds import Object
    from harness.world.profiles import Profile
    from harness.world.repository import ManifestRepository

NAMESPACE: Final = "argocd"
"""Namespace of the applications."""

CONTROLLER: Final = "argocd-application-controller"
"""Who is named for syncs that nobody asked for."""

REQUEST: Final = "request-id"
"""Name of the operation's ``info`` entry that tells one requested sync from another."""

_WAVE: Final = "argocd.argoproj.io/sync-wave"
_ORDER: Final = ("Namespace", "ServiceAccount", "Secret", "ConfigMap", "Service", "Deployment")
_HISTORY: Final = 10


def application(name: str, path: str, automation: str) -> Object:
    """Return an Application as production's ApplicationSet makes it.

    Args:
        name: name of the application; also the namespace it deploys to.
        path: directory in the repository.
        automation: ``manual``, or ``auto`` for automated sync with prune and selfHeal.
    """
    policy: dict[str, Any] = {"syncOptions": ["CreateNamespace=true", "ServerSideApply=true"]}
    if automation == "auto":
        policy["automated"] = {"prune": True, "selfHeal": True}
    return {
        "apiVersion": "argoproj.io/v1alpha1",
        "kind": "Application",
        "metadata": {"name": name, "namespace": NAMESPACE},
        "spec": {
            "project": "default",
            "source": {"path": path, "targetRevision": "HEAD"},
            "destination": {"name": "in-cluster", "namespace": name},
            "syncPolicy": policy,
        },
    }


def applications(profile: Profile, automation: str | None = None) -> list[Object]:
    """Return the applications of a profile.

    Args:
        profile: what production looks like.
        automation: ``manual`` or ``auto``; the profile's by default.
    """
    return [
        application(name, path, automation or profile.automation)
        for name, path in profile.applications.items()
    ]


def sync_operation(
    request: str, *, by: str, revision: str | None = None, prune: bool = False
) -> Object:
    """Return the merge patch that asks for a sync, as Argo CD's own clients write it.

    Args:
        request: identifier of this request.
        by: who asks.
        revision: commit; None: the branch's head.
        prune: delete objects that are gone from Git.
    """
    sync: dict[str, Any] = {"prune": prune, "syncStrategy": {"hook": {}}}
    if revision is not None:
        sync["revision"] = revision
    return {
        "operation": {
            "initiatedBy": {"username": by},
            "info": [{"name": REQUEST, "value": request}],
            "sync": sync,
        }
    }


def finished_operation(app: Object, request: str) -> Object | None:
    """Return the operation's state once the sync of this request is over, else None."""
    state = (app.get("status") or {}).get("operationState") or {}
    info = (state.get("operation") or {}).get("info") or []
    if state.get("finishedAt") and {"name": REQUEST, "value": request} in info:
        return dict(state)
    return None


@dataclass(frozen=True, slots=True)
class _Comparison:
    revision: str
    resources: Sequence[Resource]

    @property
    def synced(self) -> bool:
        return all(item.synced for item in self.resources)


class ArgoCD(Reconciler):
    """Compares every Application with Git and carries out syncs.

    A sync is asked for by the Application's ``operation`` field, or, where
    ``spec.syncPolicy.automated`` says so, made by itself: after each new commit, and with
    selfHeal after each drift. Without prune, objects that are gone from Git stay.
    """

    kinds: ClassVar[tuple[str, ...]] = (
        "Application",
        "ConfigMap",
        "Deployment",
        "FlinkDeployment",
        "KafkaTopic",
        "KnativeService",
        "ObjectBucketClaim",
    )

    def __init__(
        self,
        client: Client,
        repository: ManifestRepository,
        audit: AuditTrail,
        *,
        resync: float = 0.5,
    ) -> None:
        """Prepare the controller.

        Args:
            client: acts as ``argocd-controller``.
            repository: the manifests.
            audit: where syncs are recorded.
            resync: seconds between two looks at Git; Argo CD itself takes minutes, or a webhook.
        """
        super().__init__(client, resync=resync)
        self._repository = repository
        self._audit = audit
        # A requested sync and the loop's pass must not carry out the same operation twice.
        self._one_at_a_time = asyncio.Lock()
        self._rendered: dict[tuple[str, str], list[Object]] = {}

    async def reconcile(self) -> None:
        """Compare every application, and sync those that asked for it or may by themselves."""
        async with self._one_at_a_time:
            for app in self.client.list("Application", NAMESPACE).items:
                try:
                    await self._reconcile(app)
                except HarnessError as error:
                    self._cannot_compare(app, error)

    async def sync(
        self, name: str, revision: str | None = None, *, prune: bool = False, by: str = "admin"
    ) -> Object:
        """Sync an application now.

        Args:
            name: name of the application.
            revision: commit; None: the branch's head.
            prune: delete objects that are gone from Git.
            by: who asks.

        Returns:
            The operation's state; ``phase`` is ``Succeeded``, ``Failed`` or ``Error``.

        Raises:
            NotFoundError: when there is no such application.
        """
        patch = sync_operation(now_rfc3339(), by=by, revision=revision, prune=prune)
        async with self._one_at_a_time:
            await self._operate(self.client.patch("Application", NAMESPACE, name, patch))
            app = self.client.get("Application", NAMESPACE, name)
            try:
                self._show(app, await self._compare(app))
            except HarnessError as error:
                self._cannot_compare(app, error)
        return dict(app["status"]["operationState"])

    async def _reconcile(self, app: Object) -> None:
        if app.get("operation"):
            await self._operate(app)
            app = self.client.get("Application", NAMESPACE, app["metadata"]["name"])
        comparison = await self._compare(app)
        patch = _automated(app, comparison)
        if patch is not None:
            await self._operate({**app, **patch})
            app = self.client.get("Application", NAMESPACE, app["metadata"]["name"])
            comparison = await self._compare(app)
        self._show(app, comparison)

    async def _compare(self, app: Object, revision: str | None = None) -> _Comparison:
        wanted = revision or app["spec"]["source"].get("targetRevision", "HEAD")
        commit = await asyncio.to_thread(self._repository.resolve, wanted)
        manifests = await self._manifests(commit, app["spec"]["source"]["path"])
        resources = compare(self.client.store, app["metadata"]["name"], manifests)
        return _Comparison(commit, resources)

    async def _manifests(self, commit: str, path: str) -> list[Object]:
        if (commit, path) not in self._rendered:
            objects = await asyncio.to_thread(render, self._repository, commit, path)
            self._rendered[commit, path] = objects
        return self._rendered[commit, path]

    async def _operate(self, app: Object) -> None:
        """Carry out ``operation`` of an application and say how it went."""
        operation, started = app["operation"], now_rfc3339()
        sync = operation.get("sync") or {}
        try:
            comparison = await self._compare(app, sync.get("revision"))
        except HarnessError as error:
            outcome = {"phase": "Error", "message": str(error)}
        else:
            outcome = self._sync(comparison, prune=bool(sync.get("prune")))
        state = {
            **outcome,
            "operation": operation,
            "startedAt": started,
            "finishedAt": now_rfc3339(),
        }
        self._record(app, state)
        self._finish(app, state)

    def _sync(self, comparison: _Comparison, *, prune: bool) -> dict[str, Any]:
        results = [
            {**item.reference, "syncPhase": "Sync", **self._apply(item, prune=prune)}
            for item in sorted(comparison.resources, key=_turn)
        ]
        failed = any(result["status"] == "SyncFailed" for result in results)
        return {
            "phase": "Failed" if failed else "Succeeded",
            "message": "one or more objects failed to apply"
            if failed
            else "successfully synced (all tasks run)",
            "syncResult": {"revision": comparison.revision, "resources": results},
        }

    def _apply(self, item: Resource, *, prune: bool) -> dict[str, str]:
        try:
            if item.wanted is None:
                return self._prune(item, prune=prune)
            self.client.patch(
                item.kind.key,
                item.namespace,
                item.name,
                item.wanted,
                patch_type="apply",
                force=True,
            )
        except ApiError as error:
            return {"status": "SyncFailed", "message": error.message}
        changed = ", ".join(item.drift) or ("unchanged" if item.live else "created")
        return {"status": "Synced", "message": f"serverside-applied: {changed}"}

    def _prune(self, item: Resource, *, prune: bool) -> dict[str, str]:
        if not prune:
            return {"status": "PruneSkipped", "message": "ignored (requires pruning)"}
        self.client.delete(item.kind.key, item.namespace, item.name)
        return {"status": "Pruned", "message": "pruned"}

    def _record(self, app: Object, state: dict[str, Any]) -> None:
        operation = state["operation"]
        self._audit.record(
            AuditEvent(
                "argocd",
                (operation.get("initiatedBy") or {}).get("username", "unknown"),
                "sync",
                f"{NAMESPACE}/applications/{app['metadata']['name']}",
                {key: state.get(key) for key in ("message", "syncResult")},
                state["phase"],
            )
        )

    def _finish(self, app: Object, state: dict[str, Any]) -> None:
        status = dict(app.get("status") or {})
        status["operationState"] = state
        if state["phase"] == "Succeeded":
            entry = {
                "revision": state["syncResult"]["revision"],
                "deployedAt": state["finishedAt"],
                "initiatedBy": state["operation"].get("initiatedBy", {}),
            }
            status["history"] = [*status.get("history", []), entry][-_HISTORY:]
        self.client.patch(
            "Application",
            NAMESPACE,
            app["metadata"]["name"],
            {"operation": None, "status": status},
        )

    def _show(self, app: Object, comparison: _Comparison) -> None:
        self._status(
            app,
            {
                "sync": {
                    "status": "Synced" if comparison.synced else "OutOfSync",
                    "revision": comparison.revision,
                },
                "health": {"status": overall_health(comparison.resources)},
                "resources": [item.entry() for item in comparison.resources],
            },
        )

    def _cannot_compare(self, app: Object, error: HarnessError) -> None:
        trouble = {"type": "ComparisonError", "message": str(error)}
        self._status(app, {"sync": {"status": "Unknown"}, "conditions": [trouble]})

    def _status(self, app: Object, shown: dict[str, Any]) -> None:
        before = self.client.get("Application", NAMESPACE, app["metadata"]["name"])
        kept = {
            key: value
            for key, value in (before.get("status") or {}).items()
            if key in {"operationState", "history"}
        }
        set_status(self.client, "Application", before, {**kept, **shown})


def _turn(item: Resource) -> tuple[int, int, str]:
    """Order of a sync: by wave, then by kind, then by name."""
    annotations = ((item.wanted or {}).get("metadata") or {}).get("annotations") or {}
    rank = _ORDER.index(item.kind.kind) if item.kind.kind in _ORDER else len(_ORDER)
    return int(annotations.get(_WAVE, "0")), rank, item.name


def _automated(app: Object, comparison: _Comparison) -> Object | None:
    """Return the operation that automated sync starts by itself, if it does."""
    policy = (app["spec"].get("syncPolicy") or {}).get("automated")
    if policy is None or comparison.synced:
        return None
    state = (app.get("status") or {}).get("operationState") or {}
    tried = (state.get("syncResult") or {}).get("revision") == comparison.revision
    # Once a commit was tried, only drift of a commit that went well is healed.
    if tried and not (policy.get("selfHeal") and state.get("phase") == "Succeeded"):
        return None
    prune = bool(policy.get("prune"))
    if tried and not _healable(comparison, prune=prune):
        return None
    return {
        "operation": {
            "initiatedBy": {"automated": True, "username": CONTROLLER},
            "sync": {"prune": prune, "revision": comparison.revision},
        }
    }


def _healable(comparison: _Comparison, *, prune: bool) -> bool:
    """Whether another sync would change something."""
    return any(
        not item.synced and (item.wanted is not None or prune) for item in comparison.resources
    )
