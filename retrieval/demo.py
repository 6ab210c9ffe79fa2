"""The demo: build a catalogue of photos, answer three searches and draw them: `python -m retrieval.demo PHOTOS`."""

import os
from collections import Counter
from dataclasses import replace
from pathlib import Path
from typing import Annotated

import typer

from index.catalog import Catalog
from matting.console import fail, say
from retrieval.console import one_line_errors
from retrieval.index import sheet_row
from retrieval.search import Query, SearchService
from retrieval.sheet import SheetRow, draw_sheet

HITS = 7


def main(
    photos: Annotated[Path, typer.Argument(help="folder of photos")],
    out: Annotated[Path, typer.Option(help="folder for the catalogue and results.png")] = Path("demo"),
) -> None:
    """Search photos by the same collar; by the same sleeve and colour; and for the like, but long-sleeved."""
    with one_line_errors():
        if not photos.is_dir():
            fail(f"{photos}: not a folder; give a folder of photos, as in make demo PHOTOS=photos")
        # The network is imported here, so that --help does not wait for it.
        from retrieval.build import build
        from retrieval.embedder import Embedder

        say("1 of 3: embedding photos (only new ones)")
        catalog = out / catalog_name(photos)
        report = build([photos], catalog, Embedder.load())
        say(f"        {report.items} items, {report.embedded} photos embedded, {report.rejected} could not be used")
        say("2 of 3: searching")
        service = SearchService.open(catalog)
        rows: list[tuple[str, SheetRow]] = []
        for title, now, query in (
            ("Same collar", {}, Query(by={"collar": 1}, k=HITS)),
            ("Same sleeve and colour", {}, Query(by={"sleeve": 1, "color": 1}, k=HITS)),
            (
                "Like this, but long-sleeved",
                {"sleeve": "short"},
                Query(by={"color": 2, "pattern": 1}, change={"sleeve": "long"}, k=HITS),
            ),
        ):
            item = choose_query(service.catalog, query, now, without={item for item, _ in rows})
            if item is None:
                say(f"        {title}: no photo shows a garment to ask this of; left out")
                continue
            answer = service.search(replace(query, item=item))
            rows.append((item, sheet_row(query, answer, title)))
            say(f"        {title}: {item}, {len(answer.hits)} hits")
        if not rows:
            fail(f"{photos}: none of the photos shows a garment with a collar or sleeves")
        picture = out / "results.png"
        draw_sheet([row for _, row in rows], columns=HITS).save(picture)
        say(f"3 of 3: drew {picture}")


def catalog_name(photos: Path) -> str:
    """A catalogue's name that tells by which folder it was made; `make ui` makes up the same one."""
    path = os.path.abspath(photos)  # noqa: PTH100 (as make does, which follows no links)
    return "catalog-" + path.removeprefix(f"{Path.cwd()}{os.sep}").replace(os.sep, "-")


def choose_query(catalog: Catalog, query: Query, now: dict[str, str], without: set[str]) -> str | None:
    """An item that makes a telling query: seen clearly, and enough others are what it asks for.

    Args:
        catalog: where to choose.
        query: what will be asked.
        now: values that the item must have.
        without: items that were chosen before.
    """
    keys = [*query.by, *query.change]
    seen = {key: {item: (value, sure) for item, value, sure in catalog.values(key)} for key in keys}
    values = {item: tuple(seen[key][item][0] for key in keys) for item in seen[keys[0]]}
    counts = Counter(values.values())
    ranked = []
    for item, own in values.items():
        if item in without or not all(own) or any(seen[key][item][0] != value for key, value in now.items()):
            continue
        asked = tuple(query.change.get(key, value) for key, value in zip(keys, own, strict=True))
        telling = min(counts[asked], 2 * HITS)  # enough others to fill the row
        ranked.append((telling, min(seen[key][item][1] for key in keys), item))
    return max(ranked)[2] if ranked else None


if __name__ == "__main__":
    typer.run(main)
