// @ts-check
/** Puts a text where it can be pasted from. */

/**
 * Copy the text of a field. Where the page may not (a site without HTTPS), it is selected instead.
 * @param {HTMLElement} field whose text it is
 * @param {string} text
 * @returns {Promise<boolean>} whether it is copied
 */
export async function copyText(field, text) {
  try {
    await navigator.clipboard.writeText(text);
    return true;
  } catch {
    if (field instanceof HTMLInputElement) field.select();
    else getSelection()?.selectAllChildren(field);
    return false;
  }
}
