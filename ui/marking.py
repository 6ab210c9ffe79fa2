"""Marking the garment in a photo: a box to use of it, and what to keep and to drop."""

import numpy as np
import streamlit as st
from numpy.typing import NDArray
from PIL import Image
from streamlit_drawable_canvas import st_canvas

from ui.dialogs import open_dialog
from ui.state import OwnPhoto, Page, own_photo

CANVAS = 440  # pixels, the longer side
KEEP, DROP, CROP = "#1b8a4b", "#c8321e", "#1f5f8b"
PAINTED = 100  # of 255, the opacity from which a place counts as painted


def mark(page: Page) -> None:
    """Let the user draw a box around the garment, or paint what to keep and what to drop."""
    texts = page.texts

    def draw() -> None:
        own = own_photo(page)
        if own is None:
            return
        tools = ("crop", "keep", "drop")
        tool = st.segmented_control(
            texts("mark.tool"),
            tools,
            default="crop",
            required=True,
            format_func=lambda one: texts(f"mark.{one}"),
            key="mark-tool",
            label_visibility="collapsed",
        )
        st.caption(texts(f"mark.{tool}_hint"))
        st.space("small")  # the canvas shows its own buttons there
        picture = own.whole if tool == "crop" else own.used
        scale = min(1.0, CANVAS / max(picture.size))
        size = (max(1, round(picture.width * scale)), max(1, round(picture.height * scale)))
        with_box, width = True, 3
        if tool != "crop":
            with st.container(horizontal=True, vertical_alignment="bottom"):
                shape = st.segmented_control(
                    texts("mark.shape"),
                    ("brush", "box"),
                    default="brush",
                    required=True,
                    format_func=lambda one: texts(f"mark.{one}"),
                    key="mark-shape",
                )
                with_box = shape == "box"
                if not with_box:
                    width = st.slider(texts("mark.size"), 5, 60, 24, key="mark-brush")
        colour = {"crop": CROP, "keep": KEEP, "drop": DROP}[tool or "crop"]
        drawn = st_canvas(
            fill_color="rgba(0,0,0,0)" if tool == "crop" else f"{colour}b0",
            stroke_width=width,
            stroke_color=colour,
            background_image=picture.resize(size),
            width=size[0],
            height=size[1],
            drawing_mode="rect" if with_box else "freedraw",
            return_image_data=tool != "crop",
            key=f"canvas-{'crop' if tool == 'crop' else 'brush'}",
        )
        box = _last_box(drawn.json_data, scale) if tool == "crop" else None
        painted = _painted(drawn.image_data) if tool != "crop" else None
        typed = _typed_box(page, picture)
        with st.container(horizontal=True):
            # Nothing to apply before something is drawn; else a quick click would silently do nothing.
            drawn_nothing = box is None and painted is None and typed is None
            if st.button(texts("mark.apply"), type="primary", key="mark-apply", disabled=drawn_nothing):
                if tool == "crop":
                    _crop(own, box or typed)
                elif painted is not None:
                    _brush(own, painted)
                elif typed is not None:
                    _correct_box(own, typed, keep=tool == "keep")
                own.stale = True
                st.rerun()
            if st.button(texts("mark.whole"), key="mark-whole"):
                _crop(own, None)
                own.stale = True
                st.rerun()

    open_dialog(page, texts("mark.heading"), draw, "medium")


def _typed_box(page: Page, picture: Image.Image) -> tuple[int, int, int, int] | None:
    """Let those who can't draw say a box in percent of a picture; None while it is all of it."""
    texts = page.texts
    with st.expander(texts("mark.without_drawing")):
        left, right = st.slider(texts("mark.across"), 0, 100, (0, 100), format="%d %%", key="mark-across")
        top, bottom = st.slider(texts("mark.down"), 0, 100, (0, 100), format="%d %%", key="mark-down")
    if (left, right, top, bottom) == (0, 100, 0, 100) or left == right or top == bottom:
        return None
    box = picture.width * left, picture.height * top, picture.width * right, picture.height * bottom
    return box[0] // 100, box[1] // 100, box[2] // 100, box[3] // 100


def _correct_box(own: OwnPhoto, box: tuple[int, int, int, int], keep: bool) -> None:
    region = np.zeros(own.used.size[::-1], bool)
    region[box[1] : box[3], box[0] : box[2]] = True
    nothing = np.zeros_like(region)
    own.correct(*((region, nothing) if keep else (nothing, region)))


def _last_box(drawing: dict[str, list[dict[str, float]]] | None, scale: float) -> tuple[int, int, int, int] | None:
    """The last box that was drawn, in the photo's pixels; None if there is none worth the name."""
    boxes = (drawing or {}).get("objects", [])
    if not boxes:
        return None
    box = boxes[-1]
    width, height = box["width"] * box.get("scaleX", 1), box["height"] * box.get("scaleY", 1)
    left = box["left"] - (width / 2 if str(box.get("originX")) == "center" else 0)
    top = box["top"] - (height / 2 if str(box.get("originY")) == "center" else 0)
    if width < 8 or height < 8:
        return None
    return round(left / scale), round(top / scale), round((left + width) / scale), round((top + height) / scale)


def _crop(own: OwnPhoto, box: tuple[int, int, int, int] | None) -> None:
    """Use a part of the photo only, or the whole again; what was painted on another part no longer holds."""
    own.used = own.whole
    if box is not None:
        left, top = max(0, box[0]), max(0, box[1])
        right, bottom = min(own.whole.width, box[2]), min(own.whole.height, box[3])
        if right - left > 8 and bottom - top > 8:
            own.used = own.whole.crop((left, top, right, bottom))
    own.matte = own.keep = own.drop = None


def _painted(picture: NDArray[np.uint8] | None) -> NDArray[np.uint8] | None:
    """The canvas's picture (H, W, 4), or None if nothing is painted on it."""
    return picture if picture is not None and (picture[..., 3] > PAINTED).any() else None


def _brush(own: OwnPhoto, painted: NDArray[np.uint8]) -> None:
    """Take what was painted in green as kept and in red as dropped, beside what was painted before."""
    inside = painted[..., 3] > PAINTED
    green = painted[..., 1] > painted[..., 0]
    own.correct(_at_size_of(own.used, inside & green), _at_size_of(own.used, inside & ~green))


def _at_size_of(photo: Image.Image, region: NDArray[np.bool_]) -> NDArray[np.bool_]:
    mask = Image.fromarray(region.astype(np.uint8) * 255).resize(photo.size, Image.Resampling.NEAREST)
    return np.asarray(mask) > 127
