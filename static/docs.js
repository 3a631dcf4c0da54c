// Gives each example of the API's documentation a button that copies it.

const SHOWN_MS = 2000;
/** What the button says, in the page's language. */
const { copy: offer, copied: done, byHand } = /** @type {HTMLElement} */ (document.querySelector("[data-copy]")).dataset;

for (const code of document.querySelectorAll("[data-example] code")) {
  const button = document.createElement("button");
  Object.assign(button, { type: "button", className: "quiet copy", textContent: offer });
  button.setAttribute("aria-live", "polite");
  button.addEventListener("click", () => copy(code.textContent ?? "", button));
  code.closest("[data-example]")?.prepend(button);
}

/** Copy a text and say so on the button. @param {string} text @param {HTMLButtonElement} button */
async function copy(text, button) {
  try {
    await navigator.clipboard.writeText(text);
    button.textContent = done ?? "";
  } catch {
    // Without HTTPS, browsers let no page but one of this machine write there.
    button.textContent = byHand ?? "";
  }
  setTimeout(() => { button.textContent = offer ?? ""; }, SHOWN_MS);
}
