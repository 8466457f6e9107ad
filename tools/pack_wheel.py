"""Compresses the wheels of a folder anew, as well as the format allows: a thirtieth smaller, and as fast to unpack.

    python tools/pack_wheel.py FOLDER

zopfli (of the extra `dist`) writes what any zip reader reads. What is in a wheel stays the same, so its RECORD stays
right.
"""

import sys
import zipfile
from pathlib import Path
from unittest import mock

import zopfli.zlib


class Compressor:
    """As zipfile uses one: it is given the parts of a file, and then asked for the deflated whole."""

    def __init__(self, *_: object) -> None:
        self.data = b""

    def compress(self, part: bytes) -> bytes:
        self.data += part
        return b""

    def flush(self) -> bytes:
        # Deflated data with a header of two bytes and a checksum of four: a zip has its own.
        return zopfli.zlib.compress(self.data, numiterations=15, blocksplittingmax=0)[2:-4]


def pack(wheel: Path) -> None:
    packed = wheel.with_suffix(".packed")
    # zipfile has no public way to bring a compressor of one's own.
    with (
        mock.patch("zipfile._get_compressor", Compressor),
        zipfile.ZipFile(wheel) as old,
        zipfile.ZipFile(packed, "w") as new,
    ):
        for info in old.infolist():
            if not info.is_dir():  # an entry of its own, which no installer needs
                new.writestr(info, old.read(info), zipfile.ZIP_DEFLATED)
    with zipfile.ZipFile(packed) as new:
        if damaged := new.testzip():
            sys.exit(f"{wheel.name}: {damaged} does not unpack")
    packed.replace(wheel)


if __name__ == "__main__":
    for found in sorted(Path(sys.argv[1]).glob("*.whl")):
        pack(found)
