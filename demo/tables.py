"""What the demo prints: places to look at, and box = hub, table by table."""

from collections.abc import Sequence

from demo.compare import TableMatch, Verdict
from demo.school import School, Staff
from demo.stage import Stage


def places(stage: Stage) -> str:
    """Three addresses with a way to sign in at each."""
    admin = stage.district.admin
    lines = [
        "",
        "Look around until Ctrl-C:",
        f"  the district   http://127.0.0.1:{stage.district.port}/",
        _staff("district", admin),
    ]
    for school in stage.schools:
        pupil = school.pupils[0]
        lines += [
            f"  {school.name}   http://127.0.0.1:{school.port}/",
            _staff("keeper", school.keeper),
            _staff("teacher", school.teacher),
            f"                 pupil: Form 1, {pupil.name}, PIN {pupil.pin}",
        ]
    return "\n".join(lines)


def _staff(role: str, staff: Staff) -> str:
    words = f"{role} {staff.name}: name {staff.sign_in_name}, password {staff.password}"
    return f"                 {words}"


def comparison(school: School, verdict: Verdict, *, bytes_up: int, bytes_down: int) -> str:
    """One school's tables on both sides, and what became of its hand-ins."""
    custody = verdict.custody
    where = f"on the box {custody.on_box}, at the hub {custody.at_hub}, lost {custody.lost}"
    return "\n".join(
        [
            "",
            f"{school.name} ({bytes_up / 1000:.0f} kB up, {bytes_down / 1000:.0f} kB down)",
            f"  {'table':<20} {'box':>6} {'hub':>6}  {'digest of the box':<18}",
            *(_line(match) for match in verdict.tables),
            f"  hand-ins acknowledged {custody.acknowledged}, {where}",
        ]
    )


def _line(match: TableMatch) -> str:
    same = "= hub" if match.is_equal else f"≠ hub {match.hub.digest:016x}"
    return (
        f"  {match.table:<20} {match.box.rows:>6} {match.hub.rows:>6}  "
        f"{match.box.digest:016x} {same}"
    )


def verdict_line(verdicts: Sequence[Verdict], *, seconds: float) -> str:
    """The one line that counts."""
    acknowledged = sum(verdict.custody.acknowledged for verdict in verdicts)
    lost = sum(verdict.custody.lost for verdict in verdicts)
    matches = [match for verdict in verdicts for match in verdict.tables]
    equal = sum(match.is_equal for match in matches)
    rows = sum(match.box.rows for match in matches)
    is_good = all(verdict.is_equal for verdict in verdicts)
    return (
        f"\ndemo {'PASS' if is_good else 'FAIL'}: schools {len(verdicts)}, "
        f"tables equal {equal} of {len(matches)} ({rows} rows), "
        f"hand-ins acknowledged {acknowledged}, lost {lost}, {seconds:.0f} s"
    )
