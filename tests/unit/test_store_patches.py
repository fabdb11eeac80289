from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from harness.world.control_plane.model.documents import copied, json_patched, merge_patched
from harness.world.control_plane.model.errors import ApiError, BadRequestError
from harness.world.control_plane.model.keyed_lists import strategic_patched
from harness.world.control_plane.model.ownership import (
    Owner,
    leaves,
    managed_fields,
    owners,
)
from harness.world.control_plane.model.redaction import redacted
from harness.world.control_plane.model.selectors import label_selector
from harness.world.control_plane.store import Store

keys = st.text('abc:/.~"é', min_size=1, max_size=4)
values = st.recursive(
    st.none() | st.booleans() | st.integers(-5, 5) | st.text("xy", max_size=3),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(keys, inner, max_size=3),
    max_leaves=10,
)
documents = st.dictionaries(keys, values, max_size=4)


def without_nulls(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: without_nulls(part) for key, part in value.items() if part is not None}
    return value


@given(documents)
def test_a_copy_is_equal_and_shares_nothing(document: dict[str, Any]) -> None:
    copy = copied(document)
    assert copy == document
    copy["new"] = 1
    assert "new" not in document


@given(documents, documents)
def test_a_merge_patch_is_idempotent_and_leaves_its_input_alone(
    target: dict[str, Any], patch: dict[str, Any]
) -> None:
    before = copied(target)
    once = merge_patched(target, patch)
    assert merge_patched(once, patch) == once
    assert target == before


@given(documents)
def test_a_merge_patch_onto_nothing_is_the_patch_without_nulls(patch: dict[str, Any]) -> None:
    assert merge_patched({}, patch) == without_nulls(patch)


@given(documents)
def test_a_strategic_patch_without_keyed_lists_is_a_merge_patch(patch: dict[str, Any]) -> None:
    assert strategic_patched({}, patch) == merge_patched({}, patch)


@given(documents, keys, values)
def test_json_patch_add_then_remove_restores(
    document: dict[str, Any], key: str, value: Any
) -> None:
    pointer = "/" + key.replace("~", "~0").replace("/", "~1")
    document.pop(key, None)
    added = json_patched(document, [{"op": "add", "path": pointer, "value": value}])
    assert added[key] == value
    assert json_patched(added, [{"op": "remove", "path": pointer}]) == document


@pytest.mark.parametrize(
    ("operations", "expected"),
    [
        ([{"op": "add", "path": "/l/-", "value": 3}], {"l": [1, 2, 3], "m": {"a": 1}}),
        ([{"op": "add", "path": "/l/0", "value": 0}], {"l": [0, 1, 2], "m": {"a": 1}}),
        ([{"op": "replace", "path": "/l/1", "value": 9}], {"l": [1, 9], "m": {"a": 1}}),
        ([{"op": "remove", "path": "/l/0"}], {"l": [2], "m": {"a": 1}}),
        ([{"op": "move", "from": "/m/a", "path": "/b"}], {"l": [1, 2], "m": {}, "b": 1}),
        ([{"op": "copy", "from": "/m", "path": "/n"}], {"l": [1, 2], "m": {"a": 1}, "n": {"a": 1}}),
        ([{"op": "test", "path": "/m/a", "value": 1}], {"l": [1, 2], "m": {"a": 1}}),
        ([{"op": "replace", "path": "", "value": {"x": 1}}], {"x": 1}),
    ],
)
def test_json_patch_operations(operations: Any, expected: dict[str, Any]) -> None:
    assert json_patched({"l": [1, 2], "m": {"a": 1}}, operations) == expected


@pytest.mark.parametrize(
    "operation",
    [
        {"op": "replace", "path": "/nope", "value": 1},
        {"op": "remove", "path": "/l/7"},
        {"op": "remove", "path": "/l/-"},
        {"op": "remove", "path": ""},
        {"op": "add", "path": "/l/x", "value": 1},
        {"op": "add", "path": "/s/x", "value": 1},
        {"op": "add", "path": "relative", "value": 1},
        {"op": "add", "path": "/a"},
        {"op": "test", "path": "/s", "value": "other"},
        {"op": "nonsense", "path": "/s"},
        {"op": "replace", "path": "", "value": 1},
    ],
)
def test_json_patches_that_do_not_fit_are_refused(operation: dict[str, Any]) -> None:
    document = {"l": [1], "s": "text"}
    with pytest.raises(ApiError) as caught:
        json_patched(document, [{"op": "add", "path": "/new", "value": 1}, operation])
    assert caught.value.code == 422
    assert document == {"l": [1], "s": "text"}


@pytest.mark.parametrize("operation", [{"op": "add"}, 1, {"op": "add", "path": 1}])
def test_malformed_json_patches_are_bad_requests(operation: Any) -> None:
    with pytest.raises(BadRequestError):
        json_patched({}, [operation])


CONTAINERS = {"containers": [{"name": "a", "image": "1"}, {"name": "b", "image": "2"}]}


@pytest.mark.parametrize(
    ("patch", "expected"),
    [
        (
            {"containers": [{"name": "b", "image": "9"}]},
            [{"name": "a", "image": "1"}, {"name": "b", "image": "9"}],
        ),
        ({"containers": [{"name": "a", "$patch": "delete"}]}, [{"name": "b", "image": "2"}]),
        ({"containers": [{"$patch": "replace"}, {"name": "c"}]}, [{"name": "c"}]),
        (
            {
                "$setElementOrder/containers": [{"name": "c"}, {"name": "b"}, {"name": "a"}],
                "containers": [{"name": "c"}],
            },
            [{"name": "c"}, {"name": "b", "image": "2"}, {"name": "a", "image": "1"}],
        ),
    ],
)
def test_strategic_patches_merge_lists_by_key(patch: Any, expected: Any) -> None:
    assert strategic_patched(CONTAINERS, patch)["containers"] == expected


def test_strategic_directives_for_maps_and_plain_lists() -> None:
    target = {"strategy": {"type": "A", "old": 1}, "finalizers": ["a", "b"], "l": [1]}
    patch = {
        "strategy": {"$retainKeys": ["type"], "type": "B"},
        "$deleteFromPrimitiveList/finalizers": ["a"],
        "finalizers": ["c"],
        "l": [2],
    }
    patched = strategic_patched(target, patch)
    assert patched["strategy"] == {"type": "B"}
    assert sorted(patched["finalizers"]) == ["b", "c"]
    assert patched["l"] == [2]
    assert strategic_patched({"m": {"a": 1}}, {"m": {"$patch": "replace", "b": 2}}) == {
        "m": {"b": 2}
    }


@given(st.dictionaries(st.text("abc.:/", min_size=1, max_size=4), st.text(max_size=3), min_size=1))
def test_ownership_survives_being_written_and_read(data: dict[str, str]) -> None:
    item = {"metadata": {"labels": {"x": "y"}, "finalizers": ["f/g"]}, "data": data}
    owner = Owner("m", "Apply")
    paths = set(leaves(item, built_in=True))
    written = managed_fields({owner: paths}, {"metadata": {}}, api_version="v1", time="t")
    assert owners({"metadata": {"managedFields": written}}) == {owner: paths}


@pytest.mark.parametrize(
    ("selector", "labels", "selected"),
    [
        ("app=ta", {"app": "ta"}, True),
        ("app==ta,x!=y", {"app": "ta"}, True),
        ("app=ta", {}, False),
        ("app!=ta", {"app": "ta"}, False),
        ("app in (a, b),tier", {"app": "b", "tier": ""}, True),
        ("app notin (a,b)", {"app": "b"}, False),
        ("!app", {"app": "b"}, False),
        ("", {}, True),
        ("a.b/c=d", {"a.b/c": "d"}, True),
    ],
)
def test_label_selectors(selector: str, labels: dict[str, str], *, selected: bool) -> None:
    assert label_selector(selector)(labels) is selected


@pytest.mark.parametrize("selector", ["a=b=c", "a in b", "=", "a b", ","])
def test_bad_label_selectors_are_refused(selector: str) -> None:
    with pytest.raises(BadRequestError):
        label_selector(selector)


def test_secrets_do_not_reach_the_audit_trail() -> None:
    secret, config_map = (Store().kind(key) for key in ("Secret", "ConfigMap"))
    body = {
        "data": {"p": "geheim"},
        "stringData": {"q": "geheim"},
        "metadata": {"annotations": {"kubectl.kubernetes.io/last-applied-configuration": "geheim"}},
    }
    assert "geheim" not in repr(redacted(secret, body))
    assert "geheim" in repr(redacted(config_map, body))
    operations = [{"op": "replace", "path": "/data/p", "value": "geheim"}]
    assert "geheim" not in repr(redacted(secret, operations))
    assert body["data"] == {"p": "geheim"}
