"""What stands behind the pods: a directory, an environment, a log, processes."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Final

from harness.world.control_plane.model.errors import BadRequestError
from harness.world.control_plane.pods.execution import Execution
from harness.world.control_plane.pods.lookup import PATH_IN_POD, find_program, path_variable

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from harness.core.audit import AuditTrail
    from harness.world.processes import ManagedProcess

_NOWHERE: Final = Path("/")


@dataclass(frozen=True, slots=True)
class PodBacking:
    """What one container of a pod really is.

    Attributes:
        root: directory that plays the container's root: ``/opt/kafka/bin/x`` is
            ``<root>/opt/kafka/bin/x``; None: only the machine's ``/usr/bin`` and ``/bin``.
        environment: the container's environment; ``PATH`` entries are looked up under ``root``.
        log: file that ``kubectl logs`` shows.
        previous_log: file that ``kubectl logs --previous`` shows.
        processes: processes that the container runs; for whoever looks behind the pod.
        directory: working directory of commands; None: ``root``.
    """

    root: Path | None = None
    environment: Mapping[str, str] = field(default_factory=dict)
    log: Path | None = None
    previous_log: Path | None = None
    processes: tuple[ManagedProcess, ...] = ()
    directory: Path | None = None


class PodRuntime:
    """The backings of all pods of a world, and the commands that run in them."""

    def __init__(self, audit: AuditTrail, *, environment: Mapping[str, str] | None = None) -> None:
        """Begin with no pods.

        Args:
            audit: where executed commands are recorded.
            environment: what every command gets besides its container's environment, e.g. the
                marker of the world.
        """
        self._audit = audit
        self._environment = dict(environment or {})
        self._backings: dict[tuple[str, str], dict[str, PodBacking]] = {}
        self._running: set[Execution] = set()

    def register(self, namespace: str, pod: str, container: str, backing: PodBacking) -> None:
        """Put a backing behind a container, in place of an earlier one."""
        self._backings.setdefault((namespace, pod), {})[container] = backing

    def unregister(self, namespace: str, pod: str) -> None:
        """Forget a pod; nothing happens when it is not known."""
        self._backings.pop((namespace, pod), None)

    def containers(self, namespace: str, pod: str) -> tuple[str, ...]:
        """Return the containers of a pod that have a backing."""
        return tuple(self._backings.get((namespace, pod), ()))

    def backing(self, namespace: str, pod: str, container: str) -> PodBacking:
        """Return what is behind a container.

        Raises:
            BadRequestError: when nothing is (yet).
        """
        found = self._backings.get((namespace, pod), {}).get(container)
        if found is None:
            raise BadRequestError(
                f'container "{container}" in pod "{pod}" is waiting to start: ContainerCreating'
            )
        return found

    async def execute(
        self,
        namespace: str,
        pod: str,
        container: str,
        command: Sequence[str],
        *,
        stdin: bool = False,
        merged: bool = False,
        actor: str = "harness",
    ) -> Execution:
        """Start a command in a container.

        Args:
            namespace: the pod's namespace.
            pod: the pod.
            container: the container.
            command: program and arguments.
            stdin: whether standard input will be written.
            merged: whether standard error goes to standard output, as on a terminal.
            actor: who asks for it, for the audit trail.

        Raises:
            BadRequestError: when nothing is behind the container.
            CommandNotFoundError: when the program is not in the container.
        """
        backing = self.backing(namespace, pod, container)
        execution = Execution(self._audit, actor, f"{namespace}/pods/{pod}", container, command)
        environment = {**self._environment, **backing.environment}
        path = environment.get("PATH", PATH_IN_POD)
        with execution.recording_failure():
            program = find_program(command, backing.root, path)
            await execution.start(
                program,
                environment=environment | {"PATH": path_variable(backing.root, path)},
                directory=backing.directory or backing.root or _NOWHERE,
                stdin=stdin,
                merged=merged,
            )
        self._running.add(execution)
        execution.when_done(self._running.discard)
        return execution

    async def stop(self) -> None:
        """Kill all commands that still run."""
        for execution in tuple(self._running):
            await execution.kill()
