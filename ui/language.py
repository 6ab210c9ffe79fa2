"""Telling the browser the page's language, for those who have it read to them: Streamlit always says English."""

import streamlit as st

SCRIPT = "export default function ({ data }) { document.documentElement.lang = data.language }"

_component = st.components.v2.component("erimoto_language", js=SCRIPT)


def tell_browser(language: str) -> None:
    """Set the page's language, "ja" or "en"."""
    _component(key="page-language", data={"language": language}, height=1)
