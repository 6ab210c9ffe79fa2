"""The catalogue page: what there is, how it is spread, what could not be used; adding photos."""

from datetime import datetime
from pathlib import PurePath

import streamlit as st

from retrieval import staff
from ui.problems import BYTES, PIXELS, one_line, say_problem
from ui.state import Page, value_counts
from ui.texts import plain

CHART_HEIGHT = 38  # pixels a bar


def show(page: Page) -> None:
    """Draw the page."""
    texts = page.texts
    st.title(texts("catalogue.heading"))
    with one_line(texts):
        info = page.service.catalog.info()
        rejected = page.service.catalog.rejected()
        built = datetime.fromisoformat(str(info["built"])).astimezone()
        with st.container(horizontal=True, gap="medium"):
            st.metric(texts("catalogue.items"), f"{info['items']:,}", border=True)
            st.metric(texts("catalogue.photos"), f"{info['photos']:,}", border=True)
            st.metric(texts("catalogue.rejected"), f"{len(rejected):,}", border=True)
            st.metric(texts("catalogue.built"), f"{built:%Y-%m-%d %H:%M}", border=True)
            st.metric(texts("catalogue.model"), str(info["model"])[:8], border=True)
        if not page.settings.read_only:
            _show_adding(page)
        st.header(texts("catalogue.values"))
        _show_charts(page)
        st.header(texts("catalogue.rejected_heading"))
        if not rejected:
            st.caption(texts("catalogue.rejected_none"))
        else:
            # Only the file's own name: where it lies on the server is nobody's business.
            rows = [
                {texts("catalogue.file"): PurePath(path).name, texts("catalogue.reason"): _why_rejected(page, reason)}
                for path, reason in rejected.items()
            ]
            st.dataframe(rows, hide_index=True, width="stretch")


def _why_rejected(page: Page, reason: str) -> str:
    kind = staff.rejection_kind(reason)
    return page.texts(f"rejected.{kind}") if kind else reason


def _show_charts(page: Page) -> None:
    texts = page.texts
    counts = value_counts(page.catalog, staff.state(page.service), None, page)
    sides = st.columns(2, gap="medium")
    shown = [attribute for attribute in page.service.schema.attributes if any(counts[attribute.key].values())]
    for position, attribute in enumerate(shown):
        with sides[position % 2], st.container(border=True):
            st.markdown(f"**{plain(texts.attribute(attribute))}**")
            rows = {
                texts("catalogue.value_column"): [texts.value(attribute, value) for value in counts[attribute.key]],
                texts("catalogue.count_column"): list(counts[attribute.key].values()),
            }
            st.bar_chart(
                rows,
                x=texts("catalogue.value_column"),
                y=texts("catalogue.count_column"),
                x_label="",
                y_label="",
                horizontal=True,
                height=60 + CHART_HEIGHT * len(counts[attribute.key]),
                sort=f"-{texts('catalogue.count_column')}",
                color="#1f5f8b",
            )


def _show_adding(page: Page) -> None:
    texts = page.texts
    st.header(texts("catalogue.add_heading"))
    number = st.session_state.setdefault("adding", 0)  # a new uploader, and so an empty one, after each time
    files = st.file_uploader(
        texts("catalogue.add_label"),
        help=texts("query.upload_help", megabytes=BYTES, megapixels=PIXELS),
        accept_multiple_files=True,
        max_upload_size=BYTES,
        key=f"add-{number}",
    )
    for went_well, words in st.session_state.pop("added", []):
        (st.success if went_well else st.warning)(words)
    if files and st.button(texts("catalogue.add", count=len(files)), type="primary", key="add-photos"):
        bar = st.progress(0.0, texts("catalogue.preparing"))

        def advance(done: int, total: int) -> None:
            bar.progress(done / total, texts("catalogue.adding", done=done, total=total))

        try:
            added, refused = staff.add_photos(page.service, [(file.name, file.getvalue()) for file in files], advance)
        except ValueError as error:
            bar.empty()
            say_problem(texts, "busy" if "another command" in str(error) else "unexpected")
            return
        st.session_state["added"] = [
            *([(True, texts("catalogue.added", count=added))] if added else []),
            *(
                (False, texts("catalogue.add_refused", name=plain(name), reason=_reason(page, reason)))
                for name, reason in refused.items()
            ),
        ]
        st.session_state["adding"] = number + 1
        st.rerun()


def _reason(page: Page, reason: str) -> str:
    return page.texts(f"problem.{reason}", megabytes=BYTES, megapixels=PIXELS)
