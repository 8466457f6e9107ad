"""How complete the types of the public names are, as pyright counts them for an installed package: at least 98 %.

pyright looks at installed packages only, so the sources and stubs are laid into a venv of their own. Nothing is
compiled.
"""

import os
import re
import shutil
import subprocess
import sys
import tempfile
import venv
from pathlib import Path

ROOT = Path(__file__).parents[1]
LEAST = 98.0  # per cent


def main() -> None:
    with tempfile.TemporaryDirectory() as folder:
        venv.create(folder)
        [packages] = Path(folder).glob("lib/python*/site-packages")
        shutil.copytree(
            ROOT / "src" / "interlock", packages / "interlock", ignore=shutil.ignore_patterns("*.so", "__pycache__")
        )
        # It asks the first python on PATH where packages are, whatever else it is told.
        environment = {**os.environ, "PATH": f"{folder}/bin{os.pathsep}{os.environ['PATH']}", "VIRTUAL_ENV": folder}
        command = [sys.executable, "-m", "pyright", "--ignoreexternal", "--verifytypes", "interlock"]
        told = subprocess.run(command, env=environment, cwd=folder, capture_output=True, text=True, check=False)
    found = re.search(r"Type completeness score: ([\d.]+)%", told.stdout)
    if found is None:
        sys.exit(f"pyright did not say how complete the types are:\n{told.stdout}{told.stderr}")
    score = float(found[1])
    if score < LEAST:
        print(told.stdout)
        sys.exit(f"{score} % of the public names have known types, less than {LEAST} %")
    print(f"{score} % of the public names have known types")


if __name__ == "__main__":
    main()
