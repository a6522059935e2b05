"""The update: one slot's file system in a signed RAUC bundle.

The key is the operator's and never in the image; boxes know its certificate. For tests a pair
is made on the spot and thrown away.
"""

import subprocess
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import Final

MANIFEST: Final = """[update]
compatible=darasa-arm64
version={version}
build={build}

[bundle]
format=verity

[image.rootfs]
filename=rootfs.img
"""


@dataclass(frozen=True)
class Signer:
    """A certificate that boxes know, and its key."""

    certificate: Path
    key: Path


def throwaway_signer(folder: Path) -> Signer:
    """Make a pair for tests; whoever finds the key can sign for test boxes only."""
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    signer = Signer(folder / "test.cert.pem", folder / "test.key.pem")
    if not signer.certificate.exists():
        words = ["openssl", "req", "-x509", "-newkey", "rsa:3072", "-nodes", "-days", "36500"]
        words += ["-subj", "/CN=Darasa test updates", "-keyout", str(signer.key)]
        done = subprocess.run(
            [*words, "-out", str(signer.certificate)], capture_output=True, check=True
        )
        assert done.returncode == 0
    return signer


def make_bundle(target: Path, slot: Path, signer: Signer, *, version: str, build: str) -> None:
    """Sign the slot's file system; RAUC on the box verifies every block as it reads it."""
    target.unlink(missing_ok=True)
    with tempfile.TemporaryDirectory(dir=target.parent) as folder:
        content = Path(folder)
        (content / "rootfs.img").hardlink_to(slot)
        (content / "manifest.raucm").write_text(MANIFEST.format(version=version, build=build))
        words = ["rauc", "bundle", f"--cert={signer.certificate}", f"--key={signer.key}"]
        words += ["--mksquashfs-args=-comp zstd -quiet", str(content), str(target)]
        subprocess.run(words, check=True)
