from __future__ import annotations

import socket
import subprocess
import sys
from typing import TYPE_CHECKING

import pytest
from hypothesis import given
from hypothesis import strategies as st

from harness.core.errors import ServiceError, UsageError
from harness.world import network
from harness.world.addresses import Addresses

if TYPE_CHECKING:
    from collections.abc import Iterator

NETWORK = "127.203.7"


def ports(name: str) -> list[str]:
    return network.world_ports(Addresses(name))


@pytest.fixture(name="listener")
def listener_fixture() -> Iterator[str]:
    """A port of the network that another program listens on."""
    with socket.socket() as server:
        server.bind((f"{NETWORK}.20", 8123))
        server.listen()
        yield f"{NETWORK}.20:8123"


def test_two_claims_of_one_network_conflict_until_the_first_is_given_back() -> None:
    first = network.claim(NETWORK, ports)
    with pytest.raises(ServiceError, match=f"another world uses the network {NETWORK}"):
        network.claim(NETWORK, ports)
    first.close()
    network.claim(NETWORK, ports).close()


def test_a_claim_does_not_outlive_its_process() -> None:
    code = f"from harness.world.network import Claim; c = Claim({NETWORK!r}); print(c.network)"
    subprocess.run([sys.executable, "-c", code], check=True, capture_output=True)
    network.claim(NETWORK, ports).close()


def test_a_taken_port_is_named_and_the_claim_given_back(listener: str) -> None:
    with pytest.raises(ServiceError, match=f"taken by another program: {listener}"):
        network.claim(NETWORK, ports)
    network.Claim(NETWORK).close()


def test_a_free_network_is_found_beside_taken_ones(
    listener: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    candidates = ["127.203.8", NETWORK, "127.203.9"]
    monkeypatch.setattr(network, "_candidates", lambda: iter(candidates))
    held = network.Claim("127.203.8")
    found = network.claim(None, ports)
    held.close()
    found.close()
    assert listener.startswith(NETWORK)
    assert found.network == "127.203.9"


def test_no_free_network_at_all_is_an_error(listener: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(network, "_candidates", lambda: iter([listener.rpartition(".")[0]]))
    with pytest.raises(ServiceError, match="no free loopback network"):
        network.claim(None, ports)


@pytest.mark.parametrize(
    "text",
    ["", "127", "127.1", "127.1.2.3", "10.0.0", "127.256.1", "127.01.2", "127.1.x", "127.1.2 "],
)
def test_what_is_no_loopback_network_is_refused(text: str) -> None:
    with pytest.raises(UsageError, match=r"not of the form 127\.x\.y"):
        network.claim(text, ports)


@given(st.text())
def test_any_text_is_refused_or_is_a_network(text: str) -> None:
    if network._NETWORK.fullmatch(text):
        return
    with pytest.raises(UsageError):
        network.claim(text, lambda _name: [])


def test_candidates_are_loopback_networks() -> None:
    candidates = list(network._candidates())
    assert len(candidates) == network._ATTEMPTS
    assert all(network._NETWORK.fullmatch(one) for one in candidates)


def test_every_listener_of_a_world_has_a_port_of_its_own() -> None:
    wanted = ports(NETWORK)
    assert len(set(wanted)) == len(wanted) == 11
    assert all(pair.startswith(f"{NETWORK}.") for pair in wanted)
