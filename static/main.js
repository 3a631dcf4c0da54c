// Improves the page where JavaScript runs: previews, drop, paste, progress of each file, cancel, heat map, downloads.
// Nothing needs it: without it the form sends all files at once and the server answers with the whole page.

/**
 * What is sent at once: one file, or the files of a DICOM series; and its row in the list while it waits.
 * @typedef {{name: string, files: File[], sample: string, item: HTMLElement, request: XMLHttpRequest | null, nCards: number, find: (part: string) => any}} Job
 */

/** @type {HTMLFormElement | null} */
const form = document.querySelector("[data-upload]");
const texts = form?.dataset ?? {};
const status = document.querySelector("[data-status]");
const resultsSection = document.querySelector("[data-results]");
const resultList = document.querySelector("[data-result-list]");
const pageTitle = document.title.split(" - ").at(-1);
/** Object URLs of the previews on show; each is revoked when its picture goes. */
let previewUrls = [];
/** The files that were chosen, dropped or pasted last. @type {File[]} */
let chosenFiles = [];
/** What waits to be sent, in order; one is under way at a time. @type {Job[]} */
const queue = [];
/** @type {Job | null} */
let current = null;
/** How much of what was asked for since the queue was last empty is done. */
let batch = { nDone: 0, nAll: 0 };

/** Say something in the live region. @param {string} text */
function say(text) {
  status.textContent = text;
}

/** Fill the {names} of a sentence. @param {string} template @param {Record<string, string | number>} values @returns {string} */
function fill(template, values) {
  return template.replace(/\{(\w+)\}/g, (_, name) => String(values[name]));
}

/** Why files cannot be sent together, or nothing. @param {File[]} files @returns {string} */
function problemWith(files) {
  const nBytes = files.reduce((sum, file) => sum + file.size, 0);
  if (files.length > Number(texts.maxFiles)) return texts.textTooMany;
  if (nBytes > Number(texts.maxBytes)) return texts.textTooLarge;
  return "";
}

/** Whether a file shows the mark of DICOM after its preamble. @param {File} file @returns {Promise<boolean>} */
async function isDicom(file) {
  const mark = new Uint8Array(await file.slice(128, 132).arrayBuffer());
  return String.fromCharCode(...mark) === "DICM";
}

/** Put all DICOM files together, since a series is many files; every other file alone. @param {File[]} files @returns {Promise<File[][]>} */
async function grouped(files) {
  const groups = [];
  let series = null;
  for (const file of files) {
    if (!(await isDicom(file))) {
      groups.push([file]);
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
  if (files.length < 2) return files[0]?.name ?? "";
  return fill(texts.textSeries, { first: files[0].name, last: files.at(-1).name, n: files.length });
}

/** Show the chosen pictures; a file that a browser cannot draw (TIFF, DICOM) shows none. @param {File[]} files */
function showPreviews(files) {
  previewUrls.forEach((url) => URL.revokeObjectURL(url));
  previewUrls = files.slice(0, 24).map((file) => URL.createObjectURL(file));
  form.querySelector("[data-previews]").replaceChildren(...previewUrls.map(pictureOf));
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
  return files.length > 5 ? fill(texts.textMore, { names, n: files.length - 5 }) : names;
}

/** Remember and show a choice of files, however it was made. @param {File[]} files */
function choose(files) {
  chosenFiles = files;
  showPreviews(files);
  if (!files.length) return;
  blameField(false);
  say(fill(texts.textChosen, { names: namesOf(files) }));
}

/** Take files that were dropped or pasted. @param {DataTransfer | null} transfer @returns {boolean} whether there were any */
function take(transfer) {
  const entries = [...(transfer?.items ?? [])].map((item) => item.webkitGetAsEntry?.()).filter(Boolean);
  const files = [...(transfer?.files ?? [])];
  if (entries.some((entry) => entry.isDirectory)) {
    Promise.all(entries.map(filesIn)).then((found) => choose(found.flat()));
  } else if (files.length) {
    choose(files);
  }
  return files.length > 0 || entries.length > 0;
}

/** Give the files of a dropped folder, hidden ones left out. @param {FileSystemEntry} entry @returns {Promise<File[]>} */
async function filesIn(entry) {
  if (entry.name.startsWith(".")) return [];
  if (entry.isFile) return [await new Promise((resolve, reject) => entry.file(resolve, reject))];
  const reader = entry.createReader();
  const inside = [];
  for (;;) {
    // A folder gives its entries in portions; an empty one is the last.
    const some = await new Promise((resolve, reject) => reader.readEntries(resolve, reject));
    if (!some.length) break;
    inside.push(...some);
  }
  inside.sort((a, b) => a.name.localeCompare(b.name, undefined, { numeric: true }));
  return (await Promise.all(inside.map(filesIn))).flat();
}

/** Let files be dropped anywhere: beside the field, a browser would open the file in place of the page. @param {HTMLElement} field */
function listenForDrops(field) {
  const mark = (over) => field.classList.toggle("drop-over", over);
  document.addEventListener("dragover", (event) => { event.preventDefault(); mark(true); });
  document.addEventListener("dragleave", (event) => { if (!event.relatedTarget) mark(false); });
  document.addEventListener("drop", (event) => { event.preventDefault(); mark(false); take(event.dataTransfer); });
}

/** Mark the field as wrong, or as right again. @param {boolean} isWrong */
function blameField(isWrong) {
  const input = form.querySelector("#files");
  form.querySelector("[data-field-error]").hidden = !isWrong;
  input.closest(".field").classList.toggle("field-wrong", isWrong);
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
  form.reset();
  choose([]);
  const jobs = (await grouped(files)).map((group) => enqueue(nameOf(group), group));
  jobs[0].find("name").focus();
}

/** Send a sample, with the same progress. @param {SubmitEvent} event */
function onSample(event) {
  event.preventDefault();
  const { submitter } = event;
  const name = fill(texts.textSample, { name: submitter.textContent.trim() });
  enqueue(name, [], submitter.value).find("name").focus();
}

/** Put a row into the list and what it stands for into the queue. @param {string} name @param {File[]} files @param {string} sample @returns {Job} */
function enqueue(name, files, sample = "") {
  resultsSection.hidden = false;
  const item = document.querySelector("[data-pending]").content.firstElementChild.cloneNode(true);
  const find = (part) => item.querySelector(`[data-pending-${part}]`);
  const job = { name, files, sample, item, find, request: null, nCards: 0 };
  find("name").textContent = name;
  ["cancel", "retry", "remove"].forEach((part) => find(part).setAttribute("aria-label", `${find(part).textContent} - ${name}`));
  find("progress").setAttribute("aria-label", name);
  find("state").textContent = texts.textWaiting;
  find("cancel").addEventListener("click", () => cancel(job));
  find("remove").addEventListener("click", () => { item.remove(); tell(); resultsSection.querySelector("h2").focus(); });
  find("retry").addEventListener("click", () => { const again = enqueue(name, files, sample); item.replaceWith(again.item); again.find("name").focus(); });
  showPendingPicture(find("picture"), files);
  resultList.append(item);
  batch.nAll += 1;
  const problem = problemWith(files);
  if (problem) {
    refuse(job, problem);
  } else {
    queue.push(job);
    work();
  }
  return job;
}

/** @param {HTMLImageElement} picture @param {File[]} files */
function showPendingPicture(picture, files) {
  if (files.length !== 1) return;
  const url = URL.createObjectURL(files[0]);
  picture.addEventListener("load", () => { picture.hidden = false; URL.revokeObjectURL(url); });
  picture.addEventListener("error", () => URL.revokeObjectURL(url));
  picture.src = url;
}

/** Work through the queue. */
async function work() {
  if (current) return;
  while ((current = queue.shift() ?? null)) {
    say(fill(texts.textBusy, { n: queue.length + 1 }));
    await send(current);
  }
  tell();
}

/** Say how much is done; the title says it to whoever looks at another tab. */
function tell() {
  const n = document.querySelectorAll("[data-card]").length;
  document.title = n ? `${resultsSection.dataset.textTitle} (${n}) - ${pageTitle}` : pageTitle;
  prepareDownloads();
  if (current || queue.length) {
    say(fill(texts.textDone, { n: batch.nDone, of: batch.nAll }));
  } else if (batch.nAll) {
    say(n ? texts.textAllDone : "");
    batch = { nDone: 0, nAll: 0 };
  }
}

/** Send one job and show its cards as they come. @param {Job} job @returns {Promise<void>} */
function send(job) {
  const body = new FormData();
  job.files.forEach((file) => body.append("files", file));
  if (job.sample) body.append("sample", job.sample);
  body.append("number", String(nextNumber()));
  const request = new XMLHttpRequest();
  job.request = request;
  let nRead = 0;
  return new Promise((resolve) => {
    const readLines = () => {
      const whole = request.responseText.lastIndexOf("\n") + 1;
      request.responseText.slice(nRead, whole).split("\n").filter(Boolean).forEach((line) => onLine(job, JSON.parse(line)));
      nRead = whole;
    };
    job.find("progress").removeAttribute("value");
    request.upload.addEventListener("progress", (event) => onSent(job, event));
    request.upload.addEventListener("load", () => { job.find("state").textContent = texts.textReading; job.find("progress").removeAttribute("value"); });
    request.addEventListener("progress", () => { if (request.status === 200) readLines(); });
    request.addEventListener("abort", resolve);
    request.addEventListener("load", () => { if (request.status === 200) readLines(); finish(job); resolve(); });
    request.addEventListener("error", () => { finish(job); resolve(); });
    request.open("POST", texts.stream);
    request.setRequestHeader("Accept", "application/x-ndjson, application/problem+json");
    request.send(body);
  });
}

/** The number that the next card gets. @returns {number} */
function nextNumber() {
  return 1 + document.querySelectorAll("[data-card]").length;
}

/** @param {Job} job @param {ProgressEvent} event */
function onSent(job, event) {
  if (!event.lengthComputable) return;
  const share = event.loaded / event.total;
  job.find("progress").value = share;
  job.find("state").textContent = fill(texts.textSending, { percent: Math.round(100 * share) });
}

/** Show progress or a card that came. @param {Job} job @param {{done?: number, of?: number, card?: string}} line */
function onLine(job, line) {
  if (!line.card) {
    job.find("progress").value = line.done / line.of;
    job.find("state").textContent = fill(texts.textSlices, line);
    return;
  }
  // The server's own template, without a word that a user wrote; the names are put in here, as text.
  const card = new DOMParser().parseFromString(line.card, "text/html").querySelector("[data-card]");
  const files = JSON.parse(card.dataset.record).files.map((place) => job.files[place]).filter(Boolean);
  const name = job.sample ? job.name : nameOf(files);
  card.querySelectorAll("[data-file-name]").forEach((place) => { place.textContent = fill(texts.textNamed, { name }); });
  card.dataset.file = job.sample ? "" : files.map((file) => file.name).join("; ");
  const item = document.createElement("li");
  item.append(document.adoptNode(card));
  const hasFocus = job.item.contains(document.activeElement);
  job.item.before(item);
  improve(card);
  job.nCards += 1;
  if (hasFocus && job.nCards === 1) card.querySelector("h3").focus();
}

/** The answer is whole, or broke off. @param {Job} job */
function finish(job) {
  if (job.request.status !== 200 || !job.nCards) {
    refuse(job, problemDetail(job.request) || texts.textBroken);
    return;
  }
  job.item.remove();
  batch.nDone += 1;
  current = queue.length ? current : null;
  tell();
}

/** @param {XMLHttpRequest} request @returns {string} */
function problemDetail(request) {
  try {
    return JSON.parse(request.responseText).detail ?? "";
  } catch {
    return "";
  }
}

/** Leave the reason in the row, which counts as a result without an answer. @param {Job} job @param {string} reason */
function refuse(job, reason) {
  const number = nextNumber();
  const date = new Date().toISOString().replace(/\.\d+/, "");
  const card = job.item.firstElementChild;
  card.dataset.card = "";
  card.dataset.file = job.files.map((file) => file.name).join("; ");
  card.dataset.record = JSON.stringify({ date, error: { code: "not_sent", detail: reason } });
  card.dataset.rows = JSON.stringify([{ number, kind: "refused", error: reason, date }]);
  job.find("name").textContent = fill(texts.textNumbered, { n: number, name: job.name });
  stop(job, reason);
}

/** Stop one job at the wish of the user; what is cancelled is no result. @param {Job} job */
function cancel(job) {
  const place = queue.indexOf(job);
  if (place >= 0) queue.splice(place, 1);
  job.request?.abort();
  stop(job, texts.textCancelled);
}

/** @param {Job} job @param {string} reason */
function stop(job, reason) {
  const hadFocus = job.item.contains(document.activeElement);
  ["progress", "state", "cancel"].forEach((part) => { job.find(part).hidden = true; });
  ["retry", "remove", "refusal"].forEach((part) => { job.find(part).hidden = false; });
  job.find("refusal").textContent = reason;
  if (hadFocus) job.find("name").focus();
  batch.nDone += 1;
  tell();
}

/** Give a card what only a script can: the opacity of its heat maps. @param {Element} card */
function improve(card) {
  card.querySelectorAll("[data-opacity-field]").forEach((field) => {
    field.hidden = false;
    field.querySelector("[data-opacity]").addEventListener("input", (event) => {
      field.parentElement.querySelectorAll("[data-layer]").forEach((layer) => { layer.style.opacity = String(event.target.value / 100); });
    });
  });
}

/** Bring the two links up to date with the list; they are files made here, of this page alone. */
function prepareDownloads() {
  const cards = [...document.querySelectorAll("[data-card]")];
  const records = cards.map((card) => ({ file: card.dataset.file ?? "", ...JSON.parse(card.dataset.record) }));
  const rows = cards.flatMap((card) => JSON.parse(card.dataset.rows).map((row) => ({ ...row, file: card.dataset.file ?? "" })));
  const disclaimer = document.querySelector(".disclaimer").textContent.trim();
  setDownload("json", "application/json", JSON.stringify({ results: records, disclaimer }, null, 2));
  setDownload("csv", "text/csv", csvOf(rows));
}

/** @param {string} kind @param {string} type @param {string} text */
function setDownload(kind, type, text) {
  const link = document.querySelector(`[data-download=${kind}]`);
  if (link.href.startsWith("blob:")) URL.revokeObjectURL(link.href);
  link.href = URL.createObjectURL(new Blob([text], { type: `${type};charset=utf-8` }));
}

/** Write rows as CSV, as web/records.py does; a cell that a spreadsheet would run as a formula becomes text. @param {Record<string, unknown>[]} rows @returns {string} */
function csvOf(rows) {
  const columns = JSON.parse(document.querySelector("[data-columns]").dataset.columns);
  const cell = (value) => {
    const text = String(value ?? "").replace(/^[=+\-@\t\r]/, "'$&");
    return /[",\n\r]/.test(text) ? `"${text.replaceAll('"', '""')}"` : text;
  };
  const lines = [columns, ...rows.map((row) => columns.map((column) => row[column]))];
  return `\ufeff${lines.map((line) => line.map(cell).join(",")).join("\r\n")}\r\n`;
}

/** Empty the list: everything of it is gone, there is no other copy. */
function clearResults() {
  queue.length = 0;
  current?.request?.abort();
  resultList.replaceChildren();
  resultsSection.hidden = true;
  batch = { nDone: 0, nAll: 0 };
  document.title = pageTitle;
  say("");
  document.querySelector("#main").focus();
}

/** Details that were opened for the printer. @type {HTMLDetailsElement[]} */
let openedDetails = [];

/** Open every detail before printing, however it was asked for; a report without the model's version is none. */
function openDetails() {
  openedDetails = [...document.querySelectorAll(".details:not([open])")];
  openedDetails.forEach((details) => { details.open = true; });
}

/** Leave the page as it was before printing. */
function closeDetails() {
  openedDetails.forEach((details) => { details.open = false; });
}

/** Switch between the light page and the dark room; forgotten with the page. @param {HTMLButtonElement} button */
function offerThemes(button) {
  const isDark = () => (document.documentElement.dataset.theme ?? (matchMedia("(prefers-color-scheme: dark)").matches ? "dark" : "light")) === "dark";
  const name = () => { button.textContent = isDark() ? button.dataset.textLight : button.dataset.textDark; };
  button.hidden = false;
  button.addEventListener("click", () => { document.documentElement.dataset.theme = isDark() ? "light" : "dark"; name(); });
  name();
}

document.querySelector("[data-focus]")?.focus();
offerThemes(document.querySelector("[data-theme-switch]"));
document.querySelectorAll("[data-card]").forEach(improve);
if (form) {
  const fields = form.querySelectorAll("[type=file]");
  fields.forEach((field) => field.addEventListener("change", () => choose([...fields].flatMap((each) => [...each.files]))));
  form.addEventListener("submit", onSubmit);
  document.querySelector("[data-samples]").addEventListener("submit", onSample);
  listenForDrops(form.querySelector("[data-drop]"));
  document.addEventListener("paste", (event) => { if (take(event.clipboardData)) event.preventDefault(); });
  document.querySelectorAll("[data-print], [data-clear]").forEach((button) => { button.hidden = false; });
  document.querySelector("[data-print]").addEventListener("click", () => window.print());
  window.addEventListener("beforeprint", openDetails);
  window.addEventListener("afterprint", closeDetails);
  document.querySelector("[data-clear]").addEventListener("click", clearResults);
  // There is no other copy of the list: ask before a link or a reload takes it away.
  window.addEventListener("beforeunload", (event) => { if (document.querySelector("[data-card]")) event.preventDefault(); });
}
