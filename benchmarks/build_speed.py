"""How fast is a catalogue built, and in how much memory? `python benchmarks/build_speed.py PHOTOS`.

Runs the real command three times: on nothing, killed half way and started again, and on what is there already.
"""

import json
import re
import resource
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import typer


def build(photos: Path, catalog: Path, kill_at: int | None = None) -> tuple[str, float]:
    """Run the build command; with `kill_at`, kill it once it has told of that many photos. Returns words, seconds."""
    command = [sys.executable, "-m", "retrieval.index", "build", str(photos), "--catalog", str(catalog)]
    began = time.perf_counter()
    words = []
    with subprocess.Popen(command, stderr=subprocess.PIPE, text=True) as process:
        assert process.stderr is not None
        for line in process.stderr:
            words.append(line)
            told = re.match(r"embedding: (\d+)", line)
            if kill_at is not None and told and int(told[1]) >= kill_at:
                process.kill()
    return "".join(words), time.perf_counter() - began


def main(photos: Path) -> None:
    """Measure and print one JSON object."""
    with tempfile.TemporaryDirectory() as folder:
        whole, killed = Path(folder) / "whole", Path(folder) / "killed"
        words, seconds = build(photos, whole)
        embedded = int(re.search(r"(\d+) photos embedded", words)[1])  # type: ignore[index]
        peak = resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss / 1024
        _, again = build(photos, whole)
        build(photos, killed, kill_at=embedded // 2)
        resumed, _ = build(photos, killed)
    print(
        json.dumps(
            {
                "photos": embedded,
                "seconds, start of the program included": round(seconds, 1),
                "photos a second": round(embedded / seconds, 1),
                "peak memory, MiB": round(peak),
                "second build, seconds": round(again, 1),
                "after a kill": re.search(r"\d+ photos embedded, \d+ unchanged", resumed)[0],  # type: ignore[index]
            },
            indent=1,
        )
    )


if __name__ == "__main__":
    typer.run(main)
