"""Where the project and the job's environment are on this machine."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Final

from harness.core.errors import ServiceError

ROOT: Final = Path(__file__).parents[2]
"""Directory that holds the packages ``harness`` and ``fake_ta_job``."""

JOB_PYTHON_VARIABLE: Final = "TORGHUT_JOB_PYTHON"


def job_python() -> Path:
    """Return the interpreter of the job's environment.

    Raises:
        ServiceError: when it is not there.
    """
    python = Path(os.environ.get(JOB_PYTHON_VARIABLE, ROOT / "fake_ta_job/.venv/bin/python"))
    if not python.exists():
        raise ServiceError(
            "the job's Python environment is missing",
            where=str(python),
            hint=f"run `make setup`, or name its interpreter in {JOB_PYTHON_VARIABLE}",
        )
    return python
