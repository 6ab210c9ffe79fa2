"""Labels from all readings: `python benchmarks/merge_readings.py LABELS READINGS READ_AGAIN OUT`.

READ_AGAIN (read_again.csv) holds `id,attribute,value`: values of training photos that were read once more, by readers
who saw neither label nor network. These are those on which two readers had differed, those that the network read
otherwise, and, for fair measuring, those of held-out photos that one reader alone had read. `a/b` is half a reading of
each.

Writes OUT/labels.csv, where what has more than half of a value's readings is the label and else the cell is empty, and
OUT/readings.csv, with all readings (those of cells that were read again twice each, since halves must be whole), for
`python -m retrieval.train --labels OUT/labels.csv --readings OUT/readings.csv`.
"""

import csv
from collections import Counter, defaultdict
from pathlib import Path

import typer

from matting.tables import read_table


def main(labels: Path, readings: Path, read_again: Path, out: Path) -> None:
    """Merge, and say how many labels changed."""
    table = read_table(labels, required=("id",))
    again = read_table(read_again, required=("id", "attribute", "value")).rows
    votes: dict[tuple[str, str], Counter[str]] = defaultdict(Counter)
    for row in again:
        values = row["value"].split("/")
        if len(values) > 2:
            raise SystemExit(f"{read_again}: {row['id']} has more than two values for {row['attribute']}")
        for value in values:
            votes[row["id"], row["attribute"]][value] += 2 // len(values)  # in half readings
    read_anew = set(votes)
    read_before = read_table(readings, required=("id",)).rows
    for row in read_before:
        for attribute, value in row.items():
            if (row["id"], attribute) in read_anew and value not in ("", "?"):
                votes[row["id"], attribute][value] += 2
    changed: Counter[str] = Counter()
    for row in table.rows:
        for attribute in row:
            counts = votes.get((row["id"], attribute))
            if counts:
                value, count = counts.most_common(1)[0]
                merged = value if 2 * count > counts.total() else ""
                if merged != row[attribute]:
                    changed["settled" if not row[attribute] else "changed" if merged else "doubted"] += 1
                    row[attribute] = merged
    out.mkdir(parents=True, exist_ok=True)
    with (out / "labels.csv").open("w", newline="") as file:
        writer = csv.DictWriter(file, list(table.rows[0]))
        writer.writeheader()
        writer.writerows(table.rows)
    with (out / "readings.csv").open("w", newline="") as file:
        attributes = sorted({attribute for _, attribute in votes})
        listed = csv.DictWriter(file, ["id", *attributes], restval="")
        listed.writeheader()
        for row in read_before:
            as_before = [key for key in attributes if (row["id"], key) not in votes]
            listed.writerow({key: row[key] for key in ("id", *as_before)})
        for (id_, attribute), counts in votes.items():
            listed.writerows([{"id": id_, attribute: value} for value in counts.elements()])
    print(dict(changed))


if __name__ == "__main__":
    typer.run(main)
