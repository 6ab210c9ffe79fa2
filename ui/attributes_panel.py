"""What counts: a large switch an attribute, with what was seen, its weight, and another value to ask for."""

import html
from collections.abc import Mapping
from typing import Any

import streamlit as st

from retrieval.attributes import Attribute
from retrieval.search import Garment
from ui.address import HEAVIEST, everything_counts
from ui.state import Page, change_search, search
from ui.texts import plain

TILE_WIDTH = 206  # pixels
UNSURE = 0.6  # a confidence below this is shown in another colour


def show(page: Page, seen: Garment) -> None:
    """Draw the switches."""
    texts, weights = page.texts, search(page).weights
    with st.container(horizontal=True, vertical_alignment="center", gap="small"):
        st.subheader(texts("attributes.heading"), width="content")
        words = texts("attributes.everything")
        if weights:
            all_else = everything_counts(search(page))
            words = texts("attributes.changed") if all_else else texts("attributes.on", count=len(weights))
        st.html(f"<div class='seen'>{html.escape(words)}</div>", width="content")
    with st.container(horizontal=True, gap="small", key="attributes"):
        for attribute in page.service.schema.attributes:
            with st.container(border=True, width=TILE_WIDTH, key=f"attribute-{attribute.key}"):
                _show_one(page, attribute, seen)


def _show_one(page: Page, attribute: Attribute, seen: Garment) -> None:
    texts, now, key = page.texts, search(page), attribute.key
    on = key in now.weights
    st.session_state[f"on-{key}"] = on
    st.toggle(plain(texts.attribute(attribute)), key=f"on-{key}", on_change=_switch, args=(page, key))
    value, sure = seen.values.get(key, ""), seen.confidences.get(key, 0.0)
    percent = round(100 * sure)
    words = texts("attributes.none")
    if value:
        name = texts.value(attribute, value)
        by_hand = key in seen.by_people
        words = texts("attributes.by_hand" if by_hand else "attributes.seen", value=name, percent=percent)
    help_ = html.escape(texts("attributes.seen_help"))
    bar = (
        f"<span class='bar' title='{help_}' aria-hidden='true'><i style='width:{percent}%'></i></span>" if value else ""
    )
    st.html(f"<div class='seen{' unsure' if sure < UNSURE else ''}'>{bar}<span>{html.escape(words)}</span></div>")
    if not on:
        return
    same = texts("attributes.same", value=texts.value(attribute, value)) if value else texts("attributes.same_none")
    st.session_state[f"set-{key}"] = now.change.get(key, "")
    st.selectbox(
        texts("attributes.value"),
        ["", *(one for one in attribute.values if one != value or one == now.change.get(key))],
        format_func=lambda one: texts("attributes.change", value=texts.value(attribute, one)) if one else same,
        key=f"set-{key}",
        on_change=_change_to,
        args=(page, key),
        label_visibility="collapsed",
    )
    if len(now.weights) > 1 and not everything_counts(now):
        st.session_state[f"weight-{key}"] = now.weights[key]
        st.slider(
            texts("attributes.weight", name=plain(texts.attribute(attribute))),
            0.1,
            HEAVIEST,
            step=0.1,
            format="%.1f",
            key=f"weight-{key}",
            on_change=_weigh,
            args=(page, key),
        )


def _switch(page: Page, key: str) -> None:
    now = search(page)
    if st.session_state[f"on-{key}"]:
        order = page.service.schema.keys
        weights = {one: now.weights.get(one, 1.0) for one in order if one in now.weights or one == key}
        change_search(page, weights=weights)
    else:
        change_search(page, weights=_without(now.weights, key), change=_without(now.change, key))


def _weigh(page: Page, key: str) -> None:
    change_search(page, weights=search(page).weights | {key: float(st.session_state[f"weight-{key}"])})


def _change_to(page: Page, key: str) -> None:
    now, value = search(page), st.session_state[f"set-{key}"]
    if not value:
        change_search(page, change=_without(now.change, key), weights=now.weights | {key: 1.0})
        return
    # Who asks for long sleeves means them: a change counts as much as all the rest, as in the command line.
    rest = sum(weight for one, weight in now.weights.items() if one != key)
    change_search(page, change=now.change | {key: value}, weights=now.weights | {key: min(max(1.0, rest), HEAVIEST)})


def _without(given: Mapping[str, Any], key: str) -> dict[str, Any]:
    return {one: value for one, value in given.items() if one != key}
