// Tells the browser the page's language, and says Streamlit's own words in it: Streamlit has them in English only.

const ATTRIBUTES = ["aria-label", "title", "placeholder", "alt"]
// What the page, users and tables say stays as it is. Streamlit writes the uploader's button as if it were the page's,
// and gives options of its own, such as "Select all", keys that begin with two lines.
const OURS = [
  "[data-testid=stHtml]",
  "[data-testid=stMarkdownContainer]:not([data-testid=stFileUploaderDropzone] *)",
  "[data-testid=stFileChipName]",
  "[data-tag]",
  "[role=option][data-key]:not([data-key^=__])",
].join()
const NAMED_BY_OTHERS = "[data-testid=stHtml] *, [data-tag], [data-tag] > [title]"
// Each chart's figures stand beside it in words; what its library says of axes and bars is English.
const CHARTS = "[data-testid=stVegaLiteChart]"
const COMPONENT = "[data-testid=stBidiComponentIsolated], [data-testid=stBidiComponentIsolated] *"

// Streamlit calls this again when the language changes; two observers would undo each other's words for ever.
let stop = () => {}

export default function ({ data }) {
  stop()
  document.documentElement.lang = data.language
  const exact = new Map(data.words)
  const patterns = data.patterns.map(([from, to]) => [new RegExp(from), to])

  const said = (text) => {
    const bare = text.trim()
    if (exact.has(bare)) return exact.get(bare)
    const found = bare && patterns.find(([from]) => from.test(bare))
    return found ? bare.replace(...found) : text
  }
  const sayText = (node) => {
    const words = said(node.nodeValue)
    if (words !== node.nodeValue && !node.parentElement?.closest(OURS)) node.nodeValue = words
  }
  const sayAttributes = (element) => {
    for (const name of ATTRIBUTES) {
      const text = element.getAttribute(name)
      const words = text === null ? null : said(text)
      if (words !== text && !element.matches(NAMED_BY_OTHERS)) element.setAttribute(name, words)
    }
  }
  const say = (root) => {
    if (root.nodeType === Node.TEXT_NODE) return sayText(root)
    if (root.nodeType === Node.ELEMENT_NODE) visit(root)
    const walker = document.createTreeWalker(root, NodeFilter.SHOW_ELEMENT | NodeFilter.SHOW_TEXT)
    while (walker.nextNode()) {
      const node = walker.currentNode
      if (node.nodeType === Node.TEXT_NODE) sayText(node)
      else visit(node)
    }
  }
  const visit = (element) => {
    sayAttributes(element)
    if (element.matches(CHARTS)) element.setAttribute("aria-hidden", "true")
    if (element.matches(COMPONENT)) components.add(element)
    if (element.shadowRoot) watch(element.shadowRoot)
  }
  const watched = new WeakSet()
  const components = new Set()
  const observer = new MutationObserver((changes) => {
    for (const { type, target, addedNodes } of changes) {
      if (type === "attributes") sayAttributes(target)
      else if (type === "characterData") sayText(target)
      else addedNodes.forEach(say)
    }
    // A component's own tree may come after its place in the page.
    components.forEach((one) => {
      if (one.shadowRoot) watch(one.shadowRoot)
      if (one.shadowRoot || !one.isConnected) components.delete(one)
    })
  })
  // Components draw in trees of their own, which have to be watched one by one.
  const watch = (root) => {
    if (watched.has(root)) return
    watched.add(root)
    observer.observe(root, {
      subtree: true, childList: true, characterData: true, attributes: true, attributeFilter: ATTRIBUTES,
    })
    say(root)
  }
  watch(document)
  stop = () => observer.disconnect()
  return stop
}
