"""What can go wrong between this box and its hub.

DarasaError
├── Unreachable       no link, or no answer in time: normal, tried again
│   └── ClockDoubted  the hub's certificate is of another time than this box's clock
├── HubBusy           the hub asks to wait
├── BudgetSpent       the bytes this link may cost are used up
├── Refused           the hub understood and said no; its own code and words are kept
├── HubUntrusted      an answer that the pinned key did not sign
├── HubTooNew         the hub sends what this release does not know
├── NotJoined         a stick is wanted before there is a district to carry it to
├── AgentRunsAlready  another one sends for this school
├── StickTrouble      the stick is full, closed, pulled out or not there
└── KeyMissing        this box has lost the key it enrolled with
"""

from appliance.database.faults import DataDirInUse
from appliance.errors import DarasaError


class Unreachable(DarasaError):
    """There is no way to the hub right now."""

    code = "hub-unreachable"
    status = 503
    title = "The district cannot be reached"
    hint = "Nothing is lost; the box tries again by itself."


class ClockDoubted(Unreachable):
    """A certificate is not valid yet, or no longer: it, or this box's clock, is wrong.

    The agent asks the hub for its signed time and tries again; this is seen only where
    that did not help.
    """

    code = "clock-doubted"
    title = "The clock and the district's certificate disagree"
    hint = "Nothing is lost. Set this box's clock, or have the hub's certificate renewed."


class HubBusy(DarasaError):
    """The hub has too much to do and says when to come back."""

    code = "hub-busy"
    status = 503
    title = "The district's hub is busy"
    hint = "Nothing is lost; the box tries again by itself."

    def __init__(self, detail: str, *, retry_after_s: float) -> None:
        super().__init__(detail)
        self.retry_after_s = retry_after_s


class BudgetSpent(DarasaError):
    """The bound of this link is reached; nothing is said until there is room (held.py)."""

    code = "link-budget-spent"
    status = 503
    title = "The bytes this link may cost are used up"
    hint = "Nothing is lost; the page says until when; a higher bound sends at once."


class Refused(DarasaError):
    """The hub understood and said no. `reason` is the hub's own problem code."""

    code = "hub-refused"
    status = 502
    title = "The district's hub refused"
    hint = "Ask the district; the words of its answer are kept here."

    def __init__(self, detail: str, *, reason: str, http_status: int) -> None:
        super().__init__(detail)
        self.reason = reason
        self.http_status = http_status


class HubUntrusted(DarasaError):
    """Somebody answered who does not have the key this box knows its hub by."""

    code = "hub-untrusted"
    status = 502
    title = "The answer is not from this box's hub"
    hint = "Check the hub's address. If the hub was rebuilt with another key, enrol again."


class HubTooNew(DarasaError):
    """The hub sends tables or forms this release does not know."""

    code = "hub-too-new"
    status = 502
    title = "The district runs a newer release"
    hint = "Update this box; its own work goes on meanwhile."


class AgentRunsAlready(DataDirInUse):
    """Two agents would number segments twice."""

    code = "agent-runs-already"
    title = "This school's agent runs already"
    hint = (
        "There is nothing to do: it sends by itself, and this command has touched nothing."
        " `darasa-agent status` says how far it is."
    )


class NotJoined(DarasaError):
    """Nothing is sealed before a box has a district: segments are locked with its key."""

    code = "not-joined"
    status = 409
    title = "This box has not joined a district"
    hint = "Join once over the net (`darasa-agent enrol`); from then on sticks are enough."


class StickTrouble(DarasaError):
    """The stick did not take or give what it should."""

    code = "stick-trouble"
    status = 507
    title = "The stick did not work"
    hint = "Nothing on the box is lost. Mount the stick, or take another, and do it again."


class KeyMissing(DarasaError):
    """keys/node.key is not there, so this box cannot say who it is."""

    code = "node-key-missing"
    title = "This box has lost its key"
    hint = "Restore the keys from a sealed backup, or ask the district for a replace token."
