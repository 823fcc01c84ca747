"""Schemathesis over the description of the JSON API, against a running service, passing through and standing in.

Positive and negative data, headers and methods: no answer is a 5xx, and each is as the description says.
`NIGHTSAFE_EXAMPLES` sets how many examples each operation gets (`make schemathesis` takes many).
"""

import asyncio
import os
import re
import sys
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Final

import pytest

from adapters.cores.scripted.faults import FaultKind
from adapters.cores.scripted.server import ScriptedCore
from adapters.cores.scripted.settings import Settings
from gateway.clock import SystemClock
from gateway.config.load import load
from gateway.demo.scene import CorePart, Scene
from gateway.service import Service
from spool.verify import verify
from tests.contracts.ports import SCENES, share_of

EXAMPLES: Final = os.environ.get("NIGHTSAFE_EXAMPLES", "4")
CORE: Final = "billing"
WAIT_S: Final = 3_000.0

CHECKS: Final = (
    "not_a_server_error",
    "status_code_conformance",
    "content_type_conformance",
    "response_headers_conformance",
    "response_schema_conformance",
    "negative_data_rejection",
    "ignored_auth",
    "unsupported_method",
)


@pytest.fixture
async def stage(tmp_path: Path) -> AsyncIterator[tuple[Scene, Service, ScriptedCore]]:
    """A service and its core, at work."""
    part = CorePart(name=CORE)
    scene = Scene(tmp_path, [part], SystemClock(), ports=share_of(SCENES))
    port, control_port = scene.core_ports(CORE)
    settings = Settings(ledger=scene.ledger(CORE), level=part.level, port=port, control_port=control_port)
    async with ScriptedCore.start(settings) as core:
        service = Service(load(scene.config), SystemClock())
        await service.start()
        try:
            yield scene, service, core
        finally:
            await service.stop()


@pytest.mark.parametrize("down", [False, True], ids=["passing through", "standing in"])
async def test_every_answer_is_as_described(stage: tuple[Scene, Service, ScriptedCore], down: bool) -> None:  # noqa: FBT001 - a parameter of the test
    """Whatever is asked, well or badly."""
    scene, service, core = stage
    _ = down and core.control.outage(FaultKind.REFUSE)
    command = (
        *("-m", "schemathesis.cli", "run", f"{scene.url}/v1/openapi.json", "--no-color", "--suppress-health-check=all"),
        *("-H", f"Authorization: Bearer {scene.bank_token(CORE)}", "--max-examples", EXAMPLES, "--mode", "all"),
        *("--checks", ",".join(CHECKS), "--phases", "examples,coverage,fuzzing", "--generation-database", "none"),
    )
    process = await asyncio.create_subprocess_exec(
        sys.executable,
        *command,
        cwd=scene.folder,
        stdin=asyncio.subprocess.DEVNULL,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.STDOUT,
    )
    async with asyncio.timeout(WAIT_S):
        said, _ = await process.communicate()
    report = said.decode()
    sys.stdout.write(report)
    assert process.returncode == 0, report
    assert re.search(r"Test cases:\s*\n?.*[0-9]", report)
    assert (await verify(service.shelf, None)).ok
