"""The page of corrections: who corrected what and when; each can be undone, all can be exported as labels."""

import streamlit as st

from retrieval import staff
from retrieval.staff import StoredCorrection
from ui.problems import one_line
from ui.state import Page, leave_search, moment
from ui.texts import plain

PER_PAGE = 25


def show(page: Page) -> None:
    """Draw the page."""
    leave_search()
    texts = page.texts
    st.title(texts("corrections.heading"))
    st.caption(texts("corrections.explain"))
    if message := st.session_state.pop("undone", None):
        st.toast(message)
    with one_line(texts):
        found = staff.all_corrections(page.service)
        if not found:
            st.info(texts("corrections.empty"), icon=":material/edit_note:")
            return
        undone = sum(one.undone is not None for one in found)
        with st.container(horizontal=True, vertical_alignment="center"):
            st.markdown(texts("corrections.count", counting=len(found) - undone, undone=undone), width="content")
            st.download_button(
                texts("corrections.export"),
                lambda: staff.labels_csv(page.service),
                "labels.csv",
                "text/csv",
                key="save-labels",
                icon=":material/download:",
                on_click="ignore",
            )
        pages = -(-len(found) // PER_PAGE)
        number = st.pagination(pages, key="corrections-page") if pages > 1 else 1
        for one in found[PER_PAGE * (number - 1) : PER_PAGE * number]:
            _show_one(page, one)


def _show_one(page: Page, one: StoredCorrection) -> None:
    texts = page.texts
    known = one.attribute in page.service.schema.keys
    attribute = page.service.schema[one.attribute] if known else None
    value, predicted = (texts.value(attribute, each) if attribute else each for each in (one.value, one.predicted))
    name = texts.attribute(attribute) if attribute else one.attribute
    with st.container(border=True, horizontal=True, vertical_alignment="center", key=f"correction-{one.id}"):
        with st.container(gap=None):
            row = texts("corrections.row", attribute=plain(name), predicted=plain(predicted), value=plain(value))
            st.markdown(row if one.undone is None else f":gray[{row}]")
            st.caption(texts("corrections.by", item=plain(one.item), who=plain(one.who), when=moment(one.made)))
        if one.undone is not None:
            st.caption(texts("corrections.undone", when=moment(one.undone)), width="content")
        elif not page.settings.read_only:
            st.button(texts("corrections.undo"), key=f"undo-{one.id}", on_click=_undo, args=(page, one.id))


def _undo(page: Page, correction: int) -> None:
    with one_line(page.texts):
        done = staff.undo(page.service, correction)
        st.session_state["undone"] = page.texts("corrections.undo_done" if done else "corrections.undo_gone")
