"""The pictures of the page, drawn by matplotlib: readable without colours, and on a dark page."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from benchmarks.figures import OURS, Figure
from benchmarks.results import Results

# Okabe and Ito's colours, which colour-blind people tell apart; with a marker each for who sees none.
STYLE = {
    "interlock": ("#0072B2", "o"),
    "threading": ("#E69F00", "s"),
    "asyncio": ("#E69F00", "s"),
    "aiologic": ("#009E73", "^"),
    "anyio": ("#CC79A7", "v"),
    "trio": ("#D55E00", "D"),
    "multiprocessing": ("#999999", "P"),
    "_thread.lock": ("#000000", "x"),
    "empty": ("#000000", "x"),
}
WIDTH = 9.0  # inches


def draw(results: Results, directory: Path) -> list[str]:
    """Returns the names of the files, in the order of the page."""
    import matplotlib

    matplotlib.use("svg")
    # The same results make the same files.
    matplotlib.rcParams.update({"svg.hashsalt": "interlock", "svg.fonttype": "none", "font.size": 9})
    import matplotlib.pyplot as pyplot

    directory.mkdir(parents=True, exist_ok=True)
    for old in directory.glob("*.svg"):
        old.unlink()
    names = []
    for name, figure in (
        (
            "threads",
            bars(pyplot, "Threads: time of interlock, threading's = 1", chosen(results, "threading"), "threading"),
        ),
        (
            "tasks",
            bars(pyplot, "Tasks of asyncio: time of interlock, asyncio's = 1", chosen(results, "asyncio"), "asyncio"),
        ),
        ("growth", growth(pyplot, results)),
    ):
        if figure is not None:
            path = directory / f"{name}.svg"
            figure.savefig(path, format="svg", bbox_inches="tight", facecolor="white", metadata={"Date": None})
            pyplot.close(figure)
            names.append(path.name)
    return names


def chosen(results: Results, other: str) -> list[Figure]:
    """What has been measured beside it; growth has a picture of its own."""
    return [
        figure
        for figure in results.figures
        if figure.unit == "ns"
        and not figure.size
        and OURS in figure.samples
        and other in figure.samples
        # A class is made for both; the two standard libraries have a picture each.
        and (other == "threading" or "threading" not in figure.samples)
    ]


def bars(pyplot: Any, title: str, figures: Sequence[Figure], other: str) -> Any:
    """Ratios with their quartiles, on a logarithmic scale: half and double are equally far from 1."""
    if not figures:
        return None
    picture, axes = pyplot.subplots(figsize=(WIDTH, 0.6 + 0.24 * len(figures)))
    places = range(len(figures), 0, -1)
    spreads = [figure.ratio(other) for figure in figures]
    axes.barh(
        places,
        [spread.median for spread in spreads],
        color=[STYLE[OURS][0] if spread.median <= 1 else STYLE["trio"][0] for spread in spreads],
        height=0.7,
        log=True,
    )
    axes.errorbar(
        [spread.median for spread in spreads],
        places,
        xerr=[
            [spread.median - spread.low for spread in spreads],
            [spread.high - spread.median for spread in spreads],
        ],
        fmt="none",
        ecolor="black",
        elinewidth=0.8,
        capsize=2,
    )
    for place, spread in zip(places, spreads, strict=True):
        axes.annotate(
            f"{spread.median:.2f}", (spread.high, place), xytext=(3, 0), textcoords="offset points", va="center", size=7
        )
    axes.axvline(1, color="black", linewidth=1)
    ticks = [tick for tick in (0.02, 0.05, 0.1, 0.2, 0.5, 1, 2, 5) if tick <= 2 * max(s.high for s in spreads)]
    axes.set_xticks(ticks, [f"{tick:g}" for tick in ticks])
    axes.minorticks_off()
    axes.set_yticks(list(places), [figure.name for figure in figures], size=7.5)
    axes.set_ylim(0.3, len(figures) + 0.7)
    axes.set_title(title)
    axes.spines[["top", "right"]].set_visible(False)
    return picture


def growth(pyplot: Any, results: Results) -> Any:
    """A small picture for each operation: time for each waiter, over how many wait."""
    from matplotlib import ticker

    by_operation: dict[tuple[str, str], list[Figure]] = {}
    for figure in results.figures:
        if figure.size:
            by_operation.setdefault((figure.operation, figure.party), []).append(figure)
    if not by_operation:
        return None
    rows = (len(by_operation) + 1) // 2
    picture, all_axes = pyplot.subplots(rows, 2, figsize=(WIDTH, 2.6 * rows), squeeze=False, layout="constrained")
    for axes in all_axes.flat[len(by_operation) :]:
        axes.set_visible(False)
    for axes, ((operation, party), figures) in zip(all_axes.flat, by_operation.items(), strict=False):
        for library in figures[0].samples:
            colour, marker = STYLE[library]
            there = [figure for figure in figures if library in figure.samples]
            spreads = [figure.of(library) for figure in there]
            sizes = [figure.size for figure in there]
            axes.plot(
                sizes, [s.median / 1e3 for s in spreads], color=colour, marker=marker, markersize=4, label=library
            )
            axes.fill_between(
                sizes,
                [s.low / 1e3 for s in spreads],
                [s.high / 1e3 for s in spreads],
                color=colour,
                alpha=0.2,
                linewidth=0,
            )
        axes.set_xscale("log")
        axes.set_yscale("log")
        for axis, subs in ((axes.xaxis, (1.0,)), (axes.yaxis, (1.0, 2.0, 5.0))):
            axis.set_major_locator(ticker.LogLocator(subs=subs))
            axis.set_major_formatter(ticker.FuncFormatter(lambda value, _: f"{value:,g}"))
            axis.set_minor_locator(ticker.NullLocator())
        axes.set_title(f"{operation} ({party})", size=9)
        axes.set_xlabel("how many wait", size=8)
        axes.set_ylabel("µs for each", size=8)
        axes.legend(fontsize=7, frameon=False)
        axes.spines[["top", "right"]].set_visible(False)
    return picture
