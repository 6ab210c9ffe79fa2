"""The demo: build a catalogue of photos, answer three searches and draw them: `python -m retrieval.demo PHOTOS`."""

from collections import Counter
from dataclasses import replace
from pathlib import Path
from typing import Annotated

import typer

from index.catalog import Catalog
from retrieval.console import fail, one_line_errors, say
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
        catalog = out / f"catalog-{photos.resolve().name}"
        report = build([photos], catalog, Embedder.load())
        say(f"        {report.items} items, {report.embedded} photos embedded, {report.rejected} could not be used")
        say("2 of 3: searching")
        service = SearchService.open(catalog)
        rows: list[tuple[str, SheetRow]] = []
        for title, key, value, query in (
            ("Same collar", "collar", None, Query(by={"collar": 1}, k=HITS)),
            ("Same sleeve and colour", "sleeve", None, Query(by={"sleeve": 1, "color": 1}, k=HITS)),
            (
                "Like this, but long-sleeved",
                "sleeve",
                "short",
                Query(by={"color": 1, "pattern": 1}, change={"sleeve": "long"}, k=HITS),
            ),
        ):
            item = choose_query(service.catalog, key, value, without={row_item for row_item, _ in rows})
            if item is None:
                say(f"        {title}: no photo shows a {key}; left out")
                continue
            answer = service.search(replace(query, item=item))
            rows.append((item, sheet_row(query, answer, title)))
            say(f"        {title}: {item}, {len(answer.hits)} hits")
        if not rows:
            fail(f"{photos}: none of the photos shows a garment with a collar or sleeves")
        picture = out / "results.png"
        draw_sheet([row for _, row in rows], columns=HITS).save(picture)
        say(f"3 of 3: drew {picture}")


def choose_query(catalog: Catalog, key: str, value: str | None, without: set[str]) -> str | None:
    """An item that makes a telling query: its value is seen clearly, and neither the commonest nor alone."""
    seen = [
        (item, found, confidence)
        for item, found, confidence in catalog.values(key)
        if found and item not in without and value in (None, found)
    ]
    counts = Counter(found for _, found, _ in seen)
    common = [found for found, count in counts.most_common() if count > HITS]
    telling = common[1:2] or common[:1] or list(counts)
    ranked = sorted((entry for entry in seen if entry[1] in telling), key=lambda entry: (-entry[2], entry[0]))
    return ranked[0][0] if ranked else None


if __name__ == "__main__":
    typer.run(main)
