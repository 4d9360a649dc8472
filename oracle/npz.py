#!/usr/bin/env python3
"""Write the small .npz files the reader's tests use: python3 oracle/npz.py crates/zoo/testdata

Made with numpy 2 (any version writes the same arrays); the zip members carry numpy's fixed date.
"""

import sys

import numpy as np


def main(folder: str) -> None:
    points = np.float32([[0, 1], [2, 3]] * 5)
    labels = np.int64([0, 1] * 5)
    np.savez(f"{folder}/points.npz", x=points, y=labels)
    np.savez_compressed(f"{folder}/points-compressed.npz", x=points, y=labels)
    np.savez(f"{folder}/points-fortran.npz", x=np.asfortranarray(points), y=labels)
    np.savez(f"{folder}/points-big-endian.npz", x=points.astype(">f8"), y=labels.astype(">i2"))
    images = np.arange(6 * 2 * 3, dtype=np.uint8).reshape(6, 2, 3)
    classes = np.uint8([0, 1, 2, 0, 1, 2])
    np.savez(
        f"{folder}/images.npz",
        x_train=images[:4],
        y_train=classes[:4].reshape(4, 1),
        x_test=images[4:],
        y_test=classes[4:].reshape(2, 1),
    )


if __name__ == "__main__":
    main(sys.argv[1])
