"""The features, on real services."""

from __future__ import annotations

from pytest_bdd import scenarios

pytest_plugins = ["harness.testing.steps"]

scenarios("mode1.feature", "mode2.feature")
