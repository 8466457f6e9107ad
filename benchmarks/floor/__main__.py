import sys
from pathlib import Path

from benchmarks.floor import build, compile_into

if len(sys.argv) == 3:
    build(Path(sys.argv[1]), Path(sys.argv[2]))
else:
    compile_into()
