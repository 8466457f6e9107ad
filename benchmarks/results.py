"""The results of a run, and the JSON in which they are kept.

    {"schema": 1, "kind": "full" | "quick", "date": "2026-01-31", "seconds": 512, "machine": {…},
     "figures": [{"operation", "situation", "party", "unit", "pinned", "size", "samples": {"interlock": […], …}}, …],
     "ratios": [{"figure", "to", "low", "median", "high"}, …],
     "verdicts": [{"issue", "figure", "to", "limit", "least", "low", "median", "high", "unit", "holds", "even"}, …],
     "missed": 3}

`figures` is what was measured; the rest is computed from it, for whoever reads it with a script.
"""

import json
from dataclasses import dataclass
from typing import Any

from benchmarks.figures import OURS, Figure
from benchmarks.goals import Verdict, verdicts
from benchmarks.matrix import plain, restored
from benchmarks.spread import rounded

SCHEMA = 1


@dataclass
class Results:
    kind: str
    date: str
    seconds: float
    machine: dict[str, Any]
    figures: list[Figure]

    @property
    def verdicts(self) -> list[Verdict]:
        return verdicts(self.figures)

    @property
    def missed(self) -> list[Verdict]:
        return [one for one in self.verdicts if not one.holds]


def to_json(results: Results) -> str:
    document = {
        "schema": SCHEMA,
        "kind": results.kind,
        "date": results.date,
        "seconds": round(results.seconds),
        "machine": results.machine,
        "figures": [plain(figure) for figure in results.figures],
        "ratios": [
            {"figure": figure.name, "to": other, **numbers(figure.ratio(other))}
            for figure in results.figures
            if OURS in figure.samples
            for other in figure.samples
            if other != OURS
        ],
        "verdicts": [
            {
                "issue": one.goal.issue,
                "figure": one.goal.figure,
                "to": one.goal.to,
                "limit": one.goal.limit,
                "least": one.goal.least,
                **numbers(one.measured),
                "unit": one.unit,
                "holds": one.holds,
                "even": one.even,
            }
            for one in results.verdicts
        ],
        "missed": len(results.missed),
    }
    # A line for each of what there are many of, so that two runs can be compared line by line.
    lines = []
    for key, value in document.items():
        if isinstance(value, list):
            inner = ",\n".join("  " + json.dumps(one, ensure_ascii=False) for one in value)
            lines.append(f'"{key}": [\n{inner}\n]')
        else:
            lines.append(f'"{key}": {json.dumps(value, ensure_ascii=False)}')
    return "{\n" + ",\n".join(lines) + "\n}\n"


def numbers(spread: Any) -> dict[str, float]:
    return {name: rounded(value) for name, value in spread._asdict().items()}


def from_json(text: str) -> Results:
    document = json.loads(text)
    if document["schema"] != SCHEMA:
        raise ValueError(f"schema {document['schema']}, not {SCHEMA}")
    figures = [restored(figure) for figure in document["figures"]]
    return Results(document["kind"], document["date"], document["seconds"], document["machine"], figures)
