"""The catalogue page: what there is, how it is spread, what could not be used; adding photos."""

import html
from dataclasses import dataclass, field
from pathlib import PurePath
from threading import Thread

import altair as alt
import streamlit as st

from retrieval import staff
from retrieval.attributes import Attribute
from retrieval.search import SearchService
from ui.problems import BYTES, PIXELS, log_problem, one_line, say_problem
from ui.state import Page, leave_search, moment, value_counts
from ui.texts import plain

PER_PAGE = 25
CHART_HEIGHT = 30  # pixels a bar
CHART_INK = "#55514a"


def show(page: Page) -> None:
    """Draw the page."""
    leave_search()
    texts = page.texts
    st.title(texts("catalogue.heading"))
    with one_line(texts):
        info = page.service.catalog.info()
        rejected = page.service.catalog.rejected()
        with st.container(horizontal=True, gap="medium"):
            st.metric(texts("catalogue.items"), f"{info['items']:,}", border=True)
            st.metric(texts("catalogue.photos"), f"{info['photos']:,}", border=True)
            st.metric(texts("catalogue.rejected"), f"{len(rejected):,}", border=True)
            st.metric(texts("catalogue.built"), moment(str(info["built"])), border=True)
            st.metric(texts("catalogue.model"), str(info["model"])[:8], border=True)
        if not page.settings.read_only:
            _show_adding(page)
        st.header(texts("catalogue.values"))
        _show_charts(page)
        st.header(texts("catalogue.rejected_heading"))
        if not rejected:
            st.caption(texts("catalogue.rejected_none"))
        else:
            pages = -(-len(rejected) // PER_PAGE)
            number = st.pagination(pages, key="rejected-page") if pages > 1 else 1
            # Only the file's own name: where it lies on the server is nobody's business.
            rows = [
                {
                    texts("catalogue.file"): plain(PurePath(path).name),
                    texts("catalogue.reason"): _why_rejected(page, reason),
                }
                for path, reason in list(rejected.items())[PER_PAGE * (number - 1) : PER_PAGE * number]
            ]
            st.table(rows, hide_index=True)


def _why_rejected(page: Page, reason: str) -> str:
    kind = staff.rejection_kind(reason)
    return page.texts(f"rejected.{kind}") if kind else page.texts("rejected.other")


def _show_charts(page: Page) -> None:
    texts = page.texts
    counts = value_counts(page.catalog, staff.state(page.service), None, page)
    sides = st.columns(2, gap="medium")
    shown = [attribute for attribute in page.service.schema.attributes if any(counts[attribute.key].values())]
    for position, attribute in enumerate(shown):
        with sides[position % 2], st.container(border=True):
            st.markdown(f"**{plain(texts.attribute(attribute))}**")
            words = (f"{texts.value(attribute, value)}: {count}" for value, count in counts[attribute.key].items())
            st.html(f"<p class='unseen'>{html.escape(', '.join(words))}</p>")  # for those who can't see the chart
            st.altair_chart(_bars(page, attribute, counts[attribute.key]))


def _bars(page: Page, attribute: Attribute, counts: dict[str, int]) -> alt.LayerChart:
    """A bar a value, the commonest first, each with its number."""
    texts = page.texts
    rows = [{"value": texts.value(attribute, value), "count": count} for value, count in counts.items()]
    base = alt.Chart(alt.InlineData(values=rows)).encode(
        alt.X("count:Q", axis=None),
        alt.Y("value:N", sort="-x", title=None, axis=alt.Axis(labelLimit=240, labelColor=CHART_INK, ticks=False)),
        tooltip=[
            alt.Tooltip("value:N", title=texts("catalogue.value_column")),
            alt.Tooltip("count:Q", title=texts("catalogue.count_column")),
        ],
    )
    numbers = base.mark_text(align="left", dx=4, color=CHART_INK).encode(text=alt.Text("count:Q", format=","))
    chart: alt.LayerChart = (base.mark_bar(color="#1f5f8b") + numbers).properties(height=CHART_HEIGHT * len(rows))
    return chart


@dataclass
class Adding:
    """Photos that are being added, by a thread: who turns to another page or closes this one does not stop it."""

    files: list[tuple[str, bytes]]
    done: int = 0
    total: int = 0
    added: int = 0
    refused: dict[str, str] = field(default_factory=dict)
    problem: str | None = None
    finished: bool = False


def _add(service: SearchService, adding: Adding) -> None:
    def advance(done: int, total: int) -> None:
        adding.done, adding.total = done, total

    try:
        adding.added, adding.refused = staff.add_photos(service, adding.files, advance)
    except Exception as error:
        log_problem(error)
        adding.problem = staff.why_not_added(error)
    finally:
        adding.files = []
        adding.finished = True


def _show_adding(page: Page) -> None:
    texts = page.texts
    st.header(texts("catalogue.add_heading"))
    adding: Adding | None = st.session_state.get("adding")
    if adding is not None and not adding.finished:
        _show_progress(page, adding)
        return
    if adding is not None:
        _show_outcome(page, adding)
        st.session_state["adding"] = None
    number = st.session_state.setdefault("times added", 0)  # a new uploader, and so an empty one, after each time
    files = st.file_uploader(
        texts("catalogue.add_label"),
        help=texts("query.upload_help", megabytes=BYTES, megapixels=PIXELS),
        accept_multiple_files=True,
        max_upload_size=BYTES,
        key=f"add-{number}",
    )
    if files and st.button(texts("catalogue.add", count=len(files)), type="primary", key="add-photos"):
        adding = Adding([(file.name, file.getvalue()) for file in files])
        st.session_state["adding"], st.session_state["times added"] = adding, number + 1
        Thread(target=_add, args=(page.service, adding), daemon=True).start()
        st.rerun()


@st.fragment(run_every=0.5)
def _show_progress(page: Page, adding: Adding) -> None:
    if adding.finished:
        st.rerun()
    texts = page.texts
    words = texts("catalogue.adding", done=adding.done, total=adding.total)
    st.progress(adding.done / max(1, adding.total), words if adding.total else texts("catalogue.preparing"))


def _show_outcome(page: Page, adding: Adding) -> None:
    texts = page.texts
    if adding.problem is not None:
        say_problem(texts, adding.problem)
    if adding.added:
        st.success(texts("catalogue.added", count=adding.added))
    for name, reason in adding.refused.items():
        st.warning(texts("catalogue.add_refused", name=plain(name), reason=_reason(page, reason)))


def _reason(page: Page, reason: str) -> str:
    return page.texts(f"problem.{reason}", megabytes=BYTES, megapixels=PIXELS)
