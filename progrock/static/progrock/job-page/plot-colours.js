// @ts-check
/** The page's colours, for a canvas, which reads no style sheet. */

/**
 * Return a colour that lets through what lies below it.
 * @param {string} colour
 */
function veilOf(colour) {
  return /^#[0-9a-f]{6}$/i.test(colour) ? `${colour}22` : "transparent";
}

/** @param {Element} element whose colours they are */
export function coloursOf(element) {
  const style = getComputedStyle(element);
  const value = (/** @type {string} */ name) => style.getPropertyValue(name).trim();
  return {
    accent: value("--accent"),
    veil: veilOf(value("--accent")),
    quiet: value("--quiet"),
    line: value("--line"),
    edge: value("--edge"),
    good: value("--good"),
    bad: value("--bad"),
    badTint: value("--bad-tint"),
    warn: value("--warn"),
    warnTint: value("--warn-tint"),
    calmTint: value("--calm-tint"),
    font: getComputedStyle(document.body).fontFamily,
  };
}
