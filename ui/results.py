"""What was found: cards with score and values, paging, and the selection with its exports."""

import csv
import html
import io
from dataclasses import replace
from pathlib import Path

import streamlit as st
from PIL import Image

from retrieval.search import Answer, Garment, Query
from retrieval.sheet import SheetRow, SheetWords, can_write, draw_sheet
from retrieval.staff import has_cut_out, items_page
from retrieval.staff import state as catalogue_state
from ui import dialogs
from ui.address import MOST_KEPT, Search, everything_counts, where_text
from ui.images import data_address, png, score_text
from ui.problems import one_line
from ui.state import (
    Page,
    change_search,
    clear_filters,
    count_items,
    cut_outs_shown,
    search,
    search_with_item,
    thumbnail,
)
from ui.texts import Texts, load_texts, plain

PER_PAGE = 12
LAST_PAGE = 40  # of hits; nobody looks further
CARD_WIDTH = 196  # pixels
PAGING_WIDTH = 340


def show(page: Page, seen: Garment | None, state: tuple[str, int, int]) -> None:
    """Search and draw the hits; without a query, say how to begin."""
    texts = page.texts
    if seen is None:
        st.subheader(texts("catalogue.heading"))
        st.info(texts("results.start"), icon=":material/search:")
        with one_line(texts):
            _show_items(page, state)
        _show_idle_selection(page)
        return
    with one_line(texts):
        total = count_items(page.catalog, state, _where_without_query(search(page)), page)
        pages = min(page_count(total), LAST_PAGE)
        _stay_within(page, pages)
        now = search(page)
        answer = page.service.search(_query(page, seen, PER_PAGE * now.page))
        _show_heading(page, answer, total, pages)
        for key in answer.weights:
            if not seen.values.get(key) and key not in now.change:
                name = plain(texts.attribute(page.service.schema[key]))
                st.caption(f":material/info: {texts('results.remark_missing', name=name)}")
        if not answer.hits:
            _show_nothing(page)
        with st.container(horizontal=True, gap="small", key="hits"):
            for hit in answer.hits[PER_PAGE * (now.page - 1) :]:
                with st.container(border=True, width=CARD_WIDTH, key=f"card-{hit.id}"):
                    _show_card(page, answer, hit.id, hit.photo, state)
        _show_selection(page, seen)


def _show_nothing(page: Page) -> None:
    st.info(page.texts("results.none"), icon=":material/filter_alt_off:")
    st.button(page.texts("filters.clear"), key="clear-filters-here", on_click=clear_filters, args=(page,))


def page_count(total: int) -> int:
    """How many pages so many items fill; at least one."""
    return max(1, -(-total // PER_PAGE))


def _stay_within(page: Page, pages: int) -> None:
    """Go to the last page where an address, from when there were more of them, asks for a later one."""
    if search(page).page > pages:
        change_search(page, page=pages)


def _where_without_query(now: Search) -> str | None:
    """The filters, and that the query itself is no hit."""
    parts = [where_text(now)]
    if now.item is not None:
        parts.append(f"not ({where_text(Search(filters={'id': (now.item,)}))})")
    return " and ".join(part for part in parts if part) or None


def _query(page: Page, seen: Garment, count: int) -> Query:
    now = search(page)
    # Where only other values are asked for, all that the garment has counts beside them.
    by = {} if everything_counts(now) else now.weights
    return Query(garment=seen, by=by, change=now.change, where=where_text(now), k=count)


def _show_heading(page: Page, answer: Answer, total: int, pages: int) -> None:
    texts = page.texts
    with st.container(horizontal=True, vertical_alignment="center", horizontal_alignment="distribute"):
        st.subheader(texts("results.heading"), width="content")
        if answer.hits:
            _show_range(page, len(answer.hits), total)
            _show_cut_out_switch(page, answer.hits[0].photo)
        _show_paging(page, pages)


def _show_cut_out_switch(page: Page, photo: str) -> None:
    if has_cut_out(page.service, photo):
        st.session_state["cut-outs-shown"] = cut_outs_shown()
        st.toggle(page.texts("results.cut_outs"), key="cut-outs-shown", on_change=_show_cut_outs)


def _show_range(page: Page, last: int, total: int) -> None:
    first = PER_PAGE * (search(page).page - 1) + 1
    words = page.texts("results.range", start=first, stop=last, total=f"{total:,}")
    st.html(f"<div class='seen' role='status'>{html.escape(words)}</div>", width="content")


def _show_paging(page: Page, pages: int) -> None:
    now = search(page)
    if pages > 1:
        key = f"page-{now.page}-of-{pages}"
        st.pagination(
            pages,
            default=now.page,
            key=key,
            width=PAGING_WIDTH,
            on_change=lambda: change_search(page, page=st.session_state[key]),
        )


def _show_card(page: Page, answer: Answer, item: str, photo: str, state: tuple[str, int, int]) -> None:
    texts = page.texts
    hit = next(one for one in answer.hits if one.id == item)
    wanted = dialogs.wanted_values(page, answer)
    rows = []
    # What was asked to be different comes first.
    for key in sorted(answer.weights, key=lambda one: one not in search(page).change):
        attribute, value = page.service.schema[key], hit.attributes[key].value
        name = texts.value(attribute, value)
        same = value == wanted.get(key, "")
        mark = "✓" if same else "≠"
        label = texts("results.same_mark" if same else "results.other_mark")
        of = html.escape(texts.attribute(attribute))
        rows.append(
            f"<li class='{'same' if same else 'other'}' title='{of}'>"
            f"<span role='img' aria-label='{html.escape(label)}'>{mark}</span> "
            f"<span class='of'>{of}</span> {html.escape(name)}</li>"
        )
    # Apart from what stands below it, so that it is not sent again when only that changes.
    st.html(f"<div class='picture'>{_picture(page, photo, texts('query.now_item', id=item), state)}</div>")
    st.html(
        f"<div class='card'><div class='head'><span class='score' title='{html.escape(texts('results.score_help'))}'>"
        + html.escape(texts("results.score", score=score_text(hit.score)))
        + f"</span></div><div class='name' title='{html.escape(item)}'>{html.escape(item)}</div>"
        + f"<ul>{''.join(rows)}</ul></div>"
    )
    st.button(
        texts("results.more_like_this"),
        icon=":material/search:",
        key=f"more-{item}",
        width="stretch",
        on_click=search_with_item,
        args=(page, item),
    )
    with st.container(horizontal=True, gap="xsmall"):
        if st.button(texts("results.why"), key=f"why-{item}", width="stretch"):
            dialogs.why(page, answer, hit)
        if not page.settings.read_only and st.button(texts("results.correct"), key=f"correct-{item}", width="stretch"):
            dialogs.correct(page, item)
    st.session_state[f"kept-{item}"] = item in search(page).kept
    st.checkbox(texts("results.select"), key=f"kept-{item}", on_change=_keep, args=(page, item))


def _show_cut_outs() -> None:
    # Kept apart from the switch, whose own state goes when another page is looked at.
    st.session_state["cut-outs"] = st.session_state["cut-outs-shown"]


def _picture(page: Page, photo: str, alt: str, state: tuple[str, int, int]) -> str:
    content = thumbnail(page.catalog, state, photo, cut_outs_shown(), page)
    if content is None:
        return f"<div class='missing'>{html.escape(page.texts('results.no_picture'))}</div>"
    return f"<img src='{data_address(content)}' alt='{html.escape(alt)}'>"


def _keep(page: Page, item: str) -> None:
    now = search(page)
    kept = tuple(one for one in now.kept if one != item)
    if st.session_state[f"kept-{item}"]:
        if len(kept) == MOST_KEPT:
            st.toast(page.texts("selection.full", count=MOST_KEPT), icon=":material/info:")
            return
        kept = (*kept, item)
    change_search(page, kept=kept, page=now.page)


def _show_selection(page: Page, seen: Garment) -> None:
    texts, now = page.texts, search(page)
    if not now.kept:
        return
    # What the downloads need is fixed here: they are made when somebody asks for them, outside of this run.
    query, as_cut_outs = _query_of_kept(page, seen), cut_outs_shown()
    with st.container(horizontal=True, vertical_alignment="center", border=True, key="selection"):
        st.markdown(f"**{texts('selection.heading', count=len(now.kept))}**", width="content")
        if st.button(texts("selection.compare"), icon=":material/compare:", key="compare", type="primary"):
            dialogs.compare(page, page.service.search(query), seen)
        st.download_button(
            texts("selection.table"),
            lambda: selection_csv(page, page.service.search(query)),
            "selection.csv",
            "text/csv",
            key="save-csv",
            icon=":material/table:",
            on_click="ignore",
        )
        st.download_button(
            texts("selection.sheet"),
            lambda: selection_sheet(page, query, as_cut_outs),
            "selection.png",
            "image/png",
            key="save-sheet",
            icon=":material/imagesmode:",
            on_click="ignore",
        )
        _show_clearing(page)


def _show_clearing(page: Page) -> None:
    st.button(
        page.texts("selection.clear"),
        key="clear-selection",
        type="tertiary",
        on_click=change_search,
        args=(page,),
        kwargs={"kept": (), "page": search(page).page},
    )


def _show_idle_selection(page: Page) -> None:
    """What was selected stays in sight where there is no query to compare it with."""
    kept = search(page).kept
    if kept:
        with st.container(border=True, key="selection"):
            st.markdown(f"**{page.texts('selection.heading', count=len(kept))}**")
            st.caption(f"{page.texts('selection.idle')} {', '.join(plain(item) for item in kept)}")
            _show_clearing(page)


def _query_of_kept(page: Page, seen: Garment) -> Query:
    """Asks for the selected items with their scores, whatever the filters say now."""
    kept = search(page).kept
    condition = where_text(Search(filters={"id": kept}))
    return replace(_query(page, replace(seen, item=None), len(kept)), where=condition)


def selection_csv(page: Page, answer: Answer) -> bytes:
    """The selection as CSV that spreadsheet programs open: id, score, and each attribute's value and similarity.

    Cells that such a program would take for a formula are led by an apostrophe.
    """
    texts: Texts = page.texts
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\r\n")
    keys = page.service.schema.keys
    writer.writerow(["id", "score", *keys, *(f"{key}.similarity" for key in keys)])
    for hit in answer.hits:
        values = [texts.value(page.service.schema[key], hit.attributes[key].value) for key in keys]
        similar = [f"{hit.attributes[key].score:.3f}" for key in keys]
        name = f"'{hit.id}" if hit.id[:1] in "=+-@\t" else hit.id
        writer.writerow([name, f"{hit.score:.4f}", *values, *similar])
    return text.getvalue().encode("utf-8-sig")


def selection_sheet(page: Page, query: Query, as_cut_outs: bool) -> bytes:
    """The query and the selected items as a picture, PNG, in the page's language if it can be written."""
    answer, schema = page.service.search(query), page.service.schema
    texts = page.texts if page.texts.language == "en" or can_write("襟") else load_texts("en")

    def small(photo: Image.Image | Path | None) -> Image.Image | None:
        if not isinstance(photo, Path):
            return photo
        content = thumbnail(page.catalog, catalogue_state(page.service), str(photo), as_cut_outs, page)
        return Image.open(io.BytesIO(content)) if content else None

    words = SheetWords(
        query=texts("selection.query"),
        no_hits=texts("results.none"),
        no_photo=texts("results.no_picture"),
        attribute=lambda key: texts.attribute(schema[key]),
        value=lambda key, value: texts.value(schema[key], value),
    )
    photo = query.garment.photo if query.garment else None
    wanted = answer.values | query.change
    row = SheetRow("erimoto", photo, answer.values, wanted, tuple(answer.weights), answer.hits)
    return png(draw_sheet([row], words=words, read=small, with_ids=True))


def _show_items(page: Page, state: tuple[str, int, int]) -> None:
    """The items that pass the filters, to look through and to begin with."""
    texts, where = page.texts, where_text(search(page))
    total = count_items(page.catalog, state, where, page)
    pages = page_count(total)
    _stay_within(page, pages)
    start = PER_PAGE * (search(page).page - 1)
    items = items_page(page.service, where, start, PER_PAGE)
    if not items:
        _show_nothing(page)
        return
    with st.container(horizontal=True, vertical_alignment="center", horizontal_alignment="distribute"):
        st.caption(texts("results.examples"), width="content")
        _show_range(page, start + len(items), total)
        _show_cut_out_switch(page, items[0][1])
        _show_paging(page, pages)
    with st.container(horizontal=True, gap="small", key="examples"):
        for item, photo in items:
            with st.container(border=True, width=CARD_WIDTH, key=f"card-example-{item}"):
                name = texts("query.now_item", id=item)
                picture = _picture(page, photo, name, state)
                st.html(f"<div class='card'>{picture}<div class='name'>{html.escape(item)}</div></div>")
                st.button(
                    texts("results.more_like_this"),
                    icon=":material/search:",
                    key=f"example-{item}",
                    width="stretch",
                    on_click=search_with_item,
                    args=(page, item),
                )
