"""Signing in, the same for pages and JSON."""

from typing import Final, Protocol

from msgspec import Struct

from appliance.access.commands import PinAnswer, open_session, sign_in_with_pin
from appliance.access.faults import PinLocked, WrongPassword, WrongPin
from appliance.access.hashing import new_token, password_matches, pin_hash, token_hash
from appliance.access.limits import GuessLimit
from appliance.access.models import Actor, SignIn
from appliance.access.passwords import PasswordHasher
from appliance.access.queries import session_actor, staff_credential
from appliance.clock import Clock
from appliance.database.readers import Readers
from appliance.database.writer import Writer


class Pepper(Protocol):
    """Whoever holds the school's keys; they are made after the door is."""

    @property
    def pin_pepper(self) -> bytes:
        """The key of every PIN hash."""


class Opened(Struct, frozen=True):
    """A session that is on disk."""

    token: str
    actor: Actor


class Door:
    """Opens sessions for those who know a secret, and slows down those who guess."""

    def __init__(
        self,
        *,
        writer: Writer,
        readers: Readers,
        clock: Clock,
        keyring: Pepper,
        hasher: PasswordHasher,
    ) -> None:
        self._writer: Final = writer
        self._readers: Final = readers
        self._clock: Final = clock
        self._keyring: Final = keyring
        self._hasher: Final = hasher
        self._limit: Final = GuessLimit()

    async def sign_in(self, secret: SignIn) -> Opened:
        """Open a session. Raises WrongPin, PinLocked, WrongPassword, TooManyRequests."""
        token = new_token()
        if secret.person_id is not None:
            await self._with_pin(secret, token)
        else:
            await self._with_password(secret, token)
        actor = session_actor(self._readers.here, token_hash(token), now_ms=self._clock())
        assert actor is not None, "a session that was just committed is not there"
        return Opened(token, actor)

    async def _with_pin(self, secret: SignIn, token: str) -> None:
        assert secret.person_id is not None
        assert secret.pin is not None
        hashed = pin_hash(self._keyring.pin_pepper, secret.person_id, secret.pin)
        answer = await self._writer.write(
            sign_in_with_pin, secret.person_id, hashed, token_hash(token), now_ms=self._clock()
        )
        if answer is PinAnswer.LOCKED:
            raise PinLocked("ten wrong PINs for this name")
        if answer is PinAnswer.WRONG:
            raise WrongPin("the PIN does not match")

    async def _with_password(self, secret: SignIn, token: str) -> None:
        assert secret.sign_in_name is not None
        assert secret.password is not None
        account = secret.sign_in_name.casefold()
        self._limit.take(account, now_ms=self._clock())
        stored = staff_credential(self._readers.here, secret.sign_in_name)
        known = stored.secret_hash if stored is not None else None
        if not await self._hasher.run(password_matches, known, secret.password):
            raise WrongPassword("the name or the password does not match")
        assert stored is not None
        self._limit.forgive(account)
        await self._writer.write(
            open_session, stored.person_id, token_hash(token), now_ms=self._clock()
        )
