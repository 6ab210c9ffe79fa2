"""The page that catalogue staff search with: `streamlit run ui/app.py -- --catalog DIR`."""

import sys
from pathlib import Path

import streamlit as st

from retrieval import staff
from retrieval.search import SearchService
from ui import catalogue_page, corrections_page, search_page
from ui.language import speak
from ui.problems import log_problem, one_line, say_problem
from ui.settings import OptionsError, Settings, parse_settings
from ui.state import Page, open_service
from ui.texts import LANGUAGES, Texts, language_for, load_texts


def main() -> None:
    """Draw the page that was chosen."""
    st.set_page_config(page_title="erimoto", page_icon=":material/apparel:", layout="wide")
    st.html(Path(__file__).with_name("style.css"))
    try:
        settings = parse_settings(sys.argv[1:])
    except OptionsError:
        say_problem(load_texts(language_for(st.context.locale)), "options")
        return
    texts = _chosen_texts(settings)
    speak(texts)
    if not _signed_in(texts):
        return
    service = _opened(settings, texts)
    if service is None:
        return
    page = Page(service, texts, settings)
    pages = [
        st.Page(
            lambda: search_page.show(page),
            title=texts("app.search"),
            icon=":material/search:",
            url_path="search",
            default=True,
        ),
        st.Page(
            lambda: catalogue_page.show(page),
            title=texts("app.catalogue"),
            icon=":material/inventory_2:",
            url_path="catalogue",
        ),
        st.Page(
            lambda: corrections_page.show(page),
            title=texts("app.corrections"),
            icon=":material/edit_note:",
            url_path="corrections",
        ),
    ]
    chosen = st.navigation(pages, position="top")
    if settings.read_only:
        st.caption(f":material/lock: {texts('app.read_only')}")
    if st.user.get("is_logged_in"):
        with st.container(horizontal=True, horizontal_alignment="right"):
            st.button(texts("app.sign_out"), icon=":material/logout:", key="sign-out", on_click=st.logout)
    with one_line(texts):
        chosen.run()


def _signed_in(texts: Texts) -> bool:
    """Whether this person may go on: always, unless the server's secrets ask for sign-in (README)."""
    if not st.secrets.load_if_toml_exists() or "auth" not in st.secrets or st.user.is_logged_in:
        return True
    st.info(texts("app.sign_in_first"), icon=":material/lock:")
    st.button(texts("app.sign_in"), icon=":material/login:", key="sign-in", type="primary", on_click=st.login)
    return False


def _chosen_texts(settings: Settings) -> Texts:
    """The texts of the language that this person chose, or else of the setting, or else of the browser."""
    first = settings.language or language_for(st.context.locale)
    language = st.session_state.setdefault("chosen_language", first)
    texts = load_texts(language)

    def choose() -> None:
        if st.session_state["language"]:
            st.session_state["chosen_language"] = st.session_state["language"]

    st.session_state["language"] = language
    with st.container(key="language-choice", horizontal=True, horizontal_alignment="right"):
        st.segmented_control(
            texts("app.language"),
            LANGUAGES,
            format_func=lambda one: load_texts(one)("app.language_name"),
            key="language",
            on_change=choose,
            label_visibility="collapsed",
        )
    return texts


def _opened(settings: Settings, texts: Texts) -> SearchService | None:
    """The service, or None after saying why there is none."""
    try:
        with st.spinner(texts("app.opening")):
            service = open_service(settings.catalog, settings.weights)
            service.refresh()
    except Exception as error:  # a damaged database raises errors of its own
        log_problem(error)
        if not settings.catalog.is_dir() or not any(settings.catalog.iterdir()):
            st.info(texts("problem.no_catalogue"), icon=":material/inventory_2:")
            st.markdown(texts("problem.no_catalogue_next"))
        else:
            say_problem(texts, "old_catalogue" if staff.is_of_another_version(error) else "catalogue")
        return None
    return service


main()
