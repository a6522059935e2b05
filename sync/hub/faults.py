"""What can go wrong at the hub.

NotReady                     the database is not there, not migrated, or not this hub's
├── RolesMissing             the owner may not make the two roles the hub works as
├── MigrationChanged         a file that was already run has other content now
└── SchemaMismatch           the database is older or newer than this program
TokenUnknown, TokenExpired   an enrolment token that opens nothing
TokenUsed                    it was another box's; one token enrols one box
SchoolTaken                  the school already has a box; replacing it is another token
NodeUnknown, NodeRevoked     who sends is not, or no longer, one of this district's boxes
BadSignature                 the words are not signed by the key they should be
CorruptSegment               damaged on the way, or sealed wrongly
ChainBroken                  a segment that does not continue what is here
UploadGone                   the first part of a segment whose rest was sent is not here
WrongSchool                  a segment that is not from the box that brings it
StickTrouble                 a stick that is not there, closed, full or damaged
StickEmpty                   files that were uploaded, none of them a box's
WrongClaimCode               not what the hub's console shows
AlreadyClaimed               the district exists already
OwnedElsewhere               a school's own row; only a command changes it
ScopeForeign                 what the hub writes for another school
CursorUnknown                a place in the feed of another state of the hub
BlobUnknown                  a file that no work of this school names, or that is not here
NotForThisDistrict           a box's backup that was not locked for this hub
BackupFailed                 a backup that could not be taken, or is not what was promised
"""

from appliance.errors import Conflict, DarasaError, Forbidden, Invalid, NotFound, SignInNeeded

KEEPER_HINT = "Ask the district for a new enrolment token and type it on the box's district page."


class NotReady(DarasaError):
    """The operator has something to do before the hub can start."""

    code = "hub-not-ready"
    status = 503
    title = "The hub is not ready"
    hint = "Run `darasa-hub migrate`, then start the hub again."


class RolesMissing(NotReady):
    """The roles darasa_owner, darasa_ingest and darasa_web are not there and cannot be made."""

    code = "roles-missing"
    hint = (
        "Connect as a role with CREATEROLE, or let the database's administrator create"
        " darasa_owner, darasa_ingest and darasa_web (LOGIN, NOSUPERUSER, NOBYPASSRLS)."
    )


class MigrationChanged(NotReady):
    """A migration that has run is not what it was."""

    code = "migration-changed"
    hint = "Install the release this database was made with; released migrations never change."


class SchemaMismatch(NotReady):
    """The database is older or newer than this program."""

    code = "schema-mismatch"


class TokenUnknown(Forbidden):
    """No such enrolment token."""

    code = "token-unknown"
    title = "This enrolment token is not known"
    hint = KEEPER_HINT


class TokenExpired(Forbidden):
    """The token's time is over."""

    code = "token-expired"
    title = "This enrolment token has expired"
    hint = KEEPER_HINT


class TokenUsed(Conflict):
    """Another box was enrolled with it."""

    code = "token-used"
    title = "This enrolment token was used by another box"
    hint = KEEPER_HINT


class SchoolTaken(Conflict):
    """The school is already at the district, with another box."""

    code = "school-taken"
    title = "This school already has a box"
    hint = "If the old box is gone, ask the district for a token that replaces it."


class NodeUnknown(SignInNeeded):
    """The box is not enrolled here, or its short-lived token has run out."""

    code = "node-unknown"
    title = "This box is not signed in"
    hint = "The box asks for a new challenge by itself; if it stays so, enrol it again."


class NodeRevoked(Forbidden):
    """The district has closed this box's key."""

    code = "node-revoked"
    title = "This box was closed by the district"
    hint = "Ask the district. Nothing on the box is lost."


class NodeKeyRetired(Forbidden):
    """The key is one this box had before; the month in which both counted has passed."""

    code = "node-key-retired"
    title = "This key was replaced"
    hint = "Put the box's present key back, or enrol the box again with a token."


class BadSignature(Forbidden):
    """The signature does not fit the key this hub knows."""

    code = "bad-signature"
    title = "The signature is wrong"
    hint = "Enrol the box again if its key has changed."


class UploadGone(Conflict):
    """Cut segments are kept in memory, for a while. The box sends all of it again."""

    code = "upload-gone"
    title = "The first part of this segment is no longer here"
    hint = "Send the whole segment."


class WrongSchool(Forbidden):
    """A segment names another hub, school, node or epoch than the one that brings it."""

    code = "wrong-school"
    title = "This is not the work of this box"
    hint = "Nothing was kept. Send each segment from the box that sealed it."


class CorruptSegment(DarasaError):
    """The bytes are not a whole, readable segment. Nothing was kept, nothing acknowledged."""

    code = "segment-corrupt"
    status = 400
    title = "The segment is damaged"
    hint = "Send it again. A box whose own copy is damaged seals its rows anew."


class ChainBroken(Conflict):
    """The segment does not continue what this hub holds; the box says hello and is told."""

    code = "chain-broken"
    title = "This does not continue what the district has"
    hint = "Say hello; the answer tells where the district stands."

    def __init__(self, n: int, *, received_n: int, received_hash: bytes) -> None:
        super().__init__(f"segment {n} does not continue segment {received_n}")
        self.received_n = received_n
        self.received_hash = received_hash


class StickTrouble(DarasaError):
    """The stick is not there, closed, full or damaged."""

    code = "stick-unreadable"
    title = "The stick did not work"
    hint = "What was taken in stays so. Mount the stick again, or ask the school for another."


class StickEmpty(Invalid):
    """Files came, and none of them lies where a box puts its own."""

    code = "stick-empty"
    title = "Nothing from a school is among these files"
    hint = "Choose the folder darasa of the stick itself, or a zip file of it."


class WrongClaimCode(Forbidden):
    """The code is not the one on the hub's console."""

    code = "wrong-claim-code"
    title = "That code is not right"
    hint = "Look at the console where darasa-hub was started, or run `darasa-hub claim-code`."


class AlreadyClaimed(Conflict):
    """The district exists; its staff sign in."""

    code = "already-claimed"
    title = "This hub already has a district"
    hint = "Sign in, or ask the district's administrator."


class OwnedElsewhere(Conflict):
    """The row belongs to a school; the hub may ask for a change, not make it."""

    code = "owned-elsewhere"
    title = "This belongs to the school"
    hint = "Send the school a command, or take the row over first."


class ScopeForeign(Forbidden):
    """A box reads what is written for its school and its district, and nothing else."""

    code = "scope-foreign"
    title = "This is not written for this school"
    hint = "Say hello; the answer names the scopes of this box."


class CursorUnknown(Conflict):
    """The hub was rolled back, restored or replaced since this cursor was given."""

    code = "cursor-unknown"
    title = "This place in the feed is not known here"
    hint = "Say hello; the answer tells to read the scope from its beginning."


class BackupFailed(DarasaError):
    """There is no backup that could be trusted; the running hub is as it was."""

    code = "backup-failed"
    status = 500
    title = "No verified backup"
    hint = "Read what PostgreSQL said; free space, rights and pg_hba.conf are the usual causes."


class BlobUnknown(NotFound):
    """No row of this school names that file, or the district does not have all of it."""

    code = "blob-unknown"
    title = "No such file"
    hint = "The box sends the work first and the file after it; it tries again by itself."


class NotForThisDistrict(Invalid):
    """A box's backup that this hub cannot open: damaged, older than joining, or another hub's."""

    code = "backup-not-for-this-district"
    title = "This hub has no key for this backup"
    hint = "Only the recovery code that was printed for the school opens it."
