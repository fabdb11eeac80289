from __future__ import annotations

from typing import TYPE_CHECKING

from harness.world.addresses import Addresses
from harness.world.services.object_store import Credentials, LocalObjectStore

if TYPE_CHECKING:
    from pathlib import Path

    import pytest


def test_generated_keys_differ_and_look_like_keys() -> None:
    one, two = Credentials.generate(), Credentials.generate()
    assert one != two
    assert len(one.access_key) == 20
    assert one.access_key.isupper() or one.access_key.isdigit()
    assert len(one.secret_key) == 40


def test_the_client_knows_only_its_world(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    config = tmp_path / "config"
    config.write_text("[default]\nregion = eu-west-1\nendpoint_url = http://real.example.com\n")
    monkeypatch.setenv("AWS_CONFIG_FILE", str(config))
    monkeypatch.setenv("AWS_PROFILE", "production")
    monkeypatch.setenv("AWS_ENDPOINT_URL", "http://real.example.com")
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "users-own-key")
    store = LocalObjectStore(Addresses("127.63.2"), logs=tmp_path, world_id="test")
    client = store.client()
    assert client.meta.endpoint_url == "http://127.63.2.30:5000"
    assert client.meta.region_name == "us-east-1"
    url = client.generate_presigned_url("get_object", Params={"Bucket": "b", "Key": "k"})
    assert store.credentials.access_key in url
    assert url.startswith("http://127.63.2.30:5000/b/k")


def test_given_credentials_are_kept(tmp_path: Path) -> None:
    keys = Credentials("KEY", "secret")
    store = LocalObjectStore(
        Addresses("127.63.2"), logs=tmp_path, world_id="test", credentials=keys
    )
    assert store.credentials is keys
