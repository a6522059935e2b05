"""Guesses are counted together where there is a store, and alone where there is none."""

import asyncio
import shutil
import signal
import subprocess

import pytest
from msgspec.structs import replace

from appliance.access.limits import TRIES_MAX
from appliance.errors import TooManyRequests
from sync.hub.app import create_app
from sync.hub.limits import SharedGuessLimit
from tests.hub.cast import NOW_MS
from tests.hub.conftest import opened

pytestmark = pytest.mark.anyio

REDIS = shutil.which("redis-server") or shutil.which("valkey-server")
NEEDS_REDIS = pytest.mark.skipif(
    REDIS is None, reason="no redis-server on this machine (apt install redis-server)"
)


@pytest.fixture
def redis(tmp_path):
    """Run a store of our own on a socket; nothing of it is kept."""
    socket = tmp_path / "redis"
    words = [REDIS, "--port", "0", "--unixsocket", socket, "--save", "", "--dir", tmp_path]
    with subprocess.Popen(words, stdout=subprocess.DEVNULL) as process:
        while not socket.exists():
            assert process.poll() is None
        yield process, f"unix://{socket}"
        process.send_signal(signal.SIGTERM)


@pytest.fixture
async def limits():
    made = []

    def limit(url=""):
        made.append(SharedGuessLimit(url))
        return made[-1]

    yield limit
    for each in made:
        await each.close()


async def use_up(limit, account="fatuma"):
    for _ in range(TRIES_MAX):
        await limit.take(account, now_ms=NOW_MS)


@NEEDS_REDIS
async def test_two_processes_count_together_and_forgive_together(limits, redis):
    one, two = limits(redis[1]), limits(redis[1])
    await use_up(one)
    with pytest.raises(TooManyRequests) as refused:
        await two.take("fatuma", now_ms=NOW_MS)
    assert 1 <= refused.value.retry_after_s <= 60
    await two.take("somebody else", now_ms=NOW_MS)
    await two.forgive("fatuma")
    await one.take("fatuma", now_ms=NOW_MS)


@NEEDS_REDIS
async def test_the_store_knows_no_names(limits, redis):
    await limits(redis[1]).take("Fatuma Noor", now_ms=NOW_MS)
    keys = await limits(redis[1])._redis.keys()
    assert [b"atuma" in key for key in keys] == [False]


@NEEDS_REDIS
async def test_a_store_that_died_makes_each_count_alone(limits, redis):
    process, url = redis
    limit = limits(url)
    await limit.take("fatuma", now_ms=NOW_MS)
    process.kill()
    await asyncio.to_thread(process.wait)
    await use_up(limit)
    with pytest.raises(TooManyRequests):
        await limit.take("fatuma", now_ms=NOW_MS)
    await limit.forgive("fatuma")
    await limit.take("fatuma", now_ms=NOW_MS)


async def test_without_a_store_this_process_counts(limits):
    limit = limits()
    await use_up(limit)
    with pytest.raises(TooManyRequests):
        await limit.take("fatuma", now_ms=NOW_MS)
    await limit.forgive("fatuma")
    await limit.take("fatuma", now_ms=NOW_MS)


@NEEDS_REDIS
@pytest.mark.postgres
async def test_the_hub_slows_guesses_at_its_sign_in_by_the_store(settings, watch, district, redis):
    app = create_app(replace(settings, redis_url=redis[1]), clock=watch)
    typed = {"sign_in_name": "fatuma", "password": "not this one at all"}
    async with app.lifespan(), opened(app) as client:
        told = [
            (await client.post("/api/v1/sessions", json=typed)).status_code
            for _ in range(TRIES_MAX + 1)
        ]
    assert told == [401] * TRIES_MAX + [429]
