"""Closed-loop load by `wrk`: every connection sends its next request when it has an answer."""

import asyncio
import shutil
from pathlib import Path
from typing import Final

import msgspec
from msgspec import Struct

HERE: Final = Path(__file__).parent
PROGRESS: Final = HERE / "progress.lua"
TIMEOUT_S: Final = 15  # wrk calls 2 s broken by default; on a busy machine that is only slow
READ: Final = HERE / "read.lua"


class WrkMissing(Exception):
    """`wrk` is not installed; on Debian: apt install wrk."""


class Load(Struct, frozen=True):
    """What wrk counted. `dropped` are connections refused or broken."""

    requests: int
    duration_us: int
    bad_status: int
    dropped: int
    timeouts: int
    p50_us: int
    p95_us: int
    p99_us: int
    max_us: int

    @property
    def per_second(self) -> float:
        """Good answers a second."""
        return (self.requests - self.bad_status) * 1e6 / self.duration_us


async def load(
    port: int, script: Path, files: list[Path], *, connections: int, seconds: int
) -> Load:
    """Run wrk for some seconds on one thread: it shares two cores with the box."""
    wrk = shutil.which("wrk")
    if wrk is None:
        raise WrkMissing("wrk is not installed; on Debian: apt install wrk")
    words = [
        "-t1",
        "--timeout",
        f"{TIMEOUT_S}s",
        f"-c{connections}",
        f"-d{seconds}s",
        "-s",
        str(script),
    ]
    words += [f"http://127.0.0.1:{port}", "--", *map(str, files)]
    process = await asyncio.create_subprocess_exec(wrk, *words, stdout=asyncio.subprocess.PIPE)
    output, _ = await process.communicate()
    return msgspec.json.decode(output.splitlines()[-1], type=Load)
