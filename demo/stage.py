"""Everything that runs during a demo: PostgreSQL, the hub, boxes, agents and their links."""

import tempfile
from collections.abc import AsyncIterator, Callable, Iterator, Sequence
from contextlib import AsyncExitStack, asynccontextmanager, contextmanager
from pathlib import Path
from typing import Final

from msgspec import Struct

from demo.district import District, claim_hub, let_in
from demo.link import Link
from demo.material import Material
from demo.postgres import postgres
from demo.processes import (
    agent_process,
    box_process,
    free_port,
    hub_process,
    until_healthy,
)
from demo.school import School, open_school
from sync.hub.launcher import PostgresServer

Say = Callable[[str], None]

FOLDER_MODE: Final = 0o755  # PostgreSQL runs as another user when we are root


class Stage(Struct, frozen=True):
    """A district with its schools, up and enrolled."""

    postgres: PostgresServer
    district: District
    schools: list[School]
    links: list[Link]

    async def cut(self) -> None:
        """Take the link away from every school."""
        for link in self.links:
            await link.cut()

    async def mend(self) -> None:
        """Give it back."""
        for link in self.links:
            await link.mend()


@contextmanager
def open_folder() -> Iterator[Path]:
    """A temporary folder that another user may enter."""
    with tempfile.TemporaryDirectory(prefix="darasa-demo-") as name:
        folder = Path(name)
        folder.chmod(FOLDER_MODE)
        yield folder


@asynccontextmanager
async def district_stage(materials: Sequence[Material], say: Say) -> AsyncIterator[Stage]:
    """Start everything from nothing in a temporary folder; stop and remove it all afterwards."""
    async with AsyncExitStack() as stack:
        folder = stack.enter_context(open_folder())
        server = stack.enter_context(postgres(folder / "postgres"))
        district = await _open_district(stack, folder, server)
        say(f"the hub is up and belongs to a district ({district.admin.name} looks after it)")
        schools, links = [], []
        for number, material in enumerate(materials, 1):
            school = await _open_box(stack, folder / f"box-{number}", material)
            link = await stack.enter_async_context(Link(district.port))
            stack.enter_context(agent_process(school.data_dir))
            await let_in(district, school, f"http://127.0.0.1:{link.port}")
            say(
                f"{school.name}: claimed, {len(school.pupils)} pupils with PINs, "
                f"a course of {school.sections} sections, one task, a token for the district"
            )
            schools.append(school)
            links.append(link)
        yield Stage(server, district, schools, links)


async def _open_district(stack: AsyncExitStack, folder: Path, server: PostgresServer) -> District:
    port = free_port()
    hub = stack.enter_context(hub_process(folder / "hub", port, server.dsn()))
    await until_healthy(hub, port)
    return await claim_hub(port, folder / "hub")


async def _open_box(stack: AsyncExitStack, data_dir: Path, material: Material) -> School:
    port = free_port()
    box = stack.enter_context(box_process(data_dir, port, host_name=f"darasa-{data_dir.name}"))
    await until_healthy(box, port)
    return await open_school(material, port, data_dir)
