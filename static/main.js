// Improves the page where JavaScript runs: preview, drop, paste, size check, busy state. Nothing needs it.

/** @type {HTMLFormElement | null} */
const form = document.querySelector("[data-upload]");
const status = document.querySelector("[data-status]");
/** Object URLs of the previews on show; each is revoked when its picture goes. */
let previewUrls = [];

/** Say something in the live region. @param {string} text */
function say(text) {
  status.textContent = text;
}

/** Why these files cannot be sent, or nothing. @param {FileList} files @returns {string} */
function problemWith(files) {
  const nBytes = [...files].reduce((sum, file) => sum + file.size, 0);
  if (files.length > Number(form.dataset.maxFiles)) return form.dataset.textTooMany;
  if (nBytes > Number(form.dataset.maxBytes)) return form.dataset.textTooLarge;
  return "";
}

/** Show the chosen pictures; a browser that cannot draw one (TIFF) shows none. @param {FileList} files */
function showPreviews(files) {
  const place = form.querySelector("[data-previews]");
  previewUrls.forEach((url) => URL.revokeObjectURL(url));
  previewUrls = [...files].map((file) => URL.createObjectURL(file));
  place.replaceChildren(...previewUrls.map((url) => {
    const picture = new Image();
    picture.className = "preview";
    picture.alt = "";
    picture.addEventListener("error", () => picture.remove());
    picture.src = url;
    return picture;
  }));
}

/** React to a choice of files, however it was made. */
function onChoice() {
  const { files } = form.elements.namedItem("files");
  showPreviews(files);
  say(problemWith(files) || form.dataset.textChosen + [...files].map((file) => file.name).join(", "));
}

/** Take files that were dropped or pasted. @param {DataTransfer | null} transfer @returns {boolean} whether there were any */
function take(transfer) {
  if (!transfer?.files.length) return false;
  form.elements.namedItem("files").files = transfer.files;
  onChoice();
  return true;
}

/** Let pictures be dropped on the field. @param {HTMLElement} field */
function listenForDrops(field) {
  const mark = (over) => field.classList.toggle("drop-over", over);
  field.addEventListener("dragover", (event) => { event.preventDefault(); mark(true); });
  field.addEventListener("dragleave", () => mark(false));
  field.addEventListener("drop", (event) => { event.preventDefault(); mark(false); take(event.dataTransfer); });
}

/** Hold back what the server would refuse for its size; else say that work is under way. @param {SubmitEvent} event */
function onSubmit(event) {
  const problem = problemWith(form.elements.namedItem("files").files);
  if (problem) {
    event.preventDefault();
    say(problem);
    return;
  }
  say(form.dataset.textBusy);
  form.querySelector("[type=submit]").disabled = true;
}

/** Samples use the model that is chosen in the form. */
function followModel() {
  const chosen = form.querySelector("[name=model]:checked");
  document.querySelectorAll("[data-follows-model]").forEach((field) => { field.value = chosen.value; });
}

document.querySelector("[data-focus]")?.focus();
if (form) {
  form.elements.namedItem("files").addEventListener("change", onChoice);
  form.addEventListener("submit", onSubmit);
  form.addEventListener("change", followModel);
  listenForDrops(form.querySelector("[data-drop]"));
  document.addEventListener("paste", (event) => { if (take(event.clipboardData)) event.preventDefault(); });
  // Coming back with the browser's button must not find the form still busy.
  window.addEventListener("pageshow", () => { form.querySelector("[type=submit]").disabled = false; say(""); });
}
