import msgspec
import pytest

from appliance.access.models import Actor
from appliance.assignments.commands import change_task, create_task
from appliance.assignments.faults import ChangedSince, TaskIdTaken
from appliance.assignments.models import NewTask, TaskChange
from appliance.assignments.queries import task_for, tasks_of_run
from appliance.errors import NotFound
from tests.cast import NOW_MS, new_id


@pytest.fixture
def new(school):
    return NewTask(
        course_run_id=school.east_run,
        title="Draw the water cycle",
        instructions="In words.",
        due_at_ms=NOW_MS + 1,
        points_max_mp=7_500,
        attempts_max=2,
    )


def actor(person_id, *roles):
    return Actor(person_id, "somebody", new_id(), "en", frozenset(roles))


def test_a_task_sent_twice_is_one_task(school, write, db, new):
    task_id = new_id()
    first = write(create_task, school.mr_otieno, new, task_id=task_id, now_ms=NOW_MS)
    again = write(create_task, school.mr_otieno, new, task_id=task_id, now_ms=NOW_MS + 5)
    assert first == again
    assert [task.id for task in tasks_of_run(db, school.east_run)].count(task_id) == 1


def test_the_same_id_with_another_title_is_refused(school, write, db, new):
    task_id = new_id()
    write(create_task, school.mr_otieno, new, task_id=task_id, now_ms=NOW_MS)
    other = msgspec.structs.replace(new, title="Draw the sun")
    with pytest.raises(TaskIdTaken):
        write(create_task, school.mr_otieno, other, task_id=task_id, now_ms=NOW_MS)
    titles = [task.title for task in tasks_of_run(db, school.east_run)]
    assert "Draw the water cycle" in titles
    assert "Draw the sun" not in titles


@pytest.mark.parametrize("who", ["baraka", "keeper", "amina", "jomo"])
def test_only_a_teacher_of_the_class_gives_it_tasks(school, write, db, new, who):
    before = tasks_of_run(db, school.east_run)
    with pytest.raises(NotFound):
        write(create_task, getattr(school, who), new, task_id=new_id(), now_ms=NOW_MS)
    assert tasks_of_run(db, school.east_run) == before


def test_the_id_of_another_classs_task_is_not_found(school, write, new):
    with pytest.raises(NotFound):
        write(create_task, school.mr_otieno, new, task_id=school.desert, now_ms=NOW_MS)


def test_an_edit_raises_the_version_and_leaves_the_rest(school, write):
    changed = write(
        change_task,
        school.ms_wanjiru,
        school.village,
        TaskChange(title="My town", due_at_ms=None),
        version=1,
        now_ms=NOW_MS,
    )
    assert (changed.title, changed.due_at_ms, changed.version) == ("My town", None, 2)
    assert changed.points_max_mp == 10_000


def test_an_edit_of_an_older_version_overwrites_nothing(school, write, db):
    write(
        change_task,
        school.ms_wanjiru,
        school.village,
        TaskChange(title="A"),
        version=1,
        now_ms=NOW_MS,
    )
    with pytest.raises(ChangedSince) as refused:
        write(
            change_task,
            school.mr_otieno,
            school.village,
            TaskChange(title="B"),
            version=1,
            now_ms=NOW_MS,
        )
    assert refused.value.version == 2
    assert task_for(db, school.village, actor(school.amina, "learner")).title == "A"


def test_an_edit_that_changes_nothing_keeps_the_version(school, write):
    same = write(
        change_task,
        school.mr_otieno,
        school.village,
        TaskChange(title="My village"),
        version=1,
        now_ms=NOW_MS,
    )
    assert same.version == 1


@pytest.mark.parametrize(
    ("who", "role", "sees"),
    [
        ("amina", "learner", True),
        ("mr_otieno", "teacher", True),
        ("ms_wanjiru", "teacher", True),
        ("jomo", "learner", False),
        ("baraka", "teacher", False),
        ("keeper", "school_admin", False),
    ],
)
def test_who_may_read_a_task(school, db, who, role, sees):
    asking = actor(getattr(school, who), role)
    if sees:
        assert task_for(db, school.village, asking).title == "My village"
    else:
        with pytest.raises(NotFound):
            task_for(db, school.village, asking)


@pytest.mark.parametrize(
    "wrong",
    [
        {"title": "   "},
        {"title": ""},
        {"title": "a\0b"},
        {"title": "x" * 301},
        {"points_max_mp": -1},
        {"points_max_mp": 1_000_001},
        {"points_max_mp": "7"},
        {"attempts_max": 0},
        {"due_at_ms": 1 << 60},
        {"instructions": "a\0"},
        {"colour": "red"},
    ],
)
def test_a_malformed_task_is_refused_at_the_border(new, wrong):
    body = msgspec.to_builtins(new) | wrong
    with pytest.raises(msgspec.ValidationError):
        msgspec.convert(body, NewTask, strict=True)
