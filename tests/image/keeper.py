"""The keeper at the box, over the same addresses as the pages: sticks, backups, what is wrong."""

import http.client
import json
import time
from contextlib import closing
from typing import Final
from urllib.parse import urlencode

from tests.image.stage import Trouble

BUSY: Final = "backup-busy"
JSON: Final = {"content-type": "application/json"}
PAUSE_S: Final = 5.0
PATIENCE_S: Final = 900.0  # emulated, a backup takes minutes: it is restored to test it


class Keeper:
    """Signed in once; every question is a connection of its own."""

    def __init__(self, stage):
        self._port = stage.machine.http
        self._head = {}
        me = stage.room.school.keeper
        self._sign_in({"sign_in_name": me.sign_in_name, "password": me.password})

    def sticks(self):
        """What is plugged in, as the page *Backups* shows it: by place."""
        _, told = self.ask("GET", "/api/v1/box/backups")
        return {each["place"]: each for each in told["sticks"]}

    def take(self, place):
        """One tap: the stick is this school's."""
        return self.must("POST", "/api/v1/box/backup-sticks", {"place": place})

    def back_up(self):
        """Make a backup; return what came of it, which may be a sentence about the stick."""
        while True:
            status, told = self.ask("POST", "/api/v1/box/backups")
            if told.get("code") != BUSY:  # the box's own night may be at it
                return status, told
            time.sleep(PAUSE_S)

    def must(self, method, path, body=None):
        """Ask for what has to work."""
        status, told = self.ask(method, path, body)
        if status >= http.client.BAD_REQUEST:
            raise Trouble(f"{method} {path}: {status} {told}")
        return told

    def ask(self, method, path, body=None):
        """Return the status and what was said."""
        answer, content = self._send(method, path, None if body is None else json.dumps(body))
        return answer.status, json.loads(content)

    def page(self, path):
        """A page as it is shown."""
        return self._send("GET", path)[1].decode()

    def press(self, path, form):
        """Send a page's form; return the status and the page that follows."""
        kind = {"content-type": "application/x-www-form-urlencoded"}
        answer, content = self._send("POST", path, urlencode(form), kind)
        return answer.status, content.decode()

    def _sign_in(self, who):
        answer, content = self._send("POST", "/api/v1/sessions", json.dumps(who))
        if answer.status != http.client.CREATED:
            raise Trouble(f"the keeper cannot sign in: {content}")
        self._head["cookie"] = answer.headers["set-cookie"].partition(";")[0]

    def _send(self, method, path, content=None, kind=JSON):
        place = http.client.HTTPConnection("127.0.0.1", self._port, timeout=PATIENCE_S)
        with closing(place) as asked:
            asked.request(method, path, content, {**self._head, **kind})
            answer = asked.getresponse()
            return answer, answer.read()
