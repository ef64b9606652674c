"""One program for all tests that do not stop it."""

from __future__ import annotations

from pathlib import Path
from typing import Iterator

import pytest
from program import Program


@pytest.fixture(scope="session")
def program(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Program]:
    # Wrong keys are part of the tests, and no reason to slow down.
    folder = tmp_path_factory.mktemp("program")
    started = Program(folder, KEYWARD_FAILURES_PER_MINUTE="1000000")
    yield started
    started.stop()


@pytest.fixture
def own_program(tmp_path: Path) -> Iterator[Program]:
    started = Program(tmp_path)
    yield started
    started.stop()
