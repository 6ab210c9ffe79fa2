"""The search page: the query and what counts on the left, what was found on the right."""

import streamlit as st

from retrieval.search import Garment
from retrieval.staff import state as catalogue_state
from ui import attributes_panel, filters_panel, query_panel, results
from ui.problems import say_problem
from ui.state import Page, count_items, garment, search, write_address


def show(page: Page) -> None:
    """Draw the page."""
    texts = page.texts
    state = catalogue_state(page.service)
    if message := st.session_state.pop("toast", None):
        st.toast(message, icon=":material/check:")
    if count_items(page.catalog, state, None, page) == 0:
        st.info(texts("problem.empty"), icon=":material/inventory_2:")
        st.markdown(texts("problem.empty_next"))
        return
    left, right = st.columns([3, 8], gap="medium")
    with left:
        query_panel.choose(page)
        seen = _seen(page)
        finish_cut_out = query_panel.show(page, seen)
        if seen is not None:
            filters_panel.show(page, state)
    with right:
        if seen is not None:
            attributes_panel.show(page, seen)
        results.show(page, seen, state)
    write_address(page)
    # The hits are on the screen already while the garment is cut out.
    finish_cut_out()


def _seen(page: Page) -> Garment | None:
    """The query's garment; None, after saying why, where it can't be had."""
    now = search(page)
    try:
        return garment(page)
    except ValueError:
        if now.item is not None:
            say_problem(page.texts, "item", id=now.item)
        else:
            say_problem(page.texts, "address")
        return None
