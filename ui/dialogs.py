"""What opens over the page: why a hit is here, a comparison, a correction."""

import html
from collections.abc import Callable
from pathlib import Path
from typing import Literal

import streamlit as st
from PIL import Image

from retrieval import staff
from retrieval.search import Answer, Garment, Matte, SearchError, whole_photo
from retrieval.staff import Hit, PhotoError
from ui.images import data_address, heat, jpeg, score_text
from ui.problems import one_line, say_problem
from ui.state import Page, cut_outs_shown, garment, own_photo, search, thumbnail
from ui.texts import plain

AT_ONCE = 4  # items side by side
WHY_WIDTH = 330  # pixels
FIXED_WIDTH = 150


def open_dialog(page: Page, title: str, draw: Callable[[], None], width: Literal["small", "medium", "large"]) -> None:
    """Open a dialog; what goes wrong in it is one line there."""

    @st.dialog(title, width=width)
    def show() -> None:
        with one_line(page.texts):
            draw()

    show()


def why(page: Page, answer: Answer, hit: Hit) -> None:
    """Show where the network looked for an attribute, on the query and on a hit."""
    texts = page.texts

    def draw() -> None:
        keys = list(answer.weights)
        key = st.segmented_control(
            texts("why.attribute"),
            keys,
            default=keys[0],
            required=True,
            format_func=lambda one: texts.attribute(page.service.schema[one]),
            key="asked why",
        )
        attribute = page.service.schema[key or keys[0]]
        name, seen = texts.attribute(attribute), hit.attributes[attribute.key]
        wanted = texts.value(attribute, wanted_values(page, answer).get(attribute.key, ""))
        st.markdown(
            texts(
                "why.explain",
                name=plain(name),
                query=plain(wanted),
                hit=plain(texts.value(attribute, seen.value)),
                score=score_text(seen.score),
            )
        )
        left, right = st.columns(2)
        own, query = own_photo(page), garment(page)
        source = own.used if own else query.photo if query else None
        matte = own.searched_by() if own else None
        with st.spinner(texts("why.looking")):
            if source is None:
                left.info(texts("why.no_photo"))
            else:
                with left:
                    _show_where(page, source, attribute.key, name, texts("why.query"), matte, search(page).whole)
            with right:
                _show_where(page, Path(hit.photo), attribute.key, name, texts("why.hit", id=hit.id))

    open_dialog(page, texts("why.heading", id=plain(hit.id)), draw, "medium")


def _show_where(
    page: Page,
    photo: Image.Image | Path,
    key: str,
    name: str,
    words: str,
    matte: Matte | None = None,
    whole: bool = False,
) -> None:
    try:
        if whole and isinstance(photo, Path):
            photo, matte = whole_photo(photo)
        picture = heat(staff.where_it_looked(page.service, photo, key, matte))
    except PhotoError:
        st.info(page.texts("why.gone"))
    except SearchError:
        say_problem(page.texts, "weights")
    else:
        st.image(picture, caption=plain(words), alt=page.texts("why.alt", name=name, what=words), width=WHY_WIDTH)


def compare(page: Page, answer: Answer, seen: Garment) -> None:
    """Show the query and selected items side by side, attribute by attribute."""
    texts = page.texts

    def draw() -> None:
        hits = answer.hits[:AT_ONCE]
        gone = len(search(page).kept) - len(answer.hits)
        if gone > 0:
            st.caption(texts("selection.gone", count=gone))
        if len(answer.hits) > AT_ONCE:
            st.caption(texts("selection.compare_hint", count=AT_ONCE))
        st.html(_comparison(page, answer, hits, seen))
        legend = (texts("selection.same"), texts("selection.differ"), texts("selection.likeness"))
        st.caption("  ·  ".join(legend))

    open_dialog(page, texts("selection.compare"), draw, "large")


def wanted_values(page: Page, answer: Answer) -> dict[str, str]:
    """The values that are looked for: those of the query, and those asked for in their place."""
    return answer.values | search(page).change


def _comparison(page: Page, answer: Answer, hits: list[Hit], seen: Garment) -> str:
    texts = page.texts
    names = [texts("selection.query"), *(hit.id for hit in hits)]
    pictures = [_query_picture(page, seen), *(_picture(page, hit.photo, hit.id) for hit in hits)]
    head = "".join(
        f"<td>{picture}<div class='name'>{html.escape(name)}</div></td>"
        for name, picture in zip(names, pictures, strict=True)
    )
    wanted, change = wanted_values(page, answer), search(page).change
    lines = [f"<tr><th></th>{head}</tr>"]
    for attribute in page.service.schema.attributes:
        key = attribute.key
        of_query = texts.value(attribute, wanted.get(key, ""))
        if key in change:
            seen_in_query = texts.value(attribute, answer.values.get(key, ""))
            of_query = texts("selection.changed", seen=seen_in_query, wanted=of_query)
        cells = [f"<td class='plain'>{html.escape(of_query)}</td>"]
        for hit in hits:
            one = hit.attributes[key]
            same = one.value == wanted.get(key, "")
            words = f"{'✓' if same else '≠'} {texts.value(attribute, one.value)}"
            cells.append(
                f"<td class='{'same' if same else 'other'}'>{html.escape(words)} · {score_text(one.score)}</td>"
            )
        lines.append(f"<tr><th scope='row'>{html.escape(texts.attribute(attribute))}</th>{''.join(cells)}</tr>")
    return f"<table class='compare'>{''.join(lines)}</table>"


def _query_picture(page: Page, seen: Garment) -> str:
    own = own_photo(page)
    if own is not None:
        return f"<img src='{data_address(jpeg(own.used))}' alt='{html.escape(page.texts('query.photo_alt'))}'>"
    return _picture(page, str(seen.photo), seen.item or "") if seen.photo else ""


def _picture(page: Page, photo: str, item: str) -> str:
    content = thumbnail(page.catalog, staff.state(page.service), photo, cut_outs_shown(), page)
    words = html.escape(page.texts("why.hit", id=item))
    return f"<img src='{data_address(content)}' alt='{words}'>" if content else ""


def correct(page: Page, item: str) -> None:
    """Let somebody correct a value of an item."""
    texts, schema = page.texts, page.service.schema
    # Each opening has fields of its own: what was chosen for another item, or given up, is not chosen here.
    opening = st.session_state["corrections opened"] = st.session_state.get("corrections opened", 0) + 1

    asked = next((key for key in schema.keys if key in search(page).weights), schema.keys[0])

    def draw() -> None:
        known = page.service.item(item)
        name = texts("why.hit", id=item)
        with st.container(horizontal=True, vertical_alignment="center"):
            if content := thumbnail(page.catalog, staff.state(page.service), str(known.photo), False, page):
                st.image(content, width=FIXED_WIDTH, alt=name)
            st.caption(plain(name))
        key = st.selectbox(
            texts("correct.attribute"),
            schema.keys,
            index=schema.keys.index(asked),
            format_func=lambda one: texts.attribute(schema[one]),
            key=f"corrected attribute {opening}",
        )
        attribute, now = schema[key], known.values.get(key, "")
        st.markdown(texts("correct.now", value=f"**{plain(texts.value(attribute, now))}**"))
        values = ["", *attribute.values]
        value = st.selectbox(
            texts("correct.value"),
            values,
            index=values.index(now) if now in values else 0,
            format_func=lambda one: texts.value(attribute, one),
            key=f"corrected value {opening} {key}",
        )
        signed_in = str(st.user.get("email") or "") if st.user.get("is_logged_in") else ""
        who = signed_in or st.text_input(
            texts("correct.who"), value=st.session_state.get("who", ""), max_chars=100, key=f"who {opening}"
        )
        if st.button(texts("correct.save"), type="primary", key="save correction"):
            if not who.strip():
                st.error(texts("correct.who_missing"))
            elif value == now and key in known.by_people:
                st.info(texts("correct.same"))
            else:
                with one_line(texts):
                    st.session_state["who"] = who.strip()
                    staff.correct(page.service, item, key, value, who.strip())
                    st.session_state["toast"] = texts("correct.saved")
                    st.rerun()

    open_dialog(page, texts("correct.heading"), draw, "small")
