"""The tests here stand on those of their room: what a test file imports beside itself is found there, too."""

import sys
from pathlib import Path

HERE = Path(__file__).parent
sys.path += [str(HERE.parent / room.name) for room in HERE.iterdir() if room.is_dir()]
