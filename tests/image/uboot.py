"""A card of small slots in qemu's board, started by Debian's own U-Boot, read on its console."""

import os
import re
import subprocess
from contextlib import contextmanager
from pathlib import Path
from selectors import EVENT_READ, DefaultSelector

from card import assemble, boot_script, file_system
from layout import MIB, parts

from tests.image.fake_kernel import fake_kernel

UBOOT = Path("/usr/lib/u-boot/qemu_arm64/u-boot.bin")
EPOCH = 1_767_225_600
PATIENCE_S = 60.0
LAYOUT = parts(slot_mib=8, data_mib=8)
BY_NAME = {part.name: part for part in LAYOUT}


def small_card(folder, *, state=None, kernels=("A", "B"), before=""):
    """Make a card whose kernels only say their name; `before` runs ahead of the boot script."""
    contents = {}
    for letter in "AB":
        tree = folder / letter / "boot"
        tree.mkdir(parents=True)
        if letter in kernels:
            (tree / "vmlinuz").write_bytes(fake_kernel(f"KERNEL-{letter}"))
        (tree / "initrd.img").write_bytes(b"\0" * 512)
        (tree / "args.env").write_text(f"slot_args=quiet of={letter}\n")
        name = f"root_{letter.lower()}"
        contents[name] = folder / name
        file_system(contents[name], tree.parent, BY_NAME[name], epoch=EPOCH, journal=False)
    contents["boot"] = boot_partition(folder, before)
    if state is not None:
        contents["bootstate"] = folder / "bootstate"
        contents["bootstate"].write_bytes(state)
    card = folder / "card.img"
    assemble(card, LAYOUT, contents, loader=None)
    return card


def boot_partition(folder, before):
    tree = folder / "boot"
    tree.mkdir()
    boot_script(tree / "boot.scr", EPOCH, before=before)
    target = folder / "boot.ext4"
    file_system(target, tree, BY_NAME["boot"], epoch=EPOCH, journal=False)
    return target


def state_of(card):
    """Return the sector of variables as it stands on the card."""
    with card.open("rb") as opened:
        opened.seek(BY_NAME["bootstate"].start_mib * MIB)
        return opened.read(512)


def power_on(card):
    """Start the board; it speaks on its standard output."""
    words = [
        "qemu-system-aarch64",
        "-M",
        "virt",
        "-cpu",
        "cortex-a57",
        "-m",
        "256",
        "-nographic",
        "-nic",
        "none",
        "-bios",
    ]
    drive = f"if=none,id=card,format=raw,file={card}"
    words += [UBOOT, "-drive", drive, "-device", "virtio-blk-device,drive=card"]
    return subprocess.Popen(words, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE)


@contextmanager
def console(card):
    """Start the board; what it says comes as lines until the caller leaves."""
    board = power_on(card)
    try:
        yield lines_of(board.stdout)
    finally:
        board.kill()
        board.wait()
        board.stdout.close()


def lines_of(stream, *, patience_s=PATIENCE_S):
    """Give the lines one by one; a board that says nothing for so long has failed."""
    with DefaultSelector() as selector:
        selector.register(stream, EVENT_READ)
        rest = b""
        while True:
            assert selector.select(patience_s), "the board says nothing more"
            block = os.read(stream.fileno(), 4096)
            assert block, "qemu has ended"
            *lines, rest = (rest + block).split(b"\n")
            yield from (line.decode(errors="replace").strip() for line in lines)


def starts(card, count):
    """Return the first starts as (slot, starts left, the kernel's word), and all the lines."""
    seen, heard = [], []
    with console(card) as lines:
        for line in lines:
            heard.append(line)
            if said := re.match(r"darasa: slot (\w), (\d) left", line):
                if len(seen) == count:
                    break
                seen.append([said[1], int(said[2]), None])
            if said := re.search(r"KERNEL-(\w)", line):
                seen[-1][2] = said[1]
                if len(seen) == count:
                    break
    return [tuple(each) for each in seen], heard
