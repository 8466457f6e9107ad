"""Runs a program as `interlock run --on-stall=exit` does, with looks that are 20 times as frequent.

python driver.py PROGRAM [OPTION ...]
"""

import sys

from interlock.cli import main
from interlock.watch import stall

if __name__ == "__main__":
    stall.LOOK = 0.05
    stall.PATIENCE = 0.1
    program, *options = sys.argv[1:]
    sys.argv[:] = ["interlock", "run", "--on-stall=exit", *options, program]
    sys.exit(main())
