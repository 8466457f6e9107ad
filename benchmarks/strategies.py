"""How many schedules each strategy of the explorer needs to find the bugs of a folder, beside the mix that is used.

python -m benchmarks.strategies [--at lines] [--seeds 5] [--budget 300] [FOLDER]
"""

import argparse
import importlib.util
import logging
import statistics
from collections.abc import Callable
from pathlib import Path

import interlock
from interlock.explore.explorer import MIX, STRATEGIES, Explorer

CORPUS = Path(__file__).parents[1] / "tests" / "explore" / "corpus"


def load(path: Path) -> Callable[[], object]:
    with interlock.install(asyncio=True):
        spec = importlib.util.spec_from_file_location(path.stem, path)
        assert spec is not None
        assert spec.loader is not None
        module = importlib.util.module_from_spec(spec)
        spec.loader.exec_module(module)
    test: Callable[[], object] = module.test
    return test


def schedules_needed(function: Callable[[], object], strategy: str, at: str, seed: int, budget: int) -> int:
    """How many schedules were run until one failed; ``budget`` where none did."""
    explorer = Explorer(function, at=at, seed=seed, strategy=strategy)
    with explorer:
        found = explorer.search(budget, None)
        return found.found_after if found.failed else budget


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.strategies", description=__doc__)
    parser.add_argument("folder", nargs="?", type=Path, default=CORPUS)
    parser.add_argument("--at", default="lines")
    parser.add_argument("--seeds", type=int, default=5)
    parser.add_argument("--budget", type=int, default=300, help="schedules of each search (default: 300)")
    options = parser.parse_args()
    logging.disable()  # asyncio's own words about what the bugs raise
    programs = [load(path) for path in sorted(options.folder.glob("*_bug.py"))]
    print(f"interlock {interlock.__version__}, {options.at}: schedules until {len(programs)} bugs are found, ", end="")
    print(f"{options.seeds} seeds each, at most {options.budget}")
    print(f"  {'':<10} {'mean':>7} {'worst program':>14} {'not found':>10} {'share of the mix':>17}")
    for strategy in ("mix", *STRATEGIES, "deviation"):
        medians: list[float] = []
        missed = 0
        for function in programs:
            needed = [
                schedules_needed(function, strategy, options.at, seed, options.budget) for seed in range(options.seeds)
            ]
            missed += needed.count(options.budget)
            medians.append(statistics.median(needed))
        share = "" if strategy == "mix" else f"{MIX.count(strategy) / len(MIX):.0%}"
        print(
            f"  {strategy:<10} {statistics.mean(medians):>7.1f} {max(medians):>14.0f} {missed:>10} {share:>17}",
            flush=True,
        )


if __name__ == "__main__":
    main()
