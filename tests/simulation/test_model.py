"""Every order of events of two boards and a hub; `make model` goes further.

The small world stands for the real one only as far as both do the same: so the same stories
are played in it and through the real session over real SQLite, and compared after each event.
"""

from random import Random

import pytest
from msgspec import structs

from sync import merge
from sync.agent.session import Fetch, Greet, Send, Worked
from sync.core import hub as judging
from sync.core import node as deciding
from sync.core.node import Fork, judge_hello, next_step
from sync.merge import Outcome, judge, row_hash
from sync.registry import TABLE
from tests.simulation import accidents, small, small_hub
from tests.simulation.ablations import replaced
from tests.simulation.actions import mix
from tests.simulation.board import make_template, stamp
from tests.simulation.hub import Broken
from tests.simulation.model import explore
from tests.simulation.sameness import names_in, renamed
from tests.simulation.small import Fate
from tests.simulation.small_hub import Name
from tests.simulation.work import ADD_GROUP, RENAME_GROUP
from tests.simulation.world import World

GROUP = b"the only class.."
KEY = ("class_group", GROUP)
SIZE_MAX = 1 << 20  # all there is in one segment
PAGE_ROWS = 1_000
NAME, VERSION = 2, -5
EVENTS, WRITES, FAULTS = 16, 3, 2
BOOKS = "SELECT recovery_due, remark_tbl IS NOT NULL, self_cursor FROM sync_identity"
CUR_N = "SELECT s.cur_n FROM sync_stream AS s WHERE s.lane = 0"


def test_no_order_of_two_writes_and_an_accident_loses_one():
    result = explore(2, 1)
    assert result.failures == []
    assert result.states > 1_000
    assert result.at_rest > 20


def no_hash_compare(answer, *, own_hashes, **rest):
    believed = {each.lane: each.received_hash for each in answer.streams}
    return judge_hello(answer, own_hashes=believed, **rest)


def a_longer_log_is_fine(answer, **rest):
    fork = judge_hello(answer, **rest)
    return None if fork is Fork.HUB_AHEAD else fork


def never_anything_to_pull(_heads, _epoch, _cursor):
    return False


def no_conflict_is_kept(current, incoming):
    plain = {Outcome.DISPLACED: Outcome.UPDATED, Outcome.OUTRANKED: Outcome.SUPERSEDED}
    outcome = judge(current, incoming)
    return plain.get(outcome, outcome)


def whoever_came_first_stays(current, incoming):
    outcome = judge(current, incoming)
    return Outcome.OUTRANKED if outcome is Outcome.DISPLACED else outcome


def equal_counters_are_equal(current, incoming):
    is_tie = current is not None and current.order[:2] == incoming.order[:2]
    return Outcome.DUPLICATE if is_tie else judge(current, incoming)


def no_row_is_sent_again(view):
    return next_step(structs.replace(view, has_rows_to_mark=False))


@pytest.mark.parametrize(
    ("owner", "name", "broken", "promise"),
    [
        (deciding, "judge_hello", no_hash_compare, "I10"),
        (deciding, "judge_hello", a_longer_log_is_fine, "I10"),
        (deciding, "next_step", no_row_is_sent_again, "I10"),
        (judging, "has_rows_to_pull", never_anything_to_pull, "I10"),
        (merge, "judge", no_conflict_is_kept, "I1"),
        (merge, "judge", whoever_came_first_stays, "I10"),
        (merge, "judge", equal_counters_are_equal, "I10"),
    ],
    ids=lambda each: getattr(each, "__name__", None),
)
def test_a_broken_rule_shows_in_some_order(owner, name, broken, promise):
    small_hub.replayed.cache_clear()
    with replaced(owner, name, broken):
        result = explore(2, 0, stops_early=True)
    small_hub.replayed.cache_clear()
    assert any(words.startswith(f"{promise}:") for words, _ in result.failures)


class Both:
    """One story, in the small world and in the real one."""

    def __init__(self, folder, template):
        self.world = World(1, mix(network=0), folder, template, schools=1)
        first = self.world.boards[0]
        with first.writing() as execute:
            execute(ADD_GROUP, (GROUP, first.school_id.bytes, "first", 0))
        self.talk_out(first)
        accidents.clone(self.world)
        self.boards, self.real_hub = self.world.boards, self.world.hub
        self.begun = first.image()
        card, self.hub = small.beginning()
        self.cards = [card, card]
        self.hashes = {card.current: self.row(first).hash}
        self.names = {}
        self.offset = self.school.change_no - self.hub.change_no
        self.commits = [None, self.real_hub.journal[-1]]
        for board in self.boards:
            board.begin_session()

    @property
    def school(self):
        return self.real_hub.schools[self.boards[0].school_id]

    def row(self, board):
        return board.look().rows[KEY]

    def talk_out(self, board):
        board.begin_session()
        while request := board.session.next_request(stamp(0), SIZE_MAX):
            if not isinstance(request, Worked):
                self.take(board, request, self.ask(board, request))

    def ask(self, board, request):
        match request:
            case Greet(hello=hello):
                return self.world.hub.hello(hello)
            case Send(payload=payload):
                return self.world.hub.put(board.node_id, payload)
            case Fetch(epoch=epoch, cursor=cursor):
                return self.world.hub.pull(board.node_id, epoch, cursor, PAGE_ROWS)
        raise AssertionError(request)

    def take(self, board, request, answer):
        match request:
            case Greet():
                board.session.take_hello(answer, now_ms=0)
            case Send():
                board.session.take_segment_answer(request, answer)
            case Fetch():
                board.session.take_page(answer, now_ms=0)

    # Events, each in both.

    def talk(self, number, fate):
        self.cards[number], self.hub = small.talk(self.cards[number], self.hub, fate)
        board, session = self.boards[number], self.boards[number].session
        while isinstance(request := session.next_request(stamp(0), SIZE_MAX), Worked):
            continue
        if request is None:
            session.forget()
            request = session.next_request(stamp(0), SIZE_MAX)
        self.say(board, request, fate)
        if fate is not Fate.HEARD:
            session.forget()
        new = len(self.hub.past) - len(self.commits)
        self.commits += [self.real_hub.journal[-1]] * new

    def say(self, board, request, fate):
        if fate is Fate.LOST:
            return
        try:
            answer = self.ask(board, request)
        except Broken:
            board.session.forget()
        else:
            if fate is Fate.HEARD:
                self.take(board, request, answer)

    def write(self, number, dice):
        card = dice.choice(small.writes(self.cards[number], set(self.hashes)))
        board, path = self.boards[number], card.current
        name = self.name_for(path, self.row(board).values)
        with board.writing() as execute:
            execute(RENAME_GROUP, (GROUP, name, 0))
        self.cards[number] = card
        self.hashes[path] = self.row(board).hash

    def name_for(self, path, values):
        """A name whose hash falls where the path says, among those of one version."""
        peers = [each for each in self.hashes if len(each) == len(path) and each != path]
        for name in map(str, range(10_000)) if path not in self.names else [self.names[path]]:
            found = list(values)
            found[NAME], found[VERSION] = name, values[VERSION] + 1
            hashed = row_hash(TABLE["class_group"], found)
            is_taken = hashed in [self.hashes[each] for each in peers]
            falls = ((hashed > self.hashes[each]) == (path[-1] > each[-1]) for each in peers)
            if not is_taken and all(falls):
                self.names[path] = name
                return name
        raise AssertionError("no name falls there")

    def put_card(self, number, dice):
        """The card as it began, or a copy of the other's."""
        if dice.random() < 0.5:
            self.cards[number] = small.beginning()[0]
            self.boards[number].put_image(self.begun)
        else:
            self.cards[number] = small.forgetful(self.cards[1 - number])
            self.boards[number].put_image(self.boards[1 - number].image())

    def put_hub_back(self, _number, dice):
        length = dice.randint(small_hub.BEGUN_AT, len(self.hub.past))
        is_noticed = dice.random() < 0.5 or length == len(self.hub.past)
        then = small_hub.replayed(self.hub.past[:length])
        self.hub = small_hub.renewed(then) if is_noticed else then
        self.real_hub.put_back(self.commits[length - 1], is_noticed=is_noticed)
        self.commits = [*self.commits[:length], *[self.real_hub.journal[-1]] * is_noticed]
        self.cards = [small.forgetful(each) for each in self.cards]
        for board in self.boards:
            board.session.forget()

    def settle_names(self):
        """New epochs and incarnations get a name of their own."""
        state = (*self.cards, self.hub)
        names = {each: each for each in names_in(state)}
        new = [each for each in names if each < 0]
        names |= {each: Name(max(names) + at) for at, each in enumerate(new, 1)}
        *self.cards, self.hub = renamed(state, names)

    # Looking.

    def here(self, number):
        card = self.cards[number]
        beside = {self.hashes[path] for path in card.beside}
        books = (card.owes, card.has_marks, card.cursor)
        return self.hashes[card.current], beside, card.is_dirty, books, len(card.chain), card.heard

    def really_here(self, number):
        board = self.boards[number]
        look = board.look()
        beside = {hashed for *key, hashed in look.conflicts if tuple(key) == KEY}
        ((owes, has_marks, cursor),) = board.db.tuples(BOOKS)
        books = (bool(owes), bool(has_marks), max(cursor - self.offset, 0))
        cur_n, heard = board.db.value(CUR_N), board.session._heard
        if heard is not None and heard.fork is not None:
            heard = structs.replace(heard, pull=self.cards[number].heard.pull)
        return look.rows[KEY].hash, beside, KEY in look.dirty, books, cur_n, heard

    def there(self):
        beside = {self.hashes[path] for path in self.hub.beside}
        return self.hashes[self.hub.current], beside, self.hub.change_no, len(self.hub.log)

    def really_there(self):
        school = self.school
        beside = {hashed for *key, hashed in school.conflicts if tuple(key) == KEY}
        numbers = school.change_no - self.offset, len(school.log) - 1
        return school.rows[KEY].hash, beside, *numbers


def play(both, dice):
    """A story of some writes and some accidents; after each event both worlds are the same."""
    left = {"write": WRITES, "put_card": 1, "put_hub_back": 1, "lose": FAULTS}
    for _ in range(EVENTS):
        what = dice.choice(["talk"] * 4 + [each for each in left if left[each]])
        number = dice.randrange(2)
        if what in left:
            left[what] -= 1
        if what == "talk":
            both.talk(number, Fate.HEARD)
        elif what == "lose":
            both.talk(number, dice.choice([Fate.UNHEARD, Fate.LOST]))
        else:
            getattr(both, what)(number, dice)
        both.settle_names()
        assert both.there() == both.really_there()
        assert [both.here(each) for each in (0, 1)] == [both.really_here(each) for each in (0, 1)]


@pytest.fixture(scope="module")
def template(tmp_path_factory):
    return make_template(tmp_path_factory.mktemp("template"))


@pytest.mark.parametrize("seed", range(12))
def test_the_small_world_does_what_the_real_session_does(tmp_path, template, seed):
    both = Both(tmp_path, template)
    play(both, Random(seed))
    both.world.close()
