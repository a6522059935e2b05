"""The whole box in a test: the real app over a copy of the school, and people signed in."""

import secrets
from contextlib import contextmanager
from functools import cache
from pathlib import Path

from litestar.testing import TestClient

from appliance.access.commands import open_session
from appliance.access.hashing import new_token, token_hash
from appliance.access.sessions import COOKIE
from appliance.accounts.keys import NODE_KEY, PIN_PEPPER, SEALING_KEY
from appliance.app import create_app
from appliance.database.writer import Writer
from appliance.settings import Settings
from tests.cast import NOW_MS


@contextmanager
def running_box(database, *, clock=lambda: NOW_MS):
    """Serve the folder of `database`; the client has no session."""
    data_dir = database.parent
    (data_dir / "keys").mkdir()
    for name in (NODE_KEY, PIN_PEPPER, SEALING_KEY):
        (data_dir / "keys" / name).write_bytes(secrets.token_bytes(32))
    app = whole_app()
    settings = Settings(data_dir=data_dir, run_dir=data_dir / "run")  # not this machine's own
    app.state.update({"settings": settings, "clock": clock})
    with TestClient(app) as client:
        yield client


@cache
def whole_app():
    """The real app, put together once: looking through 150 routes costs 0.15 s.

    One of them runs at a time.
    """
    return create_app(Settings(data_dir=Path("/nowhere")), clock=lambda: NOW_MS)


def sign_in(client, person_id):
    """Give the client this person's session, or nobody's."""
    client.cookies.clear()
    if person_id is not None:
        token = new_token()
        writer: Writer = client.app.state.writer
        writer.write_blocking(open_session, person_id, token_hash(token), now_ms=NOW_MS)
        client.cookies.set(COOKIE, token)
    return client
