"""Claiming a box: the same three steps for the page and the JSON.

The keys are on the card before the database says that there is a school, because a
school without its keys must not start (and keys without a school belong to nobody).
"""

import asyncio
import secrets
from typing import Final
from uuid import UUID

from appliance.access.hashing import password_hash
from appliance.access.passwords import PasswordHasher
from appliance.accounts.claim import ClaimDesk
from appliance.accounts.commands import (
    NewSchool,
    ask_to_replace,
    claim_school,
    take_over,
)
from appliance.accounts.faults import AlreadyClaimed, KeysMissing
from appliance.accounts.keyring import Keyring
from appliance.accounts.keys import (
    SchoolKeys,
    new_keys,
    new_recovery_code,
    read_keys,
    write_keys,
)
from appliance.accounts.models import Claim, Claimed, Replacement, Takeover
from appliance.accounts.queries import identity
from appliance.clock import Clock
from appliance.database.readers import Readers
from appliance.database.writer import Writer
from appliance.ids import uuid7

EPOCH_BYTES: Final = 16


class Claiming:
    """What a claim needs, in one place."""

    def __init__(
        self,
        *,
        writer: Writer,
        readers: Readers,
        clock: Clock,
        keyring: Keyring,
        hasher: PasswordHasher,
        desk: ClaimDesk,
    ) -> None:
        self._writer: Final = writer
        self._readers: Final = readers
        self._clock: Final = clock
        self._keyring: Final = keyring
        self._hasher: Final = hasher
        self._desk: Final = desk
        self._turn: Final = asyncio.Lock()  # two claims must not write two sets of keys

    async def claim(self, claim: Claim) -> Claimed:
        """Make the school. Raises WrongClaimCode, AlreadyClaimed, TooManyRequests."""
        async with self._turn:
            now_ms = self._clock()
            self._desk.check(claim.code, now_ms=now_ms)
            if identity(self._readers.here) is not None:
                raise AlreadyClaimed("this box is becoming the replacement of a lost one")
            secret_hash = await self._hasher.run(password_hash, claim.password)
            recovery_code = await self._seal(new_keys())
            new = _new_school(claim, secret_hash, now_ms)
            await self._writer.write(claim_school, new, now_ms=now_ms)
            self._open()
        return Claimed(
            school_id=new.school_id,
            node_id=new.node_id,
            person_id=new.person_id,
            recovery_code=recovery_code,
        )

    async def replace(self, wish: Replacement) -> str:
        """Ask the district for a lost box's school; return this board's recovery code.

        The agent signs with this board's own new key, so the keys are made first.
        """
        async with self._turn:
            now_ms = self._clock()
            self._desk.check(wish.code, now_ms=now_ms)
            if identity(self._readers.here) is not None:
                raise AlreadyClaimed("the district has already sent this box its school")
            recovery_code = await self._seal(self._keys_of_a_first_try())
            await self._writer.write(ask_to_replace, wish.hub_url, wish.token, now_ms=now_ms)
        return recovery_code

    async def take_over(self, takeover: Takeover) -> None:
        """Let an administrator of the school that came back look after this board."""
        async with self._turn:
            self._desk.check(takeover.code, now_ms=self._clock())
            secret_hash = await self._hasher.run(password_hash, takeover.password)
            await self._writer.write(
                take_over, takeover.person_id, takeover.sign_in_name, secret_hash
            )
            self._open()

    async def _seal(self, keys: SchoolKeys) -> str:
        recovery_code = new_recovery_code()
        await self._hasher.run(write_keys, self._keyring.folder, keys, recovery_code)
        return recovery_code

    def _keys_of_a_first_try(self) -> SchoolKeys:
        """Keep the key that the district may know already when the token is sent again."""
        try:
            return read_keys(self._keyring.folder)
        except KeysMissing:
            return new_keys()

    def _open(self) -> None:
        self._keyring.load()
        self._desk.close()


def _new_school(claim: Claim, secret_hash: bytes, now_ms: int) -> NewSchool:
    return NewSchool(
        node_id=uuid7(now_ms),
        epoch=UUID(bytes=secrets.token_bytes(EPOCH_BYTES)),
        school_id=uuid7(now_ms),
        school_name=claim.school_name,
        locale=claim.locale,
        person_id=uuid7(now_ms),
        admin_name=claim.admin_name,
        sign_in_name=claim.sign_in_name,
        secret_hash=secret_hash,
    )
