"""What can go wrong that is the user's fault or the world's, as a tree one can read.

    DarasaError 500
    ├── Invalid 400         the request does not say something we understand
    ├── SignInNeeded 401
    ├── Forbidden 403
    ├── NotFound 404        also for what exists but must not be seen
    ├── MethodNotAllowed 405
    ├── Conflict 409
    ├── TooLarge 413
    ├── RuleViolation 422   understood, and the rules of the school say no
    ├── TooManyRequests 429
    ├── Busy 503            try again in a moment; nothing was lost
    └── StorageFull 507

Every class has a stable `code`; a feature adds its own subclasses in its own folder.
Our own bugs are not in this tree: they are assertions, and they crash.
"""

from collections.abc import Sequence

from msgspec import Struct

RETRY_AFTER_S_DEFAULT = 1  # a full write queue drains in well under a second


class FieldError(Struct, frozen=True):
    """One thing wrong with one field; `field` is a path such as `answers[2].points_mp`."""

    field: str
    message: str


class DarasaError(Exception):
    """The root of the tree. `hint` tells the reader what to do next."""

    code: str = "error"
    status: int = 500
    title: str = "Something went wrong"
    hint: str = "Try again. If it happens again, tell the person who looks after the school box."

    @property
    def detail(self) -> str:
        """What was attempted and on which id."""
        return str(self)


class Invalid(DarasaError):
    """The request is malformed; `errors` says where."""

    code = "invalid"
    status = 400
    title = "Something in the request is not right"
    hint = "Correct the fields named here and send it again."

    def __init__(self, detail: str, errors: Sequence[FieldError] = ()) -> None:
        super().__init__(detail)
        self.errors = list(errors)


class SignInNeeded(DarasaError):
    """Nobody is signed in, or the session has ended."""

    code = "sign-in-needed"
    status = 401
    title = "Please sign in"
    hint = "Sign in again. What you wrote is kept on this device."


class Forbidden(DarasaError):
    """Signed in, but this is for somebody else to do."""

    code = "forbidden"
    status = 403
    title = "You may not do this"
    hint = "Ask your teacher or the school administrator."


class NotFound(DarasaError):
    """There is no such thing, or not for this person."""

    code = "not-found"
    status = 404
    title = "There is nothing here"
    hint = "Check the address, or go back to the start page."


class MethodNotAllowed(DarasaError):
    """The address exists, but not for this verb."""

    code = "method-not-allowed"
    status = 405
    title = "This address does not work that way"
    hint = "Go back and use the buttons on the page."


class Conflict(DarasaError):
    """Somebody changed the same thing first, or the id is taken by other content."""

    code = "conflict"
    status = 409
    title = "This was changed in the meantime"
    hint = "Load it again, look at what changed, and repeat your change if it still fits."


class TooLarge(DarasaError):
    """More bytes, rows or files than one request may bring."""

    code = "too-large"
    status = 413
    title = "This is too large"
    hint = "Send less at once."


class RuleViolation(DarasaError):
    """The request is well formed, and the rules of the school say no."""

    code = "rule-violation"
    status = 422
    title = "This is not allowed now"
    hint = "Ask your teacher."


class TooManyRequests(DarasaError):
    """One session or one pupil asked too often."""

    code = "too-many-requests"
    status = 429
    title = "Too many tries"
    hint = "Wait a moment before the next try."

    def __init__(self, detail: str, *, retry_after_s: int) -> None:
        super().__init__(detail)
        self.retry_after_s = retry_after_s


class Busy(DarasaError):
    """Too much at once. Nothing was kept; the same request may be sent again."""

    code = "busy"
    status = 503
    title = "The school box is busy"
    hint = "Wait a moment; the same request may be sent again."

    def __init__(self, detail: str, *, retry_after_s: int = RETRY_AFTER_S_DEFAULT) -> None:
        super().__init__(detail)
        self.retry_after_s = retry_after_s


class StorageFull(DarasaError):
    """The card is full. Nothing of this request was kept."""

    code = "storage-full"
    status = 507
    title = "The school box is full"
    hint = "Tell the person who looks after the school box: space must be freed first."
