"""What may happen in a world, drawn as a list that can be played again, cut and shortened.

A seed gives a mix and a list of actions; each action carries dice of its own. So an action
that is left out changes nothing in the others, and a failing list can be minimised.
"""

from random import Random
from typing import Final

from msgspec import Struct

STEPS: Final = 70
BOARDS_MAX: Final = 4
SEED_BITS: Final = 32
WORKS: Final = (
    "add",
    "change",
    "change",
    "delete",
    "revive",
    "hand_in",
    "hand_in",
    "find",
    "measure",
    "meet",
)
DELETES: Final = ("add", "delete", "delete", "revive", "change", "find")
PEOPLE: Final = ("meet", "meet", "rename", "rename", "hand_in", "hand_in", "hand_in", "repeat_id")
FILES: Final = ("attach",) * 5 + ("meet", "hand_in", "change", "add")
FACTS: Final = ("hand_in", "hand_in", "hand_in", "repeat_id", "add")


SPECIAL: Final = {"is_lying", "reads_receipts", "day_bytes", "hub_release", "breath"}


class Action(Struct, frozen=True):
    """One thing that happens, and the dice it is played with."""

    name: str
    seed: int

    def __str__(self):
        return f"{self.name}:{self.seed}"


class Mix(Struct, frozen=True):
    """How many of a hundred actions each accident is; what the school does; what is broken.

    `network`: how much of the traffic meets trouble. `is_lying`: the card ignores syncs.
    `day_bytes`: what each board may spend in a day, 0 for a link that costs nothing.
    `hub_release`: of the hub when it begins, held against the boards'. `breath`: how many times
    longer anybody talks at once: files come last.
    """

    accidents: dict[str, int]
    network: float = 0.3
    works: tuple[str, ...] = WORKS
    is_lying: bool = False
    reads_receipts: bool = True
    day_bytes: int = 0
    hub_release: str = "same"
    breath: int = 1


def mix(works=WORKS, network=0.3, **rest):
    """A mix by the names of its accidents, and whatever else is unusual in it."""
    special = {name: rest.pop(name) for name in rest.keys() & SPECIAL}
    return Mix(rest, network, works, **special)


# The first eight are the mixes that broke the first design (decision 36).
MIXES: Final = {
    "delete": mix(DELETES),
    "restore": mix(restore=8, back_up=4),
    "restore and delete": mix(DELETES, restore=8, back_up=4),
    "clone": mix(clone=5),
    "restore and facts": mix(FACTS, restore=8, back_up=4),
    "hub rollback, trimmed payloads": mix(roll_hub_back=7, trim=20),
    "hub to its latest backup, trimmed": mix(hub_to_backup=6, back_hub_up=6, trim=20),
    "everything": mix(
        works=(*WORKS, "repeat_id", "poison", "misfile", "rename", "attach", "attach"),
        day_bytes=12_000,
        day_passes=2,
        card_fills=1,
        power_fails=5,
        killed=4,
        card_full=2,
        card_fails=2,
        card_busy=2,
        restore=4,
        back_up=3,
        clone=3,
        swap_cards=1,
        roll_hub_back=3,
        hub_to_backup=2,
        back_hub_up=2,
        promote_replica=2,
        hub_crashes=3,
        trim=5,
        export_stick=4,
        import_stick=4,
        bring_receipts=4,
        revoke_key=1,
        district_writes=5,
        district_dawdles=2,
        district_erases=2,
        old_card=1,
        new_card=1,
        old_page_arrives=2,
    ),
    "network": mix(network=0.6),
    "clock": mix(jump_clock=20),
    "power": mix(power_fails=14),
    "lying disk": mix(power_fails=12, is_lying=True),
    "killed": mix(killed=16),
    "card trouble": mix(card_full=7, card_fails=7, card_busy=7),
    "swapped cards": mix(clone=3, swap_cards=7),
    "hub rollback": mix(roll_hub_back=7),
    "hub crash": mix(hub_crashes=14),
    "promoted replica": mix(promote_replica=8),
    "restore and rollback": mix(restore=6, back_up=4, roll_hub_back=6, trim=10),
    # A hub that does not look at receipts leaves the node's own log as the only help.
    "restore and rollback, receipts unread": mix(
        restore=8, back_up=4, roll_hub_back=8, trim=10, reads_receipts=False
    ),
    "clone and restore": mix(clone=4, restore=6, back_up=4),
    "poison": mix(works=(*WORKS, "poison", "misfile", "poison"), clone=2, restore=3, back_up=3),
    "sticks": mix(export_stick=10, import_stick=10, bring_receipts=10, trim=6),
    "sticks, restore and rollback": mix(
        export_stick=8, import_stick=8, bring_receipts=8, restore=4, back_up=4, roll_hub_back=4
    ),
    "revoked key": mix(revoke_key=6, restore=3, back_up=3),
    "the way down": mix(district_writes=15, district_dawdles=5, old_page_arrives=5),
    "the way down, hub rollback": mix(
        district_writes=12,
        district_dawdles=4,
        roll_hub_back=5,
        promote_replica=2,
        old_page_arrives=3,
    ),
    "the way down, restore and clone": mix(
        district_writes=12, restore=5, back_up=4, clone=3, old_page_arrives=3, trim=5
    ),
    "older hub": mix(
        (*WORKS, "label", "label", "rename"),
        hub_release="older",
        update_hub=2,
        restore=4,
        back_up=4,
        clone=3,
        trim=4,
    ),
    "older hub, rollback and erasure": mix(
        (*WORKS, "label", "label", "rename", "poison"),
        hub_release="older",
        update_hub=2,
        district_erases=4,
        roll_hub_back=4,
        hub_crashes=3,
        export_stick=4,
        import_stick=4,
        clone=2,
    ),
    "metered": mix(
        (*WORKS, *("measure",) * 4), network=0.2, day_bytes=4_500, day_passes=12, card_fills=6
    ),
    "metered, restore and rollback": mix(
        (*WORKS, "measure", "measure", "rename"),
        day_bytes=9_000,
        day_passes=14,
        card_fills=3,
        restore=4,
        back_up=4,
        clone=2,
        roll_hub_back=2,
        district_writes=6,
        district_erases=2,
        killed=3,
        trim=4,
    ),
    "erasure": mix(
        (*PEOPLE, "poison"), district_erases=6, district_writes=4, restore=5, back_up=5, trim=4
    ),
    "erasure, late sticks": mix(
        (*PEOPLE, "poison"),
        district_erases=6,
        export_stick=8,
        import_stick=8,
        bring_receipts=4,
        clone=2,
        trim=4,
    ),
    "erasure, old cards and hubs": mix(
        PEOPLE,
        district_erases=6,
        old_card=6,
        back_up=6,
        clone=4,
        swap_cards=1,
        roll_hub_back=3,
        promote_replica=3,
        hub_crashes=2,
        power_fails=3,
        killed=2,
    ),
    "files": mix(
        FILES,
        network=0.08,
        breath=4,
        power_fails=6,
        killed=4,
        card_full=3,
        card_fails=3,
        hub_crashes=4,
    ),
    "files, restore and clone": mix(
        FILES,
        network=0.08,
        breath=4,
        restore=4,
        new_card=4,
        old_card=3,
        back_up=6,
        clone=3,
        swap_cards=2,
        roll_hub_back=3,
        hub_to_backup=3,
        back_hub_up=4,
        promote_replica=2,
        trim=3,
    ),
    "files, erasure and sticks": mix(
        (*FILES, "meet"),
        network=0.05,
        breath=4,
        district_erases=7,
        export_stick=8,
        import_stick=8,
        bring_receipts=4,
        restore=2,
        back_up=4,
        clone=2,
        roll_hub_back=2,
    ),
    "everything, lying disk": mix(
        power_fails=8,
        restore=5,
        back_up=4,
        clone=3,
        roll_hub_back=5,
        trim=10,
        is_lying=True,
    ),
}


def mix_of(seed):
    """Every mix in turn, so that any range of seeds has all of them."""
    return list(MIXES)[seed % len(MIXES)]


def draw(seed, chosen, steps=STEPS):
    """All choices of one world that are not made by an action's own dice."""
    dice = Random(seed)
    return [Action(draw_name(dice, chosen), dice.getrandbits(SEED_BITS)) for _ in range(steps)]


def draw_name(dice, chosen):
    number = dice.randrange(100)
    for name, weight in chosen.accidents.items():
        number -= weight
        if number < 0:
            return name
    if number < 3:
        return "late_arrives"
    return dice.choice(("work", "talk"))


def parse(text):
    """Read what a failure printed: 'work:17 restore:4'."""
    pairs = (word.split(":") for word in text.split())
    return [Action(name, int(seed)) for name, seed in pairs]
