"""Power goes at every step of a file's life: nothing is named that is not there, nothing stays."""

import hashlib
from contextlib import closing, suppress

import pytest

from appliance.__main__ import _tidy_up
from appliance.attachments import keeping
from appliance.attachments.keeping import clear_incoming, contents_in, remove_unnamed
from appliance.attachments.queries import is_named
from appliance.attachments.receiving import INCOMING, Incoming
from appliance.database.agent import AgentDatabase
from appliance.erasures.commands import forget_some
from appliance.erasures.listing import forget
from appliance.settings import Settings
from appliance.submissions.commands import hand_in
from appliance.submissions.models import HandIn, Stamp
from sync.agent.blobs import drop_orphans
from sync.agent.erasing import erase_people
from sync.agent.store import identity, open_streams
from tests.attachments.test_files import put
from tests.cast import NOW_MS, new_id
from tests.sync.test_erasing import ANSWERS, ENROL, LIST

pytestmark = pytest.mark.anyio

PHOTOS = [f"photo {number}".encode() * 1_000 for number in range(4)]
OURS = b"a photo that both of us have handed in"
ADD = (
    "INSERT INTO attachment (id, submission_revision_id, person_id, name, mime, size_bytes,"
    " sha256, saved_at_ms) VALUES (?1, ?2, ?3, 'picha.jpg', 'image/jpeg', ?4, ?5, ?6)"
)


class Cut(BaseException):
    """The power goes."""


def sha(content):
    return hashlib.sha256(content).digest()


@pytest.fixture
def db(database):
    with closing(AgentDatabase(database)) as db:
        yield db


@pytest.fixture
def folder(database):
    folder = Settings(data_dir=database.parent).blobs
    folder.mkdir(exist_ok=True)
    return folder


def lay(db, folder, person, school, content):
    """A hand-in with a file, as a phone left it."""
    revision = new_id()
    with db.changing() as tx:
        work = HandIn(assessment_id=school.village, body="With a photo.")
        hand_in(tx, person, revision, work, submission_id=new_id(), stamp=Stamp(NOW_MS, 3))
        tx.run(ADD, (new_id(), revision, person, len(content), sha(content), NOW_MS))
    (folder / sha(content).hex()).write_bytes(content)


@pytest.fixture
def files(db, folder, school):
    """Four photos of Amina's, and one she and José have both."""
    for content in (*PHOTOS, OURS):
        lay(db, folder, school.amina, school, content)
    lay(db, folder, school.jose, school, OURS)
    return folder


async def pieces(content):
    yield content


async def test_an_upload_that_was_cut_off_is_cleared_away_before_anybody_is_served(
    database, folder, db
):
    incoming = Incoming(folder, new_id())
    incoming.__enter__()
    await incoming.receive(pieces(PHOTOS[0]))  # and here the power goes
    assert len(list((folder / INCOMING).iterdir())) == 1
    db.close()
    _tidy_up(Settings(data_dir=database.parent))
    assert list((folder / INCOMING).iterdir()) == []
    assert clear_incoming(folder) == 0


async def test_a_file_whose_row_never_came_goes_and_may_come_again(db, folder, as_, work):
    with Incoming(folder, new_id()) as incoming:
        await incoming.receive(pieces(PHOTOS[0]))
        assert incoming.keep()  # and here the power goes
    (folder / f"{sha(PHOTOS[1]).hex()}.part").write_bytes(b"half of it")
    (folder / "notes.txt").write_bytes(b"somebody else's")
    assert drop_orphans(db, folder) == 2
    assert drop_orphans(db, folder) == 0
    assert contents_in(folder) == set()
    assert (folder / "notes.txt").exists()
    assert put(as_("amina"), work[0], PHOTOS[0]).status_code == 200
    assert drop_orphans(db, folder) == 0
    assert contents_in(folder) == {sha(PHOTOS[0])}


async def test_a_file_that_goes_while_its_row_is_written_is_put_back(db, folder, school):
    """As `take_file` does: keep, write, look once more."""
    with Incoming(folder, new_id()) as incoming:
        await incoming.receive(pieces(OURS))
        incoming.keep()
        assert drop_orphans(db, folder) == 1
        lay(db, folder, school.amina, school, b"the row of another")
        assert incoming.keep()
        assert contents_in(folder) >= {sha(OURS)}


def test_a_refused_file_that_somebody_else_has_named_stays(db, files):
    with db.changing() as tx:
        assert remove_unnamed(tx, files, [sha(OURS), sha(b"nobody's")]) == [sha(b"nobody's")]
    assert (files / sha(OURS).hex()).exists()


def test_who_is_forgotten_takes_the_files_along_but_not_anothers(db, files, school):
    forget(db, school.amina, files=files, now_ms=NOW_MS)
    assert contents_in(files) == {sha(OURS)}
    assert is_named(db, sha(OURS))
    forget(db, school.jose, files=files, now_ms=NOW_MS)
    assert contents_in(files) == set()


def test_whom_a_backup_brings_back_has_no_file_after_the_next_start(database, db, files, school):
    settings = Settings(data_dir=database.parent)
    settings.erased_people.write_bytes(school.amina.hex.encode() + b"\n")
    db.close()
    _tidy_up(settings)
    assert contents_in(files) == {sha(OURS)}


@pytest.mark.parametrize("step", range(8))
def test_cut_off_at_any_step_a_row_is_there_while_its_file_is(db, files, school, monkeypatch, step):
    """Between two files, before the folder is synced, after it, at the COMMIT, and after it."""
    left = iter(range(step))

    def cut_or(call):
        def calling(*args, **how):
            if next(left, None) is None:
                raise Cut
            return call(*args, **how)

        return calling

    with monkeypatch.context() as patched:
        patched.setattr(keeping.Path, "unlink", cut_or(keeping.Path.unlink))
        patched.setattr(keeping, "sync_path", cut_or(keeping.sync_path))
        with suppress(Cut):
            forget(db, school.amina, files=files, now_ms=NOW_MS)
    assert all(is_named(db, content) for content in contents_in(files))
    forget(db, school.amina, files=files, now_ms=NOW_MS)
    assert contents_in(files) == {sha(OURS)}


def test_the_folder_is_on_disk_before_any_row_is_gone(database, db, files, school, monkeypatch):
    seen, sync = [], keeping.sync_path
    with closing(AgentDatabase(database)) as beside:

        def watched(path):
            sync(path)
            there = contents_in(files)
            seen.append((path, [is_named(beside, sha(content)) for content in PHOTOS], there))

        monkeypatch.setattr(keeping, "sync_path", watched)
        forget(db, school.amina, files=files, now_ms=NOW_MS)
    assert seen == [(files, [True] * len(PHOTOS), {sha(OURS)})]


def test_a_transaction_that_is_not_committed_keeps_the_rows(db, files, school):
    with suppress(Cut), db.changing() as tx:
        while contents_in(files) != {sha(OURS)}:
            forget_some(tx, school.amina, files=files, now_ms=NOW_MS)
        raise Cut
    assert all(is_named(db, sha(content)) for content in PHOTOS)
    forget(db, school.amina, files=files, now_ms=NOW_MS)
    assert not any(is_named(db, sha(content)) for content in PHOTOS)


def test_a_box_says_that_somebody_is_gone_when_no_nameless_file_is_left(
    db, files, school, tmp_path
):
    with db.changing() as tx:
        tx.run(ENROL, (new_id(), new_id()))
        open_streams(tx, identity(tx))
        tx.run("UPDATE sync_identity SET applying = 1")
        tx.run(LIST, (school.amina, school.school_id, identity(tx).hub_id))
        tx.run("UPDATE sync_identity SET applying = 0")
    (files / sha(b"cut off").hex()).write_bytes(b"cut off")

    def erase():
        listed = tmp_path / "erased-people"
        return list(erase_people(db, identity(db), listed, files=files, now_ms=NOW_MS))

    erase()
    assert contents_in(files) == {sha(OURS), sha(b"cut off")}
    assert db.tuples(ANSWERS) == []
    drop_orphans(db, files)
    erase()
    assert len(db.tuples(ANSWERS)) == 1
