"""A button that takes an image from the clipboard, and Ctrl+V anywhere on the page: Streamlit has neither."""

import base64
import binascii

import streamlit as st

from ui.problems import BYTES
from ui.texts import Texts

SCRIPT = """
export default function ({ parentElement, data, setTriggerValue }) {
  const button = parentElement.querySelector("button")
  const words = parentElement.querySelector("span")
  button.textContent = data.label
  words.textContent = data.hint
  const send = (blob) => {
    if (blob.size > data.bytes) { words.textContent = data.large; return }
    const reader = new FileReader()
    reader.onload = () => setTriggerValue("image", reader.result.split(",")[1])
    reader.readAsDataURL(blob)
  }
  button.onclick = async () => {
    try {
      for (const item of await navigator.clipboard.read()) {
        const kind = item.types.find((type) => type.startsWith("image/"))
        if (kind) return send(await item.getType(kind))
      }
      words.textContent = data.nothing
    } catch { words.textContent = data.refused }
  }
  const pasted = (event) => {
    const file = [...(event.clipboardData?.files ?? [])].find((one) => one.type.startsWith("image/"))
    if (file) { event.preventDefault(); send(file) }
  }
  document.addEventListener("paste", pasted)
  return () => document.removeEventListener("paste", pasted)
}
"""

STYLE = """
div { display: flex; align-items: center; gap: 0.6rem; font-family: var(--st-font); font-size: 0.82rem; }
button { font: inherit; padding: 0.4rem 0.8rem; border: 1px solid var(--st-border-color); border-radius: 8px;
  background: white; color: var(--st-text-color); cursor: pointer; white-space: nowrap; }
button:hover { border-color: var(--st-primary-color); color: var(--st-primary-color); }
button:focus-visible { outline: 3px solid var(--st-primary-color); outline-offset: 2px; }
span { color: #6a655c; }
"""

_component = st.components.v2.component(
    "erimoto_paste", html="<div><button type='button'></button><span role='status'></span></div>", css=STYLE, js=SCRIPT
)


def pasted_image(texts: Texts) -> bytes | None:
    """Draw the button; the image's bytes if one was pasted just now."""
    data = {
        "label": texts("query.paste"),
        "hint": texts("query.paste_hint"),
        "nothing": texts("query.paste_nothing"),
        "refused": texts("query.paste_refused"),
        "large": texts("problem.bytes", megabytes=BYTES),
        "bytes": BYTES * 1_000_000,
    }
    result = _component(key="paste", data=data, on_image_change=lambda: None)
    image = getattr(result, "image", None)
    if not isinstance(image, str):
        return None
    try:
        return base64.b64decode(image, validate=True)
    except binascii.Error:
        return b""  # reading it as a photo says what is wrong
