"""Programs of about a hundred lines with a bug put in, and their mended twins.

In programs/NAME.txt, the lines that end with `# bug` are the bug's, and those that end with `# mended` are the twin's.
"""

from pathlib import Path

import pytest

from interlock.explore.explorer import Explorer, as_call
from tests.explore.test_corpus import load

PROGRAMS = sorted((Path(__file__).parent / "programs").glob("*.txt"))


def made_of(path: Path, variant: str, folder: Path) -> Path:
    other = {"bug": "mended", "mended": "bug"}[variant]
    lines = [line for line in path.read_text().splitlines() if not line.endswith(f"  # {other}")]
    made = folder / f"{path.stem}_{variant}.py"
    made.write_text("\n".join(line.removesuffix(f"  # {variant}") for line in lines) + "\n")
    return made


@pytest.mark.timeout(300)
@pytest.mark.parametrize("path", PROGRAMS, ids=lambda path: path.stem)
def test_the_bug_is_found(path: Path, tmp_path: Path) -> None:
    for seed in range(3):
        explorer = Explorer(
            as_call(load(made_of(path, "bug", tmp_path))), at="lines", seed=seed, directory=str(tmp_path)
        )
        with explorer:
            found = explorer.search(200, None)
        assert found.failed, f"not found from seed {seed}"


@pytest.mark.timeout(300)
@pytest.mark.parametrize("at", ["sync", "lines", "bytecodes"])
@pytest.mark.parametrize("path", PROGRAMS, ids=lambda path: path.stem)
def test_the_mended_twin_keeps_quiet(path: Path, at: str, tmp_path: Path) -> None:
    explorer = Explorer(as_call(load(made_of(path, "mended", tmp_path))), at=at, directory=str(tmp_path))
    with explorer:
        found = explorer.search(150, None)
    assert found.kind is None, found.story
