"""The command line: see the head of the package."""

import argparse
import sys
from pathlib import Path

from benchmarks import KEPT, page, run, table
from benchmarks.matrix import PARTS, SINGLE
from benchmarks.results import from_json, to_json

AGAIN = tuple(part for part in PARTS if part not in SINGLE)


def main() -> int:
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks", description="What interlock's primitives cost, beside others in the same run."
    )
    parser.add_argument(
        "--quick", action="store_true", help="fewer and shorter rounds: under 90 seconds, not 15 minutes"
    )
    parser.add_argument("--page", action="store_true", help="write docs/benchmarks.md, its pictures and its results")
    parser.add_argument(
        "--json",
        metavar="FILE",
        help="write the results there too; '-': print them and no table (default: build/bench/)",
    )
    parser.add_argument("--check", action="store_true", help="exit with 1 where a goal is missed")
    parser.add_argument("--from", dest="kept", metavar="FILE", help="measure nothing: take the results of this file")
    parser.add_argument(
        "--again",
        metavar="PART",
        choices=AGAIN,
        help="with --page: measure this part anew, and keep what the page has else",
    )
    parser.add_argument("words", nargs="*", help="only figures with these words in their names: 'Lock thread'")
    options = parser.parse_args()
    if options.page and (options.words or options.quick):
        parser.error("the page is made of a whole run")
    if options.again and not options.page:
        parser.error("--again is for the page: add --page")
    if options.again:
        run.prepare()
        results = run.again(from_json((page.DOCS / page.BESIDE / page.DATA).read_text(encoding="utf-8")), options.again)
    elif options.kept:
        results = from_json(Path(options.kept).read_text(encoding="utf-8"))
    else:
        run.prepare()
        results = run.quick(options.words) if options.quick else run.full(options.words)
    text = to_json(results)
    if options.json == "-":
        print(text, end="")
    else:
        print(*table.lines(results), sep="\n")
        KEPT.mkdir(parents=True, exist_ok=True)
        kept = Path(options.json) if options.json else KEPT / f"{results.kind}.json"
        kept.write_text(text, encoding="utf-8")
        run.say(f"the same in JSON: {kept}")
    if options.page:
        page.write(results)
    return 1 if options.check and results.missed else 0


if __name__ == "__main__":
    sys.exit(main())
