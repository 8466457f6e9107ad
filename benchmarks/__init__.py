"""The benchmark suite: what interlock's primitives cost, beside others in the same run.

    make bench           # everything, docs/benchmarks.md and its pictures: under 15 minutes
    make bench-quick     # the same ratios in the terminal and as JSON: under 90 seconds

    python -m benchmarks [--page | --quick] [--json FILE] [--only WORDS] [--check]

A *figure* is one line of the matrix, operation × situation × party, with the samples of each implementation. From the
bottom up:

    spread.py     medians, quartiles, ratios of rounds
    figures.py    what a figure is, and how its implementations are measured in turn (A B A B …)
    libraries.py  how each implementation spells what is measured
    loops.py      asyncio and trio in one spelling
    floor/        compiled as the core is: an empty class (what the interpreter itself costs), and what times the walk
    single.py     single operations, by pyperf in processes of their own, or in turn in this one
    threads.py    hand-offs and contention of threads            tasks.py   of tasks in one loop
    mixed.py      threads with tasks, tasks of several loops     growth.py  queues that grow
    costs.py      memory, import, the deadlock check, the recorder
    matrix.py     all figures                                    goals.py   what they should be, and whether they are
    machine.py, results.py, table.py, page.py, pictures.py       what becomes of them
"""

from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
KEPT = ROOT / "build" / "bench"  # what runs leave behind: pyperf's own JSON, the floor, the quick results
