"""Filters by category, by the other attributes and by the metadata's columns, each value with its count."""

import html
from collections.abc import Callable

import streamlit as st

from retrieval.staff import MOST_VALUES, Column
from ui.address import Search, where_text
from ui.problems import one_line
from ui.state import Page, change_search, columns, search, value_counts
from ui.texts import plain


def show(page: Page, state: tuple[str, int, int]) -> None:
    """Draw the filters. A filter's own counts are those of the items that pass all the others."""
    texts, now = page.texts, search(page)
    active = len(now.filters) + len(now.between)
    heading = texts("filters.heading_on", count=active) if active else texts("filters.heading")
    with st.expander(heading, icon=":material/filter_alt:", key="filters"), one_line(texts):
        if active:
            st.button(
                texts("filters.clear"),
                icon=":material/filter_alt_off:",
                key="clear-filters",
                on_click=change_search,
                args=(page,),
                kwargs={"filters": {}, "between": {}},
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
    name, bounds = column.name, column.bounds
    assert bounds is not None

    def fold() -> None:
        chosen = tuple(st.session_state[f"range-{name}"])
        between = {one: limits for one, limits in search(page).between.items() if one != name}
        change_search(page, between=between | ({} if chosen == bounds else {name: chosen}))

    # An address may ask for what lies outside of the bounds.
    limits = [min(max(one, bounds[0]), bounds[1]) for one in search(page).between.get(name, bounds)]
    st.session_state[f"range-{name}"] = tuple(limits)
    st.html(_bars(page, column, limits))
    st.slider(
        page.texts("filters.range", name=plain(name), count=f"{column.items:,}"),
        *bounds,
        step=1.0 if column.whole else None,
        format="%d" if column.whole else None,
        key=f"range-{name}",
        on_change=fold,
    )


def _bars(page: Page, column: Column, limits: list[float]) -> str:
    """How many items lie where between a column's bounds; the parts that are filtered for are dark."""
    assert column.bounds is not None
    low, high = column.bounds
    wide, most = (high - low) / len(column.bars), max(1, *column.bars)
    drawn = []
    for position, count in enumerate(column.bars):
        start, stop = low + position * wide, low + (position + 1) * wide
        inside = "inside" if start <= limits[1] and stop >= limits[0] else ""
        words = page.texts("filters.bar", start=_number(start), stop=_number(stop), count=f"{count:,}")
        drawn.append(f"<i class='{inside}' style='height:{100 * count / most:.0f}%' title='{html.escape(words)}'></i>")
    return f"<div class='bars' aria-hidden='true'>{''.join(drawn)}</div>"


def _number(number: float) -> str:
    return f"{number:,.0f}" if abs(number) >= 100 else f"{number:.3g}"
