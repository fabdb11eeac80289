"""The HTTP side of the API: good enough for the real kubectl."""

from harness.world.control_plane.api_server.kubeconfig import write_kubeconfig
from harness.world.control_plane.api_server.server import ApiServer
from harness.world.control_plane.api_server.tls import Certificate

__all__ = ["ApiServer", "Certificate", "write_kubeconfig"]
