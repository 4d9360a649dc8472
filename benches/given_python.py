"""The Python of `--python`: it has the packages that a script needs."""

import os
import shutil
import sys

# Set for a script that was begun again; the Python given may be a program that calls another, so paths tell nothing.
AGAIN = "HOYER_BENCH_PYTHON"


def run_with(given):
    """Runs this script again with the Python given, unless it already is, or there is none given."""
    python = shutil.which(given or sys.executable)
    if python is None:
        sys.exit(f"there is no {given}")
    if given is not None and os.environ.get(AGAIN) != given:
        os.environ[AGAIN] = given
        os.execv(python, [python, *sys.argv])
