"""The search page: the query and what counts on the left, what was found on the right."""

from contextlib import nullcontext

import streamlit as st

from retrieval.search import Garment
from retrieval.staff import state as catalogue_state
from ui import attributes_panel, filters_panel, query_panel, results
from ui.problems import one_line, say_problem
from ui.state import (
    Page,
    change_search,
    count_items,
    follow_address,
    garment,
    search,
    take_rerun_request,
    write_address,
)


def show(page: Page) -> None:
    """Draw the page."""
    texts = page.texts
    take_rerun_request()  # this is the whole page
    follow_address(page)
    state = catalogue_state(page.service)
    if message := st.session_state.pop("toast", None):
        st.toast(message, icon=":material/check:")
    if count_items(page.catalog, state, None, page) == 0:
        st.info(texts("problem.empty"), icon=":material/inventory_2:")
        rejected = len(page.service.catalog.rejected())
        if rejected:
            st.markdown(texts("problem.empty_rejected", count=rejected))
        st.markdown(texts("problem.empty_read_only" if page.settings.read_only else "problem.empty_next"))
        return
    left, right = st.columns([3, 8], gap="medium")
    with left:
        query_panel.choose(page)
        seen = _seen(page)
        finish_cut_out = query_panel.show(page, seen)
        filters_panel.show(page, state)
    with right:
        _show_right_side(page, seen, state)
    write_address(page)
    # The hits are on the screen already while the garment is cut out.
    finish_cut_out()


@st.fragment
def _show_right_side(page: Page, seen: Garment | None, state: tuple[str, int, int]) -> None:
    """What counts, and the hits. A fragment: who changes it does not wait for the rest of the page."""
    if take_rerun_request():
        st.rerun()
    with one_line(page.texts):
        if seen is not None:
            attributes_panel.show(page, seen)
        results.show(page, seen, state)
        write_address(page)


def _seen(page: Page) -> Garment | None:
    """The query's garment; None, after saying why, where it can't be had."""
    now = search(page)
    try:
        with st.spinner(page.texts("query.looking")) if now.whole else nullcontext():
            return garment(page)
    except ValueError:
        if now.whole:
            change_search(page, whole=False, page=now.page)
            found = _seen(page)
            if found is not None:
                say_problem(page.texts, "whole")
            return found
        if now.item is not None:
            say_problem(page.texts, "item", id=now.item)
        else:
            say_problem(page.texts, "address")
            change_search(page, seen=None)
        return None
