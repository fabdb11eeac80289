from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from harness.world.control_plane.api_server.protobuf import decode
from harness.world.control_plane.model.errors import ApiError, BadRequestError

# As kubectl 1.32 sent it for `kubectl -n torghut create configmap c2 --from-literal=a=b`.
RECORDED = bytes.fromhex(
    "6b3873000a0f0a0276311209436f6e6669674d617012230a190a0263321200"
    "1a07746f726768757422002a00320038004200"
    "12060a016112016"
    "21a002200"
)


def varint(number: int) -> bytes:
    out = b""
    while number >= 0x80:
        out += bytes([number & 0x7F | 0x80])
        number >>= 7
    return out + bytes([number])


def field(number: int, content: bytes | int) -> bytes:
    if isinstance(content, int):
        return varint(number << 3) + varint(content)
    return varint(number << 3 | 2) + varint(len(content)) + content


def envelope(kind: str, raw: bytes) -> bytes:
    type_meta = field(1, b"v1") + field(2, kind.encode())
    return b"k8s\x00" + field(1, type_meta) + field(2, raw)


def test_a_recorded_config_map() -> None:
    assert decode(RECORDED) == {
        "apiVersion": "v1",
        "kind": "ConfigMap",
        "metadata": {"name": "c2", "namespace": "torghut"},
        "data": {"a": "b"},
    }


@given(st.dictionaries(st.text(max_size=3), st.text(max_size=200), max_size=3))
def test_config_maps_of_any_content(data: dict[str, str]) -> None:
    entries = b"".join(
        field(2, field(1, key.encode()) + field(2, value.encode())) for key, value in data.items()
    )
    decoded = decode(envelope("ConfigMap", field(1, field(1, b"x")) + entries))
    assert decoded.get("data", {}) == data


def test_secrets_come_as_base64_like_in_json() -> None:
    decoded = decode(
        envelope("Secret", field(2, field(1, b"p") + field(2, b"\xff")) + field(3, b"T"))
    )
    assert decoded["data"] == {"p": "/w=="}
    assert decoded["type"] == "T"


def test_delete_options() -> None:
    raw = field(1, 0) + field(2, field(1, b"uid")) + field(4, b"Orphan") + field(5, b"All")
    decoded = decode(envelope("DeleteOptions", raw + field(3, 1)))
    assert decoded["gracePeriodSeconds"] == 0
    assert decoded["preconditions"] == {"uid": "uid"}
    assert decoded["propagationPolicy"] == "Orphan"
    assert decoded["dryRun"] == ["All"]
    assert decoded["orphanDependents"] is True


def test_an_unknown_kind_is_refused() -> None:
    with pytest.raises(ApiError, match="not understood") as caught:
        decode(envelope("CronJob", b""))
    assert caught.value.code == 415


@pytest.mark.parametrize("content", [b"", b"k8s", b"{}", b"k8s\x00\x0a\x7f", b"k8s\x00\x0f\x80"])
def test_broken_bodies_are_bad_requests(content: bytes) -> None:
    with pytest.raises(ApiError):
        decode(content)


@given(st.binary(max_size=60))
def test_no_body_breaks_the_decoder(content: bytes) -> None:
    def attempt(body: bytes) -> Any:
        try:
            return decode(body)
        except (BadRequestError, ApiError):
            return None

    attempt(b"k8s\x00" + content)
    attempt(envelope("ConfigMap", content))
