from __future__ import annotations

import hashlib
from xml.etree import ElementTree as ET

from hypothesis import given
from hypothesis import strategies as st

from harness.world.services.clickhouse import PRODUCTION_MERGES, MergeBehaviour, settings

# What XML 1.0 can hold.
TEXT = st.text(st.characters(min_codepoint=0x20, max_codepoint=0xD7FF), min_size=1)


def parsed(text: str) -> ET.Element:
    return ET.fromstring(text)  # noqa: S314 - the text is our own


def test_it_listens_on_the_worlds_address_only() -> None:
    config = parsed(settings.server_config("127.63.2.20", {}))
    assert [element.text for element in config.iter("listen_host")] == ["127.63.2.20"]
    assert config.findtext("http_port") == "8123"
    assert config.findtext("tcp_port") == "9000"
    assert config.findtext("query_log/table") == "query_log"


def test_by_default_merges_are_left_to_clickhouse_as_in_production() -> None:
    assert PRODUCTION_MERGES.settings() == {}
    config = parsed(settings.server_config("127.63.2.20", PRODUCTION_MERGES.settings()))
    merge_tree = config.find("merge_tree")
    assert merge_tree is not None
    assert list(merge_tree) == []


def test_a_profile_may_force_merges() -> None:
    forced = MergeBehaviour(force_after_seconds=3).settings()
    config = parsed(settings.server_config("127.63.2.20", forced))
    assert config.findtext("merge_tree/min_age_to_force_merge_seconds") == "3"
    assert config.findtext("merge_tree/min_age_to_force_merge_on_partition_only") == "1"
    assert (
        MergeBehaviour(3, whole_partition_only=False).settings()[
            "min_age_to_force_merge_on_partition_only"
        ]
        == "0"
    )


@given(TEXT)
def test_the_password_is_known_by_its_digest_alone(password: str) -> None:
    text = settings.users_config("torghut", f"secret-{password}")
    users = parsed(text)
    digest = users.findtext("users/torghut/password_sha256_hex")
    assert digest == hashlib.sha256(f"secret-{password}".encode()).hexdigest()
    assert f"secret-{password}" not in text


def test_the_librarys_own_user_may_only_start_the_listeners() -> None:
    users = parsed(settings.users_config("torghut", "secret"))
    grants = [element.text or "" for element in users.findall("users/default/grants/query")]
    assert len(grants) == 3
    assert not any("SELECT" in grant or "ALL" in grant for grant in grants)
    assert users.find("users/torghut/grants") is None
    assert users.findtext("users/torghut/networks/ip") == "127.0.0.0/8"


def test_every_statement_is_logged_and_old_drivers_are_understood() -> None:
    users = parsed(settings.users_config("torghut", "secret"))
    assert users.findtext("profiles/default/log_queries") == "1"
    assert users.findtext("profiles/default/network_compression_method") == "LZ4"
