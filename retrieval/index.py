"""The catalogue's commands: `python -m retrieval.index build|add|remove|search|info|verify`."""

import json
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from rich.console import Console
from rich.table import Table
from rich.text import Text

from index.catalog import open_catalog, remove_items
from matting.console import fail, printable, say, warn
from retrieval.console import one_line_errors
from retrieval.search import Answer, Query, SearchService, parse_changes, parse_weights
from retrieval.sheet import SheetRow, draw_sheet, seen_and_wanted
from retrieval.thumbnails import drop_thumbnails

if TYPE_CHECKING:
    from retrieval.build import BuildReport

# torch takes seconds to import; only the commands that need it do so.
app = typer.Typer(no_args_is_help=True, add_completion=False, pretty_exceptions_enable=False)

Photos = Annotated[list[Path], typer.Argument(help="photo files and folders")]
CatalogFolder = Annotated[Path, typer.Option("--catalog", help="the catalogue's folder")]
Labels = Annotated[Path | None, typer.Option(help="CSV: id and attributes; goes before what is seen")]
Metadata = Annotated[Path | None, typer.Option(help="CSV: id, optionally photo, and any other columns")]
Weights = Annotated[Path | None, typer.Option(help="weights file; default: the one that erimoto ships")]
Device = Annotated[str, typer.Option(help="auto, cpu or cuda")]
AsJson = Annotated[bool, typer.Option("--json", help="print one JSON object")]


@app.command("build")
def build_command(
    photos: Photos,
    catalog: CatalogFolder,
    labels: Labels = None,
    metadata: Metadata = None,
    weights: Weights = None,
    device: Device = "auto",
    database: Annotated[str | None, typer.Option(help="database URL for a new catalogue; default: SQLite")] = None,
    prune: Annotated[bool, typer.Option("--prune", help="remove photos that are no longer there")] = False,
) -> None:
    """Make a catalogue of photos, or bring one up to date; photos that have not changed are not embedded again."""
    with one_line_errors():
        from retrieval.build import build
        from retrieval.embedder import Embedder

        embedder = Embedder.load(weights, device)
        _report(build(photos, catalog, embedder, labels, metadata, database, prune), catalog)


@app.command("add")
def add_command(
    photos: Photos,
    catalog: CatalogFolder,
    labels: Labels = None,
    metadata: Metadata = None,
    weights: Weights = None,
    device: Device = "auto",
) -> None:
    """Add photos to a catalogue."""
    with one_line_errors():
        open_catalog(catalog)
        from retrieval.build import build
        from retrieval.embedder import Embedder

        embedder = Embedder.load(weights, device)
        _report(build(photos, catalog, embedder, labels, metadata, create=False), catalog)


@app.command("remove")
def remove_command(
    items: Annotated[list[str], typer.Argument(metavar="ID...", help="ids of items")], catalog: CatalogFolder
) -> None:
    """Remove items from a catalogue; their photo files stay where they are."""
    with one_line_errors():
        unknown = remove_items(items, catalog, then=drop_thumbnails)
        say(f"{catalog}: removed {len(items) - len(unknown)} items")
        if unknown:
            fail(f"{catalog}: there is no item {', '.join(repr(item) for item in unknown)}")


@app.command("search")
def search_command(
    catalog: CatalogFolder,
    image: Annotated[Path | None, typer.Option(help="photo to search with")] = None,
    item: Annotated[str | None, typer.Option(help="id of an item to search with")] = None,
    by: Annotated[
        list[str] | None,
        typer.Option(metavar="ATTR[=WEIGHT]", help="attribute that counts; may be given several times"),
    ] = None,
    change: Annotated[
        list[str] | None,
        typer.Option("--set", metavar="ATTR=VALUE", help="another value to ask for; may be given several times"),
    ] = None,
    where: Annotated[
        str | None, typer.Option(metavar="EXPR", help="filter, such as 'category=dress and price<30'")
    ] = None,
    k: Annotated[int, typer.Option("-k", help="number of hits")] = 10,
    as_json: AsJson = False,
    sheet: Annotated[Path | None, typer.Option(help="PNG file to draw query and hits into")] = None,
    weights: Weights = None,
    device: Device = "auto",
) -> None:
    """Find items that are like a photo or an item in the attributes asked for; without --by, in all that it has."""
    with one_line_errors():
        if sheet is not None and sheet.suffix.lower() != ".png":
            fail(f"--sheet {sheet}: name a .png file", status=2)
        if (image is None) == (item is None):
            fail("give either --image or --item", status=2)
        service = SearchService.open(catalog, weights, device)
        query = Query(image, item, parse_weights(by or []), parse_changes(change or []), where, k)
        answer = service.search(query)
        for remark in answer.remarks:
            warn(remark)
        if sheet is not None:
            sheet.parent.mkdir(parents=True, exist_ok=True)
            draw_sheet([sheet_row(query, answer)], with_ids=True).save(sheet)
        if as_json:
            print(json.dumps(answer_as_json(query, answer), ensure_ascii=True))
        else:
            _print_hits(query, answer)


@app.command("info")
def info_command(catalog: CatalogFolder, as_json: AsJson = False) -> None:
    """Tell what a catalogue holds."""
    with one_line_errors():
        info = open_catalog(catalog).info()
        if as_json:
            print(json.dumps(info))
            return
        out = Console(soft_wrap=True)
        values = info.pop("values")
        for name, value in info.items():
            out.print(f"{name.replace('_', ' '):12} {value}", markup=False, highlight=False)
        for key, counts in dict(values).items():  # type: ignore[call-overload]
            ordered = sorted(counts.items(), key=lambda entry: -entry[1])
            out.print(Text(f"{key:12} " + ", ".join(f"{value or '(none)'} {count}" for value, count in ordered)))


@app.command("verify")
def verify_command(catalog: CatalogFolder, as_json: AsJson = False) -> None:
    """Check a catalogue's files against each other; exit status 1 if something is wrong."""
    with one_line_errors():
        problems = open_catalog(catalog).verify()
        if as_json:
            print(json.dumps({"ok": not problems, "problems": problems}))
        for problem in problems:
            warn(problem)
        if problems:
            raise typer.Exit(1)
        say(f"{catalog}: all is well")


def answer_as_json(query: Query, answer: Answer) -> dict[str, object]:
    """An answer as what `--json` prints."""
    return {
        "query": {
            "photo": answer.photo,
            "item": query.item,
            "by": answer.weights,
            "set": query.change,
            "where": query.where,
            "values": answer.values,
        },
        "hits": [{"rank": rank, **asdict(hit)} for rank, hit in enumerate(answer.hits, start=1)],
        "remarks": answer.remarks,
    }


def sheet_row(query: Query, answer: Answer, title: str | None = None) -> SheetRow:
    """A search as a row of a contact sheet."""
    wanted = answer.values | query.change
    words = [f"same {key}" for key in answer.weights if key not in query.change]
    words += [f"{key}: {value}" for key, value in query.change.items()]
    photo = query.photo if query.photo is not None else Path(answer.photo) if answer.photo else None
    return SheetRow(title or ", ".join(words), photo, answer.values, wanted, tuple(answer.weights), answer.hits)


def _print_hits(query: Query, answer: Answer) -> None:
    keys = list(answer.weights)
    table = Table("", "id", "score", *keys)
    wanted = answer.values | query.change
    asked = [[values.get(key, "") or "none" for values in (answer.values, wanted)] for key in keys]
    table.add_row("", "query", "", *(seen_and_wanted(*both) for both in asked), style="bold")
    table.add_section()
    for rank, hit in enumerate(answer.hits, start=1):
        cells = []
        for key in keys:
            seen = hit.attributes[key]
            colour = "green" if seen.value == wanted.get(key) else "red"
            cells.append(Text.assemble((seen.value or "none", colour), f" {seen.score:.2f}"))
        table.add_row(str(rank), Text(printable(hit.id), overflow="fold"), f"{hit.score:.3f}", *cells)
    nothing = "nothing in the catalogue passes the filter" if query.where else "the catalogue has no other item"
    Console().print(table if answer.hits else f"no hits: {nothing}")


def _report(report: "BuildReport", catalog: Path) -> None:
    for remark in report.remarks:
        warn(remark)
    extended = f"{report.extended} given new attributes, " if report.extended else ""
    say(
        f"{catalog}: {report.items} items; {report.embedded} photos embedded, {extended}"
        f"{report.unchanged} unchanged, {report.removed} removed"
    )
    if report.items == 0:
        fail(f"{catalog}: none of the photos could be used; {catalog / 'rejected.csv'} says why")
    if report.rejected:
        warn(f"{report.rejected} files or rows could not be used; {catalog / 'rejected.csv'} says why")


if __name__ == "__main__":
    app()
