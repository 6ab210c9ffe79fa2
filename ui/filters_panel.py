"""Filters by category, by the other attributes and by the metadata's columns, each value with its count."""

import html
import math
from collections.abc import Callable

import streamlit as st

from retrieval.staff import MOST_VALUES, Column
from ui.address import Search, where_text
from ui.problems import one_line
from ui.state import Page, change_search, clear_filters, columns, search, value_counts
from ui.texts import plain


def show(page: Page, state: tuple[str, int, int]) -> None:
    """Draw the filters. A filter's own counts are those of the items that pass all the others."""
    texts, now = page.texts, search(page)
    active, idle = len(now.filters) + len(now.between), now.item is None and now.seen is None
    heading = texts("filters.heading_on", count=active) if active else texts("filters.heading")
    # A key of its own for each, so that they open where they are all that there is, and fold once something is found.
    key = "filters" if idle else "filters-of-hits"
    with st.expander(heading, idle or active > 0, icon=":material/filter_alt:", key=key), one_line(texts):
        if active:
            st.button(
                texts("filters.clear"),
                icon=":material/filter_alt_off:",
                key="clear-filters",
                on_click=clear_filters,
                args=(page,),
            )
        for attribute in page.service.schema.attributes:
            counts = value_counts(page.catalog, state, where_text(now, attribute.key), page)[attribute.key]
            values = [value for value in attribute.values if counts.get(value) or value in _on(now, attribute.key)]
            names = {value: texts.value(attribute, value) for value in values}
            _choose(page, attribute.key, texts.attribute(attribute), values, counts, names.__getitem__)
        for name in [column.name for column in columns(page.catalog, state, None, page)]:
            column = next(one for one in columns(page.catalog, state, where_text(now, name), page) if one.name == name)
            if column.bounds is not None and column.bounds[0] < column.bounds[1]:
                _choose_range(page, column)
            else:
                values = list(dict.fromkeys([*_on(now, name), *column.counts]))
                # Who looks for a rare one of very many types it.
                _choose(page, name, name, values, column.counts, str, typed=len(column.counts) >= MOST_VALUES)


def _on(now: Search, name: str) -> tuple[str, ...]:
    return now.filters.get(name, ())


def _choose(
    page: Page,
    key: str,
    label: str,
    values: list[str],
    counts: dict[str, int],
    named: Callable[[str], str],
    typed: bool = False,
) -> None:
    texts, now = page.texts, search(page)

    def fold() -> None:
        chosen = tuple(st.session_state[f"filter-{key}"])
        filters = {name: values for name, values in search(page).filters.items() if name != key}
        change_search(page, filters=filters | ({key: chosen} if chosen else {}))

    st.session_state[f"filter-{key}"] = list(_on(now, key))
    st.multiselect(
        plain(label),
        values,
        format_func=lambda value: texts("filters.option", value=named(value), count=counts.get(value, 0)),
        key=f"filter-{key}",
        on_change=fold,
        placeholder=texts("filters.any"),
        accept_new_options=typed,
    )


def _choose_range(page: Page, column: Column) -> None:
    texts, name, bounds = page.texts, column.name, column.bounds
    assert bounds is not None
    kind: type[int] | type[float] = int if column.whole else float

    def fold() -> None:
        chosen = sorted(float(st.session_state[f"{end}-{name}"]) for end in ("low", "high"))
        between = {one: limits for one, limits in search(page).between.items() if one != name}
        change_search(page, between=between | ({} if tuple(chosen) == bounds else {name: (chosen[0], chosen[1])}))

    # An address may ask for what lies outside of the bounds.
    limits = [min(max(one, bounds[0]), bounds[1]) for one in search(page).between.get(name, bounds)]
    st.caption(texts("filters.range", name=plain(name), count=f"{column.items:,}"))
    st.html(_bars(page, column, limits))
    for side, end, limit in zip(st.columns(2, gap="small"), ("low", "high"), limits, strict=True):
        st.session_state[f"{end}-{name}"] = kind(limit)
        side.number_input(
            texts(f"filters.{end}", name=plain(name)),
            kind(bounds[0]),
            kind(bounds[1]),
            step=1 if column.whole else None,
            key=f"{end}-{name}",
            on_change=fold,
        )


def _bars(page: Page, column: Column, limits: list[float]) -> str:
    """How many items lie where between a column's bounds, drawn and in words; what is filtered for is darker."""
    assert column.bounds is not None
    low, high = column.bounds
    wide, most = (high - low) / len(column.bars), max(1, *column.bars)
    digits = 0 if wide >= 1 else math.ceil(-math.log10(wide))
    drawn, said = [], []
    for position, count in enumerate(column.bars):
        start, stop = low + position * wide, low + (position + 1) * wide
        last = position == len(column.bars) - 1
        inside = "inside" if start <= limits[1] and (stop > limits[0] or last) else ""
        words = page.texts("filters.bar", start=f"{start:.{digits}f}", stop=f"{stop:.{digits}f}", count=f"{count:,}")
        drawn.append(f"<i class='{inside}' style='height:{100 * count / most:.0f}%' title='{html.escape(words)}'></i>")
        said.append(words)
    return (
        f"<div class='bars' aria-hidden='true'>{''.join(drawn)}</div>"
        f"<p class='unseen'>{html.escape(', '.join(said))}</p>"
    )
