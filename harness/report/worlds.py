"""Worlds that stay: started by ``up``, ended by ``down``."""

from __future__ import annotations

import contextlib
import os
import signal
from typing import TYPE_CHECKING, Any, Final

from harness.core.waiting import wait_until
from harness.replay.variants import interpret, texts
from harness.report.directories import out_directory
from harness.report.progress import ConsoleProgress, console
from harness.world import registry
from harness.world.profiles.profile import load_profile
from harness.world.spec import WorldSpec
from harness.world.world import World, finish

if TYPE_CHECKING:
    from pathlib import Path

    from harness.replay.settings import Resolved
    from harness.world.spec import WorldState

_STOP_SECONDS: Final = 30.0
_PASSWORD: Final = (
    "kubectl -n torghut get secret torghut-clickhouse-auth "  # noqa: S105 - how to read one
    "-o jsonpath='{.data.torghut_password}' | base64 -d"
)


def start_world(resolved: Resolved) -> None:
    """Build a world, leave it running and print how to reach it.

    Args:
        resolved: settings with their origins.

    Raises:
        UsageError: for a profile, key or directory that does not exist or fit.
        HarnessError: when a part of the world cannot be started; nothing is left running then.
    """
    profile = load_profile(resolved.run.profile)
    settings, variants = interpret(resolved)
    registry.remove_stale()
    world_id = registry.new_world_id()
    out = out_directory(resolved.run.out, f"up-{world_id}")
    spec = WorldSpec(
        world_id=world_id,
        root=registry.make_directory(world_id),
        logs=out / "logs",
        audit=out / "audit.jsonl",
        profile=profile.name,
        settings=texts(settings),
        network=variants.network,
        detached=True,
    )
    state = _started(spec)
    print(describe_world(state))  # noqa: T201 - the result, on standard output


def _started(spec: WorldSpec) -> WorldState:
    """Start a world and let go of it once it is up; until then every error ends it."""
    with ConsoleProgress(console(quiet=False)) as progress, contextlib.ExitStack() as undo:

        def tell(event: dict[str, Any]) -> None:
            if event["event"] == "service":
                progress.note(f"{event['name']} ready after {event['seconds']:.1f} s")

        world = World(spec, tell)
        undo.callback(world.stop)
        progress.phase("build the world")
        world.start(os.environ)
        state = world.wait_ready()
        undo.pop_all()
        world.release()
    return state


def describe_world(state: WorldState) -> str:
    """Return how to reach a world, as lines for a person and a shell."""
    addresses = state.addresses
    lines = {
        "Kafka": f"bootstrap servers {addresses.kafka_bootstrap}",
        "ClickHouse": f"http://{addresses.clickhouse_host}:8123, user {state.clickhouse_user}",
        "  password": _PASSWORD,
        "S3": f"http://{addresses.object_store}, access key {state.s3_access_key}",
        "Flink": addresses.flink_rest,
        "proxy": f"HTTP_PROXY=http://{addresses.proxy} knows the cluster's names",
        "manifests": f"{state.repository} (Git)",
        "logs": str(state.logs),
        "audit trail": str(state.audit),
        "end it": f"replay-harness down {state.world_id}",
    }
    return "\n".join(
        [
            f"# world {state.world_id}, profile {state.profile}, network {state.network}",
            f"export KUBECONFIG={state.kubeconfig}",
            *(f"# {name:<12} {text}" for name, text in lines.items()),
        ]
    )


def end_worlds(world: str | None, *, everything: bool) -> None:
    """End a world, or all of them, and say what was removed.

    Args:
        world: identifier of the world; None when only one is running.
        everything: end all worlds of this user and remove what dead ones left, also what was
            to be kept.

    Raises:
        UsageError: when there is no such world, or more than one to choose from.
        WaitTimeoutError: when a world does not end.
    """
    if not everything:
        _end(registry.find_root(world))
        return
    for root in list(registry.world_directories()):
        if registry.alive(root):
            _end(root)
    removed = registry.remove_stale(kept=True)
    for line in removed:
        print(f"removed {line}")  # noqa: T201 - the result, on standard output
    if not removed:
        print("nothing was left behind")  # noqa: T201 - the same


def _end(root: Path) -> None:
    """End the world in ``root``, be it up already or not."""
    pid = registry.host_pid(root)
    if pid is not None:
        with contextlib.suppress(ProcessLookupError):
            os.kill(pid, signal.SIGTERM)
    wait_until(
        lambda: not registry.alive(root),
        what=f"the end of world {root.name}",
        timeout=_STOP_SECONDS,
        hint=f"kill -9 {pid} ends it at once; `replay-harness down --all` clears up then",
    )
    keep = (root / registry.KEEP_FILE).exists()
    for line in finish(root.name, root, keep=keep):
        print(f"had to be killed: {line}")  # noqa: T201 - the result, on standard output
    print(f"world {root.name} has ended")  # noqa: T201 - the same
