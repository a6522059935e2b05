"""A disk that is full as far as this process can tell, and real ones, small enough to fill."""

import os
import resource
import shutil
import subprocess
import tempfile
from contextlib import contextmanager, suppress
from pathlib import Path


@contextmanager
def small_files(size):
    """As a full stick does, the kernel refuses the write; the card's own files are smaller.

    For as short as it can be: a log that this very run is written to is a file, too.
    """
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))


def why_no_card():
    """Say why no file system can be mounted here, or nothing."""
    if os.geteuid() != 0:
        return "only root mounts a small card"
    with tempfile.TemporaryDirectory(prefix="darasa-mount-") as folder:
        try:
            with small_card(Path(folder), mib=1):
                return ""
        except subprocess.CalledProcessError:
            return "this machine lets nobody mount a small card"


@contextmanager
def small_card(folder, *, mib):
    """A real file system of this size, gone afterwards."""
    options = f"size={mib}m,mode=0700"
    mount = ["mount", "-t", "tmpfs", "-o", options, "darasa-card", str(folder)]
    subprocess.run(mount, check=True, capture_output=True)
    try:
        yield folder
    finally:
        subprocess.run(["umount", "--lazy", str(folder)], check=True)


def wear_out(card):
    """From now on it can only be read, as the kernel decides after an error (errors=remount-ro)."""
    subprocess.run(["mount", "-o", "remount,ro", str(card)], check=True)


def fill(card, *, left=0):
    """Put a film on the card that leaves only so many bytes; somebody else may be writing, too."""
    while (free := shutil.disk_usage(card).free - left) > 0:
        with (card / f"film-{free}").open("wb") as film, suppress(OSError):
            os.posix_fallocate(film.fileno(), 0, free)


def delete_films(card):
    """Somebody has looked for room."""
    for film in card.glob("film-*"):
        film.unlink()
