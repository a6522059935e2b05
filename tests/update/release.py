"""Releases to update to: a slot with the real program in it, and the bundle that brings it.

A release is this tree with a further migration and a version of its own. Some are broken, each
in its own way; the program is the same, so what breaks is only what is said here.
"""

import compileall
import shutil
import subprocess
from dataclasses import dataclass

from bundle import MANIFEST
from card import file_system

from tests.image.fake_kernel import fake_kernel
from tests.sources import ROOT

EPOCH = 1_767_225_600
SCRIPTS = ROOT / "image-build/overlay/usr/lib/darasa"
LEFT_OUT = shutil.ignore_patterns("__pycache__", "node_modules", "vendor")
# A second of work that leaves pages to be written and little behind.
MIGRATION = """\
-- works from: {works_from:04}
ALTER TABLE person ADD COLUMN later_{number} TEXT;
CREATE TABLE later_{number} (n INTEGER NOT NULL PRIMARY KEY, words TEXT NOT NULL) STRICT;
  WITH RECURSIVE counted (n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM counted WHERE n < 60000)
INSERT INTO later_{number} SELECT n, hex(randomblob(40)) FROM counted;
DELETE FROM later_{number};
"""
FAILING = "INSERT INTO nowhere VALUES (1);\n"
# What `darasa-box` does in a slot; a broken one serves nothing, silently or by ending.
SERVES = {"deaf": 'test "$1" = serve && exec sleep 600', "refusing": 'test "$1" = serve && exit 1'}
PROGRAM = """\
#!/bin/sh
{broken}
PYTHONPATH=/opt/darasa/app exec {python} -m appliance "$@"
"""
# Every boot of a broken release waits so long, as often as it is tried; on a board it is longer.
WAIT = {"WAIT_S: Final = 120": "WAIT_S: Final = 8", "PAUSE_S: Final = 2": "PAUSE_S: Final = 0.2"}


@dataclass(frozen=True)
class Release:
    """What one update brings; `fault` is empty for a good one."""

    build: str
    version: str
    fault: str
    migrations: tuple[str, ...]  # those after this tree's own


class Workshop:
    """Builds slots and bundles; the compiled program is laid out once."""

    def __init__(self, folder, part, signer, python):
        self._folder, self._part, self._signer, self._python = folder, part, signer, python
        self._app = folder / "app"
        for package in ("appliance", "sync", "migrations"):
            shutil.copytree(ROOT / package, self._app / package, ignore=LEFT_OUT)
        compileall.compile_dir(self._app, quiet=1, invalidation_mode="unchecked-hash")
        self.known = len(list((self._app / "migrations/edge").glob("*.sql")))

    def migration(self, number, *, is_failing=False):
        """Return the text of a further migration, which any release since this tree survives."""
        text = MIGRATION.format(works_from=self.known, number=number)
        return text + FAILING if is_failing else text

    def slot(self, release):
        """Make the file system of a slot; return it."""
        tree = self._folder / release.build
        shutil.copytree(self._app, tree / "opt/darasa/app", copy_function=shutil.copyfile)
        for number, text in enumerate(release.migrations, self.known + 1):
            name = f"{number:04}_later_{number}.sql"
            (tree / "opt/darasa/app/migrations/edge" / name).write_text(text)
        told = tree / f"opt/darasa/app/darasa-{release.version}.dist-info/METADATA"
        told.parent.mkdir()
        told.write_text(f"Metadata-Version: 2.1\nName: darasa\nVersion: {release.version}\n")
        program = tree / "opt/darasa/bin/darasa-box"
        program.parent.mkdir()
        program.write_text(
            PROGRAM.format(broken=SERVES.get(release.fault, ""), python=self._python)
        )
        program.chmod(0o755)
        self._add_system(tree, release)
        image = self._folder / f"{release.build}.img"
        file_system(image, tree, self._part, epoch=EPOCH, journal=False)
        shutil.rmtree(tree)
        return image

    def _add_system(self, tree, release):
        (tree / "boot").mkdir()
        (tree / "boot/vmlinuz").write_bytes(fake_kernel(f"STARTS {release.build}"))
        (tree / "boot/initrd.img").write_bytes(b"\0" * 512)
        (tree / "boot/args.env").write_text("slot_args=quiet\n")
        (tree / "usr/share/darasa").mkdir(parents=True)
        said = f'{{"version": "{release.version}", "build": "{release.build}"}}'
        (tree / "usr/share/darasa/build.json").write_text(said)
        (tree / "usr/lib").mkdir(parents=True)
        shutil.copytree(SCRIPTS, tree / "usr/lib/darasa")
        script = tree / "usr/lib/darasa/mark-good"
        text = script.read_text()
        for before, after in WAIT.items():
            assert before in text, before
            text = text.replace(before, after)
        script.write_text(text)

    def bundle(self, release):
        """Sign the slot as an update; return the file."""
        target = self._folder / f"{release.build}.raucb"
        slot = self.slot(release)
        make_plain_bundle(target, slot, self._signer, release.version, release.build)
        slot.unlink()
        return target


def make_plain_bundle(target, slot, signer, version, build, *, compatible="darasa-arm64"):
    """Sign as `bundle.py` does, in the format that needs no device mapper of this machine."""
    content = target.with_suffix(".content")
    content.mkdir()
    (content / "rootfs.img").hardlink_to(slot)
    manifest = MANIFEST.format(version=version, build=build).replace("verity", "plain")
    (content / "manifest.raucm").write_text(manifest.replace("darasa-arm64", compatible))
    target.unlink(missing_ok=True)
    words = ["rauc", "bundle", f"--cert={signer.certificate}", f"--key={signer.key}"]
    words += ["--mksquashfs-args=-comp zstd -Xcompression-level 1 -quiet", content, target]
    subprocess.run(words, check=True, capture_output=True)
    shutil.rmtree(content)
