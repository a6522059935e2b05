"""The box that is measured: two years of history, one class of fifty signed in."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from random import Random
from typing import Final

from msgspec import Struct

from appliance.clock import system_clock
from bench.dataset import write_history
from demo.day import Classroom, fill_classroom, hang_up
from demo.material import SAMPLE, Material, read_course
from demo.people import Learner, sections_of
from demo.phone import Phone
from demo.processes import Process, box_process, free_port, until_healthy
from demo.school import School, open_school

PUPILS: Final = 50
NAMES: Final = ("school-1.txt", "school-2.txt")


class Bench(Struct, frozen=True):
    """What every measurement starts from."""

    folder: Path
    box: Process
    room: Classroom
    start_s: float

    @property
    def school(self) -> School:
        """The school on the box."""
        return self.room.school

    @property
    def port(self) -> int:
        """Where the box listens."""
        return self.school.port

    @property
    def learners_file(self) -> Path:
        """Lines of cookie and enrolment, for the load generator."""
        return self.folder / "learners.txt"

    @property
    def sections_file(self) -> Path:
        """Section ids, for the load generator."""
        return self.folder / "sections.txt"


@asynccontextmanager
async def bench_box(folder: Path, *, history: float) -> AsyncIterator[Bench]:
    """Make the school and its history; sign everybody in."""
    data_dir, port = folder / "box", free_port()
    with box_process(data_dir, port, host_name="darasa-bench") as box:
        start_s = await until_healthy(box, port)
        school = await open_school(bench_material(), port, data_dir)
        write_history(school, now_ms=system_clock(), share=history)
        bench = Bench(folder, box, fill_classroom(school, seed=1), start_s)
        await everybody_in(bench)
        yield bench
        hang_up([bench.room])


def bench_material() -> Material:
    """Fifty pupils of the sample school; the same on every machine."""
    names = [name for roster in NAMES for name in (SAMPLE / roster).read_text("utf-8").splitlines()]
    return Material(
        school_name="Bench School",
        names=names[:PUPILS],
        course_title="Water",
        course=read_course(SAMPLE / "course"),
        source="demo/sample",
    )


async def everybody_in(bench: Bench) -> None:
    """Sign everybody in and write down for wrk who they are."""
    for learner in bench.room.learners:
        await learner.sign_in()
        await learner.open_course()
    for teacher in bench.room.teachers:
        await teacher.sign_in()
    lines = [f"{cookie_of(learner.phone)} {_enrolment(learner)}" for learner in bench.room.learners]
    bench.learners_file.write_text("\n".join(lines) + "\n")
    run = bench.room.learners[0].run
    assert run is not None
    bench.sections_file.write_text("".join(f"{section}\n" for section in sections_of(run)))


def cookie_of(phone: Phone) -> str:
    """Return the session as a Cookie header."""
    return "; ".join(f"{name}={value}" for name, value in phone.cookies.items())


def _enrolment(learner: Learner) -> str:
    assert learner.run is not None
    return str(learner.run.enrolment_id)


def dice_for(name: str) -> Random:
    """Return the same dice at every run."""
    return Random(f"bench {name}")
