"""A tiny card, made twice: the same bytes, everything in its place, and no secret on it."""

import hashlib
import json
import shutil
import subprocess
import time

import pytest
from card import assemble, boot_state, file_system
from layout import MIB, parts
from scan import findings

EPOCH = 1_767_225_600
LAYOUT = parts(slot_mib=8, data_mib=8)
LOADER = b"RKNS" + bytes(range(256)) * 4


@pytest.fixture(autouse=True)
def programs(tools):
    tools({"mke2fs": "e2fsprogs", "debugfs": "e2fsprogs", "sfdisk": "fdisk"})


@pytest.fixture
def root(tmp_path):
    """A root file system as small as can be, with what a real one has."""
    tree = tmp_path / "root"
    for name in ("boot", "etc/ssh", "etc/rauc", "opt/darasa/bin", "var/lib", "usr/share/doc"):
        (tree / name).mkdir(parents=True)
    (tree / "etc/machine-id").touch()
    (tree / "etc/passwd").write_text("root:x:0:0:root:/root:/bin/sh\n")
    (tree / "etc/shadow").write_text("root:*:20454::::::\ndarasa:!*:20454::::::\n")
    (tree / "opt/darasa/bin/darasa-box").write_text("#!/opt/darasa/bin/python\n")
    (tree / "opt/darasa/bin/python").symlink_to("/usr/bin/python3")
    (tree / "usr/share/doc/keys.txt").write_text("-----BEGIN PRIVATE KEY----- is how one begins\n")
    return tree


def made_from(root, folder, *, loader=None):
    folder.mkdir()
    contents = {"bootstate": folder / "state"}
    contents["bootstate"].write_bytes(boot_state())
    for part in LAYOUT[1:]:
        contents[part.name] = folder / part.name
        tree = None if part.name == "data" else root
        file_system(contents[part.name], tree, part, epoch=EPOCH, journal=part.name == "data")
    card = folder / "card.img"
    assemble(card, LAYOUT, contents, loader=loader)
    return card


def test_two_cards_of_one_root_are_the_same_bytes(root, tmp_path):
    first = made_from(root, tmp_path / "first")
    time.sleep(1.1)  # the copy's inodes change at another second, which must not be seen
    other_root = shutil.copytree(root, tmp_path / "copy", symlinks=True)
    second = made_from(other_root, tmp_path / "second")
    digests = {hashlib.sha256(card.read_bytes()).hexdigest() for card in (first, second)}
    assert len(digests) == 1
    (root / "etc/hostname").write_text("darasa\n")
    third = made_from(root, tmp_path / "third")
    assert hashlib.sha256(third.read_bytes()).hexdigest() not in digests


def test_everything_is_where_loader_and_kernel_look_for_it(root, tmp_path):
    loader = tmp_path / "loader.bin"
    loader.write_bytes(LOADER)
    card = made_from(root, tmp_path / "made", loader=loader)
    printed = subprocess.run(["sfdisk", "-J", card], capture_output=True, check=True).stdout
    table = json.loads(printed)["partitiontable"]
    found = {each["name"]: each for each in table["partitions"]}
    assert list(found) == ["bootstate", "boot", "root_a", "root_b", "data"]
    assert found["bootstate"]["start"] == 32_768
    assert [name for name in found if "LegacyBIOSBootable" in found[name].get("attrs", "")] == [
        "boot"
    ]
    content = card.read_bytes()
    assert content[64 * 512 :].startswith(LOADER)
    assert content[16 * MIB :].startswith(boot_state())
    for part in LAYOUT[1:]:
        assert content[part.start_mib * MIB + 1080 :].startswith(b"\x53\xef"), part.name


def test_a_file_system_is_sound_and_has_the_files(root, tmp_path):
    slot = tmp_path / "slot"
    file_system(slot, root, LAYOUT[2], epoch=EPOCH, journal=False)
    checked = subprocess.run(["e2fsck", "-fn", slot], capture_output=True, text=True, check=False)
    assert checked.returncode == 0, checked.stdout
    shown = subprocess.run(
        ["debugfs", "-R", "cat /etc/shadow", slot], capture_output=True, text=True, check=True
    )
    assert "root:*:" in shown.stdout


def test_a_clean_root_holds_no_secret(root):
    assert findings(root) == []


@pytest.mark.parametrize(
    ("name", "text", "finding"),
    [
        ("etc/machine-id", "5b1c0ffee0000000000000000000cafe\n", "one machine"),
        ("etc/shadow", "root:$y$j9T$abc:20454::::::\n", "root has a password"),
        ("etc/shadow", "root::20454::::::\n", "root needs no password"),
        ("etc/ssh/ssh_host_ed25519_key", "", "host key"),
        ("root/.ssh/authorized_keys", "ssh-ed25519 AAAA amina\n", "a door"),
        ("etc/rauc/key.pem", f"-----BEGIN PRIVATE KEY-----\n{'MIIE' * 16}\n", "a private key"),
        ("var/lib/darasa/school.db", "", "a school's data"),
        ("etc/darasa/box.env", "DARASA_PORT=80\n", "a school's settings"),
    ],
)
def test_a_secret_in_the_root_is_found(root, name, text, finding):
    path = root / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)
    (found,) = findings(root)
    assert finding in found
