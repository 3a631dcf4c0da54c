// Improves the page where JavaScript runs: previews, drop, paste, progress of each file, cancel, heat map, downloads.
// Nothing needs it: without it the form sends all files at once and the server answers with the whole page.

/**
 * What is sent at once: one file, or the files of a DICOM series; and its row in the list while it waits.
 * @typedef {object} Job
 * @property {string} name
 * @property {File[]} files
 * @property {string} sample its name, where a sample is asked for instead of files
 * @property {HTMLElement} item the row
 * @property {XMLHttpRequest | null} request
 * @property {number} nCards how many cards came so far
 */

/**
 * What is under way: at most one job, whose files are on their way to the server or with it.
 * @typedef {{is: "idle"} | {is: "sending" | "classifying", job: Job}} State
 */

/** One line of an answer. @typedef {{done: number, of: number} | {card: string}} Line */

/** @type {HTMLFormElement | null} */
const form = document.querySelector("[data-upload]");
/** The sentences, in the page's language. @type {Record<string, string>} */
const texts = JSON.parse(document.querySelector("#texts")?.textContent ?? "{}");
const pageTitle = document.title.split(" - ").at(-1) ?? "";
/** Object URLs of the previews on show; each is revoked when its picture goes. @type {string[]} */
let previewUrls = [];
/** The files that were chosen, dropped or pasted last. @type {File[]} */
let chosenFiles = [];
/** What waits to be sent, in order. @type {Job[]} */
const queue = [];
/** @type {State} */
let state = { is: "idle" };
/** How much of what was asked for since the queue was last empty is done. */
let batch = { nDone: 0, nAll: 0 };

/**
 * Return an element that is certain to be there.
 * @template {Element} T
 * @param {new () => T} kind
 * @param {string} selector
 * @param {ParentNode} within
 * @returns {T}
 */
function the(kind, selector, within = document) {
  const found = within.querySelector(selector);
  if (found instanceof kind) return found;
  throw new TypeError(`Expected ${kind.name} at ${selector}.`);
}

/** Return all cards of the list. @returns {HTMLElement[]} */
function allCards() {
  return [...document.querySelectorAll("article")].filter((card) => "card" in card.dataset);
}

/** Return a part of a job's row. @param {Job} job @param {string} part @returns {HTMLElement} */
function partOf(job, part) {
  return the(HTMLElement, `[data-pending-${part}]`, job.item);
}

/** Return the progress bar of a job's row. @param {Job} job @returns {HTMLProgressElement} */
function progressOf(job) {
  return the(HTMLProgressElement, "[data-pending-progress]", job.item);
}

/** Say something in the live region. @param {string} text */
function say(text) {
  the(HTMLElement, "[data-status]").textContent = text;
}

/**
 * Fill the {names} of a sentence.
 * @param {string} template
 * @param {Record<string, string | number>} values
 * @returns {string}
 */
function fill(template, values) {
  return template.replace(/\{(\w+)\}/g, (_, name) => String(values[name]));
}

/** Return why files cannot be sent together, or nothing. @param {File[]} files @returns {string} */
function problemWith(files) {
  const nBytes = files.reduce((sum, file) => sum + file.size, 0);
  if (files.length > Number(form?.dataset.maxFiles)) return texts.tooMany;
  if (nBytes > Number(form?.dataset.maxBytes)) return texts.tooLarge;
  return "";
}

/** Return whether a file shows the mark of DICOM after its preamble. @param {File} file @returns {Promise<boolean>} */
async function isDicom(file) {
  const mark = new Uint8Array(await file.slice(128, 132).arrayBuffer());
  return String.fromCharCode(...mark) === "DICM";
}

/** Return the name that a volume's header shares with its voxels, or nothing. @param {File} file @returns {string} */
function halfOf(file) {
  const half = /^(.*)\.(hdr|img|mhd|z?raw|nhdr)(\.gz)?$/i.exec(file.name);
  return half ? file.webkitRelativePath.replace(/[^/]*$/, half[1]) || half[1] : "";
}

/**
 * Put all DICOM files together, since a series is many files, and a volume's header with its voxels; others alone.
 * @param {File[]} files
 * @returns {Promise<File[][]>}
 */
async function grouped(files) {
  const groups = [];
  const halves = new Map();
  let series = null;
  for (const file of files) {
    if (!(await isDicom(file))) {
      const half = halfOf(file);
      const group = halves.get(half) ?? [];
      if (!group.length) groups.push(group);
      group.push(file);
      if (half) halves.set(half, group);
    } else if (series) {
      series.push(file);
    } else {
      series = [file];
      groups.push(series);
    }
  }
  return groups;
}

/** Name files that were read together. @param {File[]} files @returns {string} */
function nameOf(files) {
  const [first, last] = [files[0]?.name ?? "", files.at(-1)?.name ?? ""];
  return files.length < 2 ? first : fill(texts.series, { first, last, n: files.length });
}

/** Show the chosen pictures; a file that a browser cannot draw (TIFF, DICOM) shows none. @param {File[]} files */
function showPreviews(files) {
  previewUrls.forEach((url) => URL.revokeObjectURL(url));
  previewUrls = files.slice(0, 24).map((file) => URL.createObjectURL(file));
  the(HTMLElement, "[data-previews]").replaceChildren(...previewUrls.map(pictureOf));
}

/** Make a preview that removes itself where it cannot be drawn. @param {string} url */
function pictureOf(url) {
  const picture = new Image();
  picture.className = "preview";
  picture.alt = "";
  picture.addEventListener("error", () => picture.remove());
  picture.src = url;
  return picture;
}

/** Name a few files and count the others. @param {File[]} files @returns {string} */
function namesOf(files) {
  const names = files.slice(0, 5).map((file) => file.name).join(", ");
  return files.length > 5 ? fill(texts.more, { names, n: files.length - 5 }) : names;
}

/** Remember and show a choice of files, however it was made. @param {File[]} files */
function choose(files) {
  chosenFiles = files;
  showPreviews(files);
  if (!files.length) return;
  blameField(false);
  say(fill(texts.chosen, { names: namesOf(files) }));
}

/**
 * Take files that were dropped or pasted.
 * @param {DataTransfer | null} transfer
 * @returns {boolean} whether there were any
 */
function take(transfer) {
  const entries = [...(transfer?.items ?? [])].map((item) => item.webkitGetAsEntry?.()).filter((entry) => !!entry);
  const files = [...(transfer?.files ?? [])];
  if (entries.some((entry) => entry.isDirectory)) {
    Promise.all(entries.map(filesIn)).then((found) => choose(found.flat()));
  } else if (files.length) {
    choose(files);
  }
  return files.length > 0 || entries.length > 0;
}

/** Return all files of a dropped folder but hidden ones. @param {FileSystemEntry} entry @returns {Promise<File[]>} */
async function filesIn(entry) {
  if (entry.name.startsWith(".")) return [];
  if (entry.isFile) return [await fileOf(/** @type {FileSystemFileEntry} */ (entry))];
  const reader = /** @type {FileSystemDirectoryEntry} */ (entry).createReader();
  const inside = [];
  for (;;) {
    // A folder gives its entries in portions; an empty one is the last.
    const some = await nextEntries(reader);
    if (!some.length) break;
    inside.push(...some);
  }
  inside.sort((a, b) => a.name.localeCompare(b.name, undefined, { numeric: true }));
  return (await Promise.all(inside.map(filesIn))).flat();
}

/** @param {FileSystemFileEntry} entry @returns {Promise<File>} */
function fileOf(entry) {
  return new Promise((resolve, reject) => entry.file(resolve, reject));
}

/** @param {FileSystemDirectoryReader} reader @returns {Promise<FileSystemEntry[]>} */
function nextEntries(reader) {
  return new Promise((resolve, reject) => reader.readEntries(resolve, reject));
}

/**
 * Let files be dropped anywhere: beside the field, a browser would open the file in place of the page.
 * @param {HTMLElement} field
 */
function listenForDrops(field) {
  const mark = (/** @type {boolean} */ over) => field.classList.toggle("drop-over", over);
  document.addEventListener("dragover", (event) => { event.preventDefault(); mark(true); });
  document.addEventListener("dragleave", (event) => { if (!event.relatedTarget) mark(false); });
  document.addEventListener("drop", (event) => { event.preventDefault(); mark(false); take(event.dataTransfer); });
}

/** Mark the field as wrong, or as right again. @param {boolean} isWrong */
function blameField(isWrong) {
  const input = the(HTMLInputElement, "#files");
  the(HTMLElement, "[data-field-error]").hidden = !isWrong;
  input.closest(".field")?.classList.toggle("field-wrong", isWrong);
  input.toggleAttribute("aria-invalid", isWrong);
  if (isWrong) input.setAttribute("aria-invalid", "true");
  input.setAttribute("aria-describedby", isWrong ? "files-hint files-error" : "files-hint");
  if (isWrong) input.focus();
}

/** Send the chosen files, each group for itself. @param {SubmitEvent} event */
async function onSubmit(event) {
  event.preventDefault();
  const files = chosenFiles;
  blameField(!files.length);
  if (!files.length) return;
  form?.reset();
  choose([]);
  const jobs = (await grouped(files)).map((group) => enqueue(nameOf(group), group));
  partOf(jobs[0], "name").focus();
}

/** Send a sample, with the same progress. @param {SubmitEvent} event */
function onSample(event) {
  event.preventDefault();
  const button = /** @type {HTMLButtonElement} */ (event.submitter);
  const name = fill(texts.sample, { name: button.textContent.trim() });
  partOf(enqueue(name, [], button.value), "name").focus();
}

/**
 * Put a row into the list and what it stands for into the queue.
 * @param {string} name
 * @param {File[]} files
 * @param {string} sample
 * @returns {Job}
 */
function enqueue(name, files, sample = "") {
  the(HTMLElement, "[data-results]").hidden = false;
  const job = { name, files, sample, item: pendingRow(), request: null, nCards: 0 };
  fillRow(job);
  the(HTMLElement, "[data-result-list]").append(job.item);
  batch.nAll += 1;
  const problem = problemWith(files);
  if (problem) {
    refuse(job, problem);
  } else {
    queue.push(job);
    if (state.is === "idle") startNext();
  }
  return job;
}

/** Return a new row for the list. @returns {HTMLElement} */
function pendingRow() {
  const row = the(HTMLTemplateElement, "[data-pending]").content.cloneNode(true);
  return the(HTMLElement, "li", /** @type {DocumentFragment} */ (row));
}

/** Name a job in its row, and let its buttons do what they say. @param {Job} job */
function fillRow(job) {
  const { name, files, sample, item } = job;
  const [cancelButton, retry, remove] = ["cancel", "retry", "remove"].map((part) => partOf(job, part));
  partOf(job, "name").textContent = name;
  partOf(job, "state").textContent = texts.waiting;
  progressOf(job).setAttribute("aria-label", name);
  for (const button of [cancelButton, retry, remove]) {
    button.setAttribute("aria-label", `${button.textContent} - ${name}`);
  }
  cancelButton.addEventListener("click", () => cancel(job));
  retry.addEventListener("click", () => {
    const again = enqueue(name, files, sample);
    item.replaceWith(again.item);
    partOf(again, "name").focus();
  });
  remove.addEventListener("click", () => {
    item.remove();
    tell();
    the(HTMLElement, "#results-heading").focus();
  });
  showPendingPicture(the(HTMLImageElement, "[data-pending-picture]", item), files);
}

/** @param {HTMLImageElement} picture @param {File[]} files */
function showPendingPicture(picture, files) {
  if (files.length !== 1) return;
  const url = URL.createObjectURL(files[0]);
  picture.addEventListener("load", () => { picture.hidden = false; URL.revokeObjectURL(url); });
  picture.addEventListener("error", () => URL.revokeObjectURL(url));
  picture.src = url;
}

/** Send what waits longest, or rest: called when nothing is under way any more. */
function startNext() {
  const job = queue.shift();
  state = job ? { is: "sending", job } : { is: "idle" };
  tell();
  if (!job) return;
  say(fill(texts.busy, { n: queue.length + 1 }));
  send(job);
}

/** Say how much is done; the title says it to whoever looks at another tab. */
function tell() {
  const n = allCards().length;
  document.title = n ? `${texts.results} (${n}) - ${pageTitle}` : pageTitle;
  prepareDownloads();
  if (state.is !== "idle") {
    say(fill(texts.done, { n: batch.nDone, of: batch.nAll }));
  } else if (batch.nAll) {
    say(n ? texts.allDone : "");
    batch = { nDone: 0, nAll: 0 };
  }
}

/** Send one job and show its cards as they come. @param {Job} job */
function send(job) {
  const request = new XMLHttpRequest();
  job.request = request;
  let nRead = 0;
  const readLines = () => {
    if (request.status !== 200) return;
    const whole = request.responseText.lastIndexOf("\n") + 1;
    const lines = request.responseText.slice(nRead, whole).split("\n").filter(Boolean);
    lines.forEach((line) => onLine(job, JSON.parse(line)));
    nRead = whole;
  };
  progressOf(job).removeAttribute("value");
  request.upload.addEventListener("progress", (event) => onSent(job, event));
  request.upload.addEventListener("load", () => onAllSent(job));
  request.addEventListener("progress", readLines);
  request.addEventListener("abort", startNext);
  request.addEventListener("load", () => { readLines(); finish(job, request); });
  request.addEventListener("error", () => finish(job, request));
  request.open("POST", form?.dataset.stream ?? "");
  request.setRequestHeader("Accept", "application/x-ndjson, application/problem+json");
  request.send(bodyOf(job));
}

/** @param {Job} job @returns {FormData} */
function bodyOf(job) {
  const body = new FormData();
  job.files.forEach((file) => body.append("files", file));
  if (job.sample) body.append("sample", job.sample);
  body.append("number", String(nextNumber()));
  return body;
}

/** Return the number that the next card gets. @returns {number} */
function nextNumber() {
  return 1 + allCards().length;
}

/** @param {Job} job @param {ProgressEvent} event */
function onSent(job, event) {
  if (!event.lengthComputable) return;
  const share = event.loaded / event.total;
  progressOf(job).value = share;
  partOf(job, "state").textContent = fill(texts.sending, { percent: Math.round(100 * share) });
}

/** The server has all. @param {Job} job */
function onAllSent(job) {
  state = { is: "classifying", job };
  progressOf(job).removeAttribute("value");
  partOf(job, "state").textContent = texts.reading;
}

/** Show progress or a card that came. @param {Job} job @param {Line} line */
function onLine(job, line) {
  if ("card" in line) {
    showCard(job, line.card);
    return;
  }
  progressOf(job).value = line.done / line.of;
  partOf(job, "state").textContent = fill(texts.slices, line);
}

/** Put a card before the row of its job. @param {Job} job @param {string} html */
function showCard(job, html) {
  // The server's own template, without a word that a user wrote; the names are put in here, as text.
  const card = the(HTMLElement, "[data-card]", new DOMParser().parseFromString(html, "text/html"));
  /** @type {number[]} */
  const places = JSON.parse(card.dataset.record ?? "{}").files;
  const files = places.map((place) => job.files[place]).filter(Boolean);
  const name = job.sample ? job.name : nameOf(files);
  card.querySelectorAll("[data-file-name]").forEach((place) => { place.textContent = fill(texts.named, { name }); });
  card.dataset.file = job.sample ? "" : files.map((file) => file.name).join("; ");
  const item = document.createElement("li");
  item.append(document.adoptNode(card));
  const hasFocus = job.item.contains(document.activeElement);
  job.item.before(item);
  improve(card);
  job.nCards += 1;
  if (hasFocus && job.nCards === 1) the(HTMLElement, "h3", card).focus();
}

/** End a job whose answer is whole, or broke off. @param {Job} job @param {XMLHttpRequest} request */
function finish(job, request) {
  if (request.status === 200 && job.nCards) {
    job.item.remove();
    batch.nDone += 1;
  } else {
    refuse(job, problemDetail(request) || texts.broken);
  }
  startNext();
}

/** @param {XMLHttpRequest} request @returns {string} */
function problemDetail(request) {
  try {
    return JSON.parse(request.responseText).detail ?? "";
  } catch {
    return "";
  }
}

/** Leave the reason in the row: it counts as a result without an answer. @param {Job} job @param {string} reason */
function refuse(job, reason) {
  const number = nextNumber();
  const date = new Date().toISOString().replace(/\.\d+/, "");
  const card = the(HTMLElement, "article", job.item);
  card.dataset.card = "";
  card.dataset.file = job.files.map((file) => file.name).join("; ");
  card.dataset.record = JSON.stringify({ date, error: { code: "not_sent", detail: reason } });
  card.dataset.rows = JSON.stringify([{ number, kind: "refused", error: reason, date }]);
  partOf(job, "name").textContent = fill(texts.numbered, { n: number, name: job.name });
  stop(job, reason);
}

/** Stop one job at the wish of the user; what is cancelled is no result. @param {Job} job */
function cancel(job) {
  const place = queue.indexOf(job);
  if (place >= 0) queue.splice(place, 1);
  stop(job, texts.cancelled);
  // Where it is under way, this starts the next.
  job.request?.abort();
}

/** @param {Job} job @param {string} reason */
function stop(job, reason) {
  const hadFocus = job.item.contains(document.activeElement);
  ["progress", "state", "cancel"].forEach((part) => { partOf(job, part).hidden = true; });
  ["retry", "remove", "refusal"].forEach((part) => { partOf(job, part).hidden = false; });
  partOf(job, "refusal").textContent = reason;
  if (hadFocus) partOf(job, "name").focus();
  batch.nDone += 1;
  tell();
}

/** Give a card what only a script can; it is loaded with the first card. @param {Element} card */
async function improve(card) {
  if (card.querySelector("[data-viewer]")) (await import("./viewer.js")).improveViewers(card);
  if (card.querySelector("[data-volume]")) (await import("./volume.js")).improveVolumes(card);
}

/** Bring the two links up to date with the list; they are files made here, of this page alone. */
function prepareDownloads() {
  const cards = allCards().map(({ dataset }) => ({
    file: dataset.file ?? "", record: JSON.parse(dataset.record ?? "{}"), rows: JSON.parse(dataset.rows ?? "[]"),
  }));
  const results = cards.map(({ file, record }) => ({ file, ...record }));
  const rows = cards.flatMap(({ file, rows }) => rows.map((/** @type {object} */ row) => ({ ...row, file })));
  const disclaimer = the(HTMLElement, ".disclaimer").textContent.trim();
  setDownload("json", "application/json", JSON.stringify({ results, disclaimer }, null, 2));
  setDownload("csv", "text/csv", csvOf(rows));
}

/** @param {string} kind @param {string} type @param {string} text */
function setDownload(kind, type, text) {
  const link = the(HTMLAnchorElement, `[data-download=${kind}]`);
  if (link.href.startsWith("blob:")) URL.revokeObjectURL(link.href);
  link.href = URL.createObjectURL(new Blob([text], { type: `${type};charset=utf-8` }));
}

/**
 * Write rows as CSV, as model/records.py does; a cell that a spreadsheet would run as a formula becomes text.
 * @param {Record<string, unknown>[]} rows
 * @returns {string}
 */
function csvOf(rows) {
  /** @type {string[]} */
  const columns = JSON.parse(the(HTMLElement, "[data-columns]").dataset.columns ?? "[]");
  const cell = (/** @type {unknown} */ value) => {
    const text = String(value ?? "").replace(/^[=+\-@\t\r]/, "'$&");
    return /[",\n\r]/.test(text) ? `"${text.replaceAll('"', '""')}"` : text;
  };
  const lines = [columns, ...rows.map((row) => columns.map((column) => row[column]))];
  return `\ufeff${lines.map((line) => line.map(cell).join(",")).join("\r\n")}\r\n`;
}

/** Empty the list: everything of it is gone, there is no other copy. */
function clearResults() {
  queue.length = 0;
  the(HTMLElement, "[data-result-list]").replaceChildren();
  the(HTMLElement, "[data-results]").hidden = true;
  batch = { nDone: 0, nAll: 0 };
  if (state.is !== "idle") state.job.request?.abort();
  document.title = pageTitle;
  say("");
  the(HTMLElement, "#main").focus();
}

/** Details that were opened for the printer. @type {HTMLDetailsElement[]} */
let openedDetails = [];

/** Open every detail before printing, however it was asked for; a report without the model's version is none. */
function openDetails() {
  openedDetails = [...document.querySelectorAll("details")].filter((details) => !details.open);
  openedDetails.forEach((details) => { details.open = true; });
}

/** Leave the page as it was before printing. */
function closeDetails() {
  openedDetails.forEach((details) => { details.open = false; });
}

/** Return whether the page is dark now: as chosen, else as the system says. @returns {boolean} */
function isDark() {
  const chosen = document.documentElement.dataset.theme;
  return chosen ? chosen === "dark" : matchMedia("(prefers-color-scheme: dark)").matches;
}

/** Switch between the light page and the dark room; forgotten with the page. @param {HTMLButtonElement} button */
function offerThemes(button) {
  const name = () => { button.textContent = (isDark() ? button.dataset.textLight : button.dataset.textDark) ?? ""; };
  button.hidden = false;
  button.addEventListener("click", () => {
    document.documentElement.dataset.theme = isDark() ? "light" : "dark";
    name();
  });
  name();
}

/** Let the form send its files one by one, with progress. @param {HTMLFormElement} form */
function improveForm(form) {
  const fields = [...form.querySelectorAll("input")].filter((input) => input.type === "file");
  const allFiles = () => fields.flatMap((field) => [...(field.files ?? [])]);
  fields.forEach((field) => field.addEventListener("change", () => choose(allFiles())));
  form.addEventListener("submit", onSubmit);
  the(HTMLFormElement, "[data-samples]").addEventListener("submit", onSample);
  listenForDrops(the(HTMLElement, "[data-drop]", form));
  document.addEventListener("paste", (event) => { if (take(event.clipboardData)) event.preventDefault(); });
}

/** Let the list of results be printed and emptied. */
function improveList() {
  const [print, clear] = ["[data-print]", "[data-clear]"].map((name) => the(HTMLButtonElement, name));
  print.hidden = false;
  clear.hidden = false;
  print.addEventListener("click", () => window.print());
  clear.addEventListener("click", clearResults);
  window.addEventListener("beforeprint", openDetails);
  window.addEventListener("afterprint", closeDetails);
  // There is no other copy of the list: ask before a link or a reload takes it away.
  window.addEventListener("beforeunload", (event) => { if (allCards().length) event.preventDefault(); });
}

/** @type {HTMLElement | null} */ (document.querySelector("[data-focus]"))?.focus();
offerThemes(the(HTMLButtonElement, "[data-theme-switch]"));
allCards().forEach(improve);
if (form) {
  improveForm(form);
  improveList();
}
