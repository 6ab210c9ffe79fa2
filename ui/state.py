"""What one person has asked for, and the service that all people share."""

import gc
from contextlib import suppress
from dataclasses import dataclass, replace
from datetime import datetime
from pathlib import Path
from threading import Thread
from typing import Any
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

import numpy as np
import streamlit as st
from numpy.typing import NDArray
from PIL import Image

from retrieval import staff
from retrieval.search import Garment, SearchService
from retrieval.staff import Column
from ui.address import Search, decode_garment, encode_garment, from_address, to_address
from ui.settings import Settings
from ui.texts import Texts


@dataclass(frozen=True)
class Page:
    """What every part of the page needs."""

    service: SearchService
    texts: Texts
    settings: Settings

    @property
    def catalog(self) -> str:
        """The catalogue's folder; for caching, never for showing."""
        return str(self.service.catalog.folder)


@dataclass
class OwnPhoto:
    """A photo that this person sent.

    `whole` is all of it, `used` the part that is searched with; `keep` and `drop` are corrections of the matte, (H, W).
    `seen` is the garment as the address holds it. `stale`: the garment is to be seen anew.
    """

    whole: Image.Image
    used: Image.Image
    garment: Garment
    matte: NDArray[np.float32] | None = None
    found: bool = True
    keep: NDArray[np.float32] | None = None
    drop: NDArray[np.float32] | None = None
    use_cut: bool = False
    seen: str = ""
    stale: bool = False

    def searched_by(self) -> NDArray[np.float32] | None:
        """The matte by which the network is shown the photo; None leaves it to make its own."""
        return self.matte if self.use_cut else np.ones(self.used.size[::-1], np.float32)

    def correct(self, keep: NDArray[np.bool_], drop: NDArray[np.bool_]) -> None:
        """Keep and drop regions (H, W) of the used part, beside those of before; the last word on a pixel counts.

        The garment is cut out anew when it is next looked at, and searched with so.
        """
        kept, dropped = (np.zeros(keep.shape, bool) if of is None else of > 0.5 for of in (self.keep, self.drop))
        kept, dropped = (kept | keep) & ~drop, (dropped | drop) & ~keep
        self.keep, self.drop = (of.astype(np.float32) if of.any() else None for of in (kept, dropped))
        self.matte, self.use_cut = None, True


@st.cache_resource(show_spinner=False)
def open_service(folder: Path, weights: Path | None) -> SearchService:
    """The one service for everybody: one model in memory. Raises ValueErrors if the catalogue can't be opened.

    The model is loaded meanwhile, so that the first photo need not wait for it.
    """
    service = SearchService.open(folder, weights)
    Thread(target=_load_model, args=(service,), daemon=True).start()
    return service


def _load_model(service: SearchService) -> None:
    with suppress(ValueError):  # said when somebody searches with a photo
        service.embedder()
    # Streamlit looks through every object for garbage after each click, which takes a third of a second with torch's
    # hundred thousands among them. Those stay anyway: none of them need be looked at again.
    gc.collect()
    gc.freeze()


def search(page: Page) -> Search:
    """This person's search; at the start what the address holds."""
    if "search" not in st.session_state:
        _read_address(page)
    found: Search = st.session_state["search"]
    return found


def follow_address(page: Page) -> None:
    """Take the search from the address if the browser went back or forward to another one.

    Nothing but the browser changes the address beside `write_address`. A click that changed the search counts before
    the address, which may not have reached the browser yet; and the menu's links lead here from other pages without
    any search, which goes on then.
    """
    changed, from_menu = st.session_state.pop("changed", False), st.session_state.pop("elsewhere", False)
    known, address = st.session_state.get("address"), _address()
    if known is not None and not changed and address != known and not (from_menu and not address):
        _read_address(page)


def leave_search() -> None:
    """Note that another page than the search is looked at."""
    st.session_state["elsewhere"] = True


def _read_address(page: Page) -> None:
    names = [column.name for column in columns(page.catalog, staff.state(page.service), None, page)]
    st.session_state["address"] = _address()
    st.session_state["search"] = from_address(_address(), page.service.schema, names)


def _address() -> dict[str, list[str]]:
    return {key: st.query_params.get_all(key) for key in st.query_params}


def change_search(page: Page, /, **fields: Any) -> None:
    """Change fields of this person's search; the first page of hits comes next unless a page is given."""
    st.session_state["search"] = replace(search(page), **{"page": 1, **fields})
    st.session_state["changed"] = True


def write_address(page: Page) -> None:
    """Bring the address up to date with the search."""
    wanted = to_address(search(page))
    st.session_state["address"] = wanted
    st.session_state.pop("changed", None)
    if _address() != wanted:
        st.query_params.from_dict(wanted)


def last_photo() -> OwnPhoto | None:
    """The photo that this person sent last, if any; it may be searched with no longer."""
    found: OwnPhoto | None = st.session_state.get("photo")
    return found


def own_photo(page: Page) -> OwnPhoto | None:
    """The photo that this person sent, if it is what is searched with."""
    last = last_photo()
    return last if last is not None and last.seen == search(page).seen else None


def search_with_photo(page: Page, photo: OwnPhoto) -> None:
    """Make a photo the query."""
    st.session_state["photo"] = photo
    photo.seen = encode_garment(photo.garment, page.service.schema, page.service.catalog.model.fingerprint)
    change_search(page, item=None, whole=False, seen=photo.seen)


def search_with_item(page: Page, item: str) -> None:
    """Make an item the query."""
    st.session_state["rerun"] = True
    change_search(page, item=item, whole=False, seen=None)


def clear_filters(page: Page) -> None:
    """Let all items pass."""
    st.session_state["rerun"] = True
    change_search(page, filters={}, between={})


def cut_outs_shown() -> bool:
    """Whether this person wants to see items cut out."""
    return bool(st.session_state.get("cut-outs", True))


def take_rerun_request() -> bool:
    """Whether the query itself was changed from within a part of the page, so that all of it is to be drawn anew."""
    return bool(st.session_state.pop("rerun", False))


def garment(page: Page) -> Garment | None:
    """The query's garment; None if nothing is searched with. Raises ValueErrors if it can't be had any more."""
    now = search(page)
    if now.item is not None:
        if now.whole:
            return _seen_whole(page.catalog, staff.state(page.service), now.item, page)
        return page.service.item(now.item)
    if now.seen is None:
        return None
    photo, model = own_photo(page), page.service.catalog.model
    if photo is not None:
        if photo.garment.model != model.fingerprint:  # the catalogue was built with other weights since
            photo.garment = page.service.look_at(photo.used, photo.searched_by())
        return photo.garment
    return decode_garment(now.seen, page.service.schema, model.blocks, model.fingerprint)


@st.cache_data(show_spinner=False, max_entries=200)
def _seen_whole(catalog: str, state: tuple[str, int, int], item: str, _page: Page) -> Garment:
    """An item as all of its photo shows it; cached as `value_counts`. Raises SearchError."""
    return _page.service.item_without_cut_out(item)


def moment(text: str) -> str:
    """A stored moment as this person's clock shows it."""
    zone = None
    with suppress(ValueError, OSError, ZoneInfoNotFoundError):  # a zone that this machine does not know
        zone = ZoneInfo(st.context.timezone or "")
    return f"{datetime.fromisoformat(text).astimezone(zone):%Y-%m-%d %H:%M}"


@st.cache_data(show_spinner=False, max_entries=200)
def value_counts(
    catalog: str, state: tuple[str, int, int], where: str | None, _page: Page
) -> dict[str, dict[str, int]]:
    """Items by value of each attribute; counted once until the catalogue or a correction changes."""
    return staff.value_counts(_page.service, where)


@st.cache_data(show_spinner=False, max_entries=200)
def columns(catalog: str, state: tuple[str, int, int], where: str | None, _page: Page) -> list[Column]:
    """The metadata's columns with counts; as `value_counts`."""
    return staff.columns(_page.service, where)


@st.cache_data(show_spinner=False, max_entries=200)
def count_items(catalog: str, state: tuple[str, int, int], where: str | None, _page: Page) -> int:
    """How many items pass the filters; as `value_counts`."""
    return staff.count_items(_page.service, where)


@st.cache_data(show_spinner=False, max_entries=4000)
def thumbnail(catalog: str, state: tuple[str, int, int], photo: str, cut_out: bool, _page: Page) -> bytes | None:
    """The small picture of a photo."""
    return staff.thumbnail(_page.service, photo, cut_out)
