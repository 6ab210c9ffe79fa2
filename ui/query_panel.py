"""Where the query comes from, and how it looks: a photo with its cut-out, or an item."""

import html
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import streamlit as st
from PIL import Image

from retrieval.search import Garment, SearchError, whole_photo
from retrieval.staff import PhotoError, has_cut_out
from retrieval.staff import state as catalogue_state
from ui import dialogs, marking
from ui.images import cut_out, data_address, shown
from ui.paste import pasted_image
from ui.problems import BYTES, PIXELS, one_line, say_problem
from ui.state import (
    OwnPhoto,
    Page,
    change_search,
    last_photo,
    own_photo,
    search,
    search_with_item,
    search_with_photo,
    thumbnail,
)

SOURCES = ("upload", "camera", "item")


def choose(page: Page) -> None:
    """Let the user give a photo or an item; what was given becomes the query before the rest is drawn."""
    texts = page.texts
    st.subheader(texts("query.heading"))
    if (own := own_photo(page)) is not None and own.stale:
        own.stale = False
        with one_line(texts), st.spinner(texts("query.looking")):
            look_again(page, own)
    source = st.segmented_control(
        texts("query.source"),
        SOURCES,
        default="item" if search(page).item else "upload",
        required=True,
        format_func=lambda one: texts(f"query.{one}"),
        key="source",
        label_visibility="collapsed",
        width="stretch",
    )
    content: bytes | None = None
    if source == "camera":
        picture = st.camera_input(texts("query.camera_label"), key="camera")
        content = _new(picture.file_id, picture.getvalue()) if picture else None
    elif source == "item":
        _choose_item(page)
    else:
        file = st.file_uploader(
            texts("query.upload_label"),
            help=texts("query.upload_help", megabytes=BYTES, megapixels=PIXELS),
            max_upload_size=BYTES,
            key="upload",
        )
        content = _new(file.file_id, file.getvalue()) if file else None
    pasted = pasted_image(texts)
    if pasted is not None or content is not None:
        take(page, pasted if pasted is not None else content or b"")


def take(page: Page, content: bytes) -> None:
    """Make a photo that somebody sent the query, or say why it can't be."""
    from retrieval.uploads import UploadError, read_upload  # imports torch, which the first page need not wait for

    try:
        with st.spinner(page.texts("query.looking")):
            photo = read_upload(content)
            garment = page.service.look_at(photo)
            own = OwnPhoto(photo, photo, garment, use_cut=page.service.embedder().cuts_out)
    except UploadError as error:
        say_problem(page.texts, error.reason)
    except SearchError:
        say_problem(page.texts, "weights")
    else:
        search_with_photo(page, own)


def show(page: Page, seen: Garment | None) -> Callable[[], None]:
    """Show the query. Returns what is to be done last: the photo is cut out, which takes a while."""
    texts, own = page.texts, own_photo(page)
    if own is None and last_photo() is not None:
        st.button(
            texts("query.back"),
            icon=":material/undo:",
            key="back",
            on_click=search_with_photo,
            args=(page, last_photo()),
        )
    if seen is None:
        return lambda: None
    if seen.item is not None:
        _show_item(page, seen.item, str(seen.photo))
        return lambda: None
    if own is None:
        st.info(texts("query.not_here"), icon=":material/link:")
        return lambda: None
    photo_side, cut_side = st.columns(2, gap="small")
    photo_side.image(shown(own.used), caption=texts("query.photo_caption"), alt=texts("query.photo_alt"))
    place = cut_side.empty()
    if own.used is not own.whole:
        st.caption(texts("query.cropped"))
    with st.container(horizontal=True, vertical_alignment="center"):
        st.session_state["use-cut"] = own.use_cut
        st.toggle(texts("query.use_cut"), key="use-cut", on_change=_switch_cut_out, args=(own,))
        of_item = st.session_state.pop("mark item", False)
        if st.button(texts("query.mark"), icon=":material/select_all:", key="mark") or of_item:
            marking.mark(page)
    if own.matte is not None:
        _show_cut_out(page, own, place)
        return lambda: None
    place.skeleton(height=150)

    def finish() -> None:
        with place, st.spinner(texts("query.cutting")):
            cut(page, own)
        _show_cut_out(page, own, place)

    return finish


def _show_item(page: Page, item: str, photo: str) -> None:
    """Show an item's photo, and its cut-out beside it where there is one."""
    texts, state = page.texts, catalogue_state(page.service)
    name = html.escape(texts("query.now_item", id=item))
    pictures = []
    with_cut_out = has_cut_out(page.service, photo)
    in_use = " class='used'" if with_cut_out else ""
    for as_cut_out in (False, True) if with_cut_out else (False,):
        if content := thumbnail(page.catalog, state, photo, as_cut_out, page):
            words = html.escape(texts("query.cut_alt")) if as_cut_out else name
            caption = html.escape(texts("query.cut_caption" if as_cut_out else "query.photo_caption"))
            pictures.append(
                f"<figure{in_use if as_cut_out != search(page).whole else ''}>"
                f"<img src='{data_address(content)}' alt='{words}'><figcaption>{caption}</figcaption></figure>"
            )
    st.html(f"<div class='tile'><div class='pictures'>{''.join(pictures)}</div><div class='seen'>{name}</div></div>")
    with st.container(horizontal=True, vertical_alignment="center"):
        if with_cut_out:
            st.session_state["use-cut"] = not search(page).whole
            st.toggle(texts("query.use_cut"), key="use-cut", on_change=_switch_item_cut_out, args=(page,))
        if st.button(texts("query.mark"), icon=":material/select_all:", key="mark"):
            _mark_item(page, item)
        if not page.settings.read_only and st.button(
            texts("results.correct"), icon=":material/edit:", key="correct query"
        ):
            dialogs.correct(page, item)


def cut(page: Page, own: OwnPhoto) -> None:
    """Cut the photo out, with this person's corrections."""
    cutting = page.service.cut(own.used, own.keep, own.drop)
    own.matte, own.found = cutting.alpha, cutting.product_found


def look_again(page: Page, own: OwnPhoto) -> None:
    """See the photo's garment anew, after its crop, its matte or the switch has changed."""
    if own.use_cut and own.matte is None:
        cut(page, own)
    own.garment = page.service.look_at(own.used, own.searched_by())
    search_with_photo(page, own)


def _switch_cut_out(own: OwnPhoto) -> None:
    own.use_cut, own.stale = st.session_state["use-cut"], True


def _mark_item(page: Page, item: str) -> None:
    """Make the item's photo this person's own, in which the garment can be marked."""
    try:
        known = page.service.item(item)
        photo, _ = whole_photo(Path(str(known.photo)))
        own = OwnPhoto(photo, photo, replace(known, item=None, photo=photo), use_cut=page.service.embedder().cuts_out)
    except PhotoError:
        say_problem(page.texts, "gone")
    except SearchError:
        say_problem(page.texts, "weights")
    else:
        search_with_photo(page, own)
        st.session_state["mark item"] = True
        st.rerun()


def _switch_item_cut_out(page: Page) -> None:
    change_search(page, whole=not st.session_state["use-cut"])


def _show_cut_out(page: Page, own: OwnPhoto, place: st.delta_generator.DeltaGenerator) -> None:
    if own.matte is None:
        return
    picture: Image.Image = cut_out(own.used, own.matte)
    with place.container():
        st.image(picture, caption=page.texts("query.cut_caption"), alt=page.texts("query.cut_alt"))
        if not own.found:
            st.caption(page.texts("query.nothing_cut"))


def _choose_item(page: Page) -> None:
    texts = page.texts

    def take_item() -> None:
        if wanted := st.session_state["item-id"].strip():
            search_with_item(page, wanted)

    st.text_input(
        texts("query.item_label"), placeholder=texts("query.item_placeholder"), key="item-id", on_change=take_item
    )
    st.button(
        texts("query.browse"),
        icon=":material/grid_view:",
        key="browse",
        width="stretch",
        on_click=change_search,
        args=(page,),
        kwargs={"item": None, "seen": None, "whole": False},
    )


def _new(file: str, content: bytes) -> bytes | None:
    """The content of a file that was not taken before; files stay in their widget for later runs."""
    if st.session_state.get("taken") == file:
        return None
    st.session_state["taken"] = file
    return content
