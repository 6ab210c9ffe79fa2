"""Where the query comes from, and how it looks: a photo with its cut-out, or an item."""

import html
from collections.abc import Callable

import streamlit as st
from PIL import Image

from retrieval.search import Garment, SearchError
from retrieval.staff import state as catalogue_state
from ui import dialogs
from ui.images import cut_out, data_address, shown
from ui.paste import pasted_image
from ui.problems import BYTES, PIXELS, say_problem
from ui.state import OwnPhoto, Page, own_photo, search, search_with_item, search_with_photo, thumbnail

SOURCES = ("upload", "camera", "item")


def choose(page: Page) -> None:
    """Let the user give a photo or an item; what was given becomes the query before the rest is drawn."""
    texts = page.texts
    st.subheader(texts("query.heading"))
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
    pasted = pasted_image(texts("query.paste"), texts("query.paste_hint"), texts("query.paste_nothing"))
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
    texts, own = page.texts, own_photo()
    if seen is None:
        return lambda: None
    if seen.item is not None:
        content = thumbnail(page.catalog, catalogue_state(page.service), str(seen.photo), False, page)
        name = html.escape(texts("query.now_item", id=seen.item))
        picture = f"<img src='{data_address(content)}' alt='{name}'>" if content else ""
        st.html(f"<div class='tile'>{picture}<div class='seen'>{name}</div></div>")
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
        st.toggle(texts("query.use_cut"), key="use-cut", on_change=lambda: _switch_cut_out(page))
        if st.button(texts("query.mark"), icon=":material/select_all:", key="mark"):
            dialogs.mark(page)
    if own.matte is not None:
        _show_cut_out(page, own, place)
        return lambda: None
    place.skeleton(height=150)

    def finish() -> None:
        with place, st.spinner(texts("query.cutting")):
            cut(page, own)
        _show_cut_out(page, own, place)

    return finish


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


def _switch_cut_out(page: Page) -> None:
    own = own_photo()
    if own is not None:
        own.use_cut = st.session_state["use-cut"]
        look_again(page, own)


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
    if st.button(texts("query.browse"), icon=":material/grid_view:", key="browse", width="stretch"):
        dialogs.browse(page)


def _new(file: str, content: bytes) -> bytes | None:
    """The content of a file that was not taken before; files stay in their widget for later runs."""
    if st.session_state.get("taken") == file:
        return None
    st.session_state["taken"] = file
    return content
