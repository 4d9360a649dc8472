#!/usr/bin/env python3
"""Write the embedded digits: 1,797 real 8x8 images and their labels, as gzip IDX.

    pip download --no-deps scikit-learn && python3 oracle/digits.py scikit_learn-*.whl crates/zoo/digits

Reads `sklearn/datasets/data/digits.csv.gz` straight from the wheel (64 pixel values 0-16 and a
label a row), so nothing needs to be installed. The gzip wrappers carry no time stamp: same wheel,
same bytes.
"""

import gzip
import struct
import sys
import zipfile

MEMBER = "sklearn/datasets/data/digits.csv.gz"


def main(wheel: str, folder: str) -> None:
    text = gzip.decompress(zipfile.ZipFile(wheel).read(MEMBER)).decode()
    rows = [[int(float(value)) for value in line.split(",")] for line in text.split()]
    assert len(rows) == 1797 and all(len(row) == 65 for row in rows)
    assert all(0 <= value <= 16 for row in rows for value in row[:64])
    assert all(0 <= row[64] <= 9 for row in rows)
    pixels = bytes(value for row in rows for value in row[:64])
    labels = bytes(row[64] for row in rows)
    write(f"{folder}/digits-images-idx3-ubyte.gz", struct.pack(">4I", 2051, 1797, 8, 8) + pixels)
    write(f"{folder}/digits-labels-idx1-ubyte.gz", struct.pack(">2I", 2049, 1797) + labels)


def write(path: str, content: bytes) -> None:
    with open(path, "wb") as out:
        out.write(gzip.compress(content, 9, mtime=0))


if __name__ == "__main__":
    main(*sys.argv[1:])
