"""What can be wrong with an order, and with a proposal.

Conflict:      ProposalTaken      the id belongs to a proposal with other words
RuleViolation: NotTheDistricts    the row is the school's own: change it here
               OrderRefused       this school cannot do what the district asks
"""

from uuid import UUID

from appliance.errors import Conflict, RuleViolation


class ProposalTaken(Conflict):
    """The same id was sent before with other words."""

    code = "proposal-taken"
    hint = "Send the new words as a proposal of their own."

    def __init__(self, proposal_id: UUID) -> None:
        super().__init__(f"proposal {proposal_id} exists with other words")


class NotTheDistricts(RuleViolation):
    """The row belongs to the school: it needs nobody's leave to change it."""

    code = "not-the-districts"
    title = "This is the school's own"
    hint = "Change it here; the district sees the change."


class OrderRefused(RuleViolation):
    """What the district asks does not fit what is here; the reason goes back to it."""

    code = "order-refused"
    title = "This cannot be done here"
    hint = "Look at the reason, and give another order if it is still wanted."
