// Improves the page where JavaScript runs: previews, drop, paste, progress of each file, cancel, downloads.
// Without it the form sends all files at once, and the server answers with the whole page.

import { grouped, namesInZip } from "./files.js";
import { fill, ResultTable } from "./results.js";

/**
 * What is sent in one request, one file or the files of a series, with its row in the list while it waits.
 * @typedef {object} Job
 * @property {string} name
 * @property {File[]} files
 * @property {string[]} inZip the names in a zip file, in the order of its directory
 * @property {string} sample its name, if it is a sample instead of files
 * @property {HTMLElement} item the row
 * @property {XMLHttpRequest | null} request
 * @property {HTMLElement[]} cards the cards that came so far
 * @property {string} busy what the server said if it was too busy: then the files can be sent again
 * @property {Before[]} before what to do with the cards, if the files are sent again in another language
 */

/**
 * A card before the language changed: removed, open, or marked with this diagnosis.
 * @typedef {{number: number, isRemoved: boolean, isOpen: boolean, truth: string}} Before
 */

/**
 * The job in work, if any: its files are being sent or are with the server.
 * @typedef {{is: "idle"} | {is: "sending" | "classifying", job: Job}} State
 */

/** One line of an answer. @typedef {{done: number, of: number} | {card: string, row: string}} Line */

/** @type {HTMLFormElement | null} */
let form = null;
/** The sentences, in the page's language. @type {Record<string, string>} */
let texts = {};
let pageTitle = "";
/** How many chosen files are listed one by one, and how many are named in a sentence; of the others, two or more are counted. */
const MAX_LISTED = 24;
const MAX_NAMED = 5;
/** Object URLs of the previews; each is revoked with its image. @type {string[]} */
let previewUrls = [];
/** Files that were chosen, dropped or pasted, but not sent yet. @type {File[]} */
let chosenFiles = [];
/** What waits to be sent, in order. @type {Job[]} */
const queue = [];
/** All that were asked for, in order: only this page holds their files. @type {Job[]} */
let jobs = [];
/** @type {State} */
let state = { is: "idle" };
/** How many jobs since the queue was last empty, and how many of them are done. */
let batch = { nDone: 0, nAll: 0 };
/** The list as a table. @type {ResultTable | null} */
let table = null;

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

/** Announce something in the live region. @param {string} text */
function say(text) {
  the(HTMLElement, "[data-status]").textContent = text;
}

/** Return why files cannot be sent together, or nothing. @param {File[]} files @returns {string} */
function problemWith(files) {
  const nBytes = files.reduce((sum, file) => sum + file.size, 0);
  if (files.length > Number(form?.dataset.maxFiles)) return texts.tooMany;
  if (nBytes > Number(form?.dataset.maxBytes)) return texts.tooLarge;
  return "";
}

/** Return a name for files that were read together. @param {File[]} files @returns {string} */
function nameOf(files) {
  const [first, last] = [files[0]?.name ?? "", files.at(-1)?.name ?? ""];
  return files.length < 2 ? first : fill(texts.series, { first, last, n: files.length });
}

/** List the chosen files, each with a button that removes it. */
function showChosen() {
  previewUrls.forEach((url) => URL.revokeObjectURL(url));
  previewUrls = [];
  const list = the(HTMLElement, "[data-chosen]");
  const [listed, more] = someOf(chosenFiles, MAX_LISTED);
  list.replaceChildren(...listed.map(chosenItem));
  if (more) list.append(Object.assign(document.createElement("li"), { textContent: fill(texts.moreFiles, { n: more }) }));
  const input = the(HTMLInputElement, "#files");
  const transfer = new DataTransfer();
  chosenFiles.forEach((file) => transfer.items.add(file));
  input.files = transfer.files;
}

/** Return the item of one chosen file; formats that a browser cannot draw (TIFF, DICOM) have no preview. @param {File} file */
function chosenItem(file) {
  const template = the(HTMLTemplateElement, "[data-chosen-file]").content.cloneNode(true);
  const item = the(HTMLElement, "li", /** @type {DocumentFragment} */ (template));
  const [picture, remove] = [the(HTMLImageElement, "img", item), the(HTMLButtonElement, "button", item)];
  const url = URL.createObjectURL(file);
  previewUrls.push(url);
  picture.addEventListener("load", () => { picture.hidden = false; });
  picture.src = url;
  the(HTMLElement, "[data-name]", item).textContent = file.name;
  remove.setAttribute("aria-label", `${remove.textContent} - ${file.name}`);
  remove.addEventListener("click", () => {
    chosenFiles = chosenFiles.filter((other) => other !== file);
    showChosen();
    the(HTMLInputElement, "#files").focus();
  });
  return item;
}

/** Return the first files, and the number of the others: never one. @param {File[]} files @param {number} n @returns {[File[], number]} */
function someOf(files, n) {
  return files.length <= n + 1 ? [files, 0] : [files.slice(0, n), files.length - n];
}

/** Name a few files and count the others. @param {File[]} files @returns {string} */
function namesOf(files) {
  const [named, n] = someOf(files, MAX_NAMED);
  const names = named.map((file) => file.name).join(", ");
  return n ? fill(texts.more, { names, n }) : names;
}

/** Add files to the chosen ones; the same file counts once. @param {File[]} files */
function choose(files) {
  const isSame = (/** @type {File} */ a, /** @type {File} */ b) =>
    a.name === b.name && a.size === b.size && a.lastModified === b.lastModified;
  const added = files.filter((file) => !chosenFiles.some((other) => isSame(file, other)));
  chosenFiles = [...chosenFiles, ...added];
  showChosen();
  if (!chosenFiles.length) return;
  blameField(false);
  say(fill(texts.chosen, { names: namesOf(chosenFiles) }));
}

/** Take files from a drop or paste; with results on the page they are sent at once. @param {File[]} files */
function takeFiles(files) {
  choose(files);
  if (files.length && allCards().length) form?.requestSubmit();
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
    Promise.all(entries.map(filesIn)).then((found) => takeFiles(found.flat()));
  } else if (files.length) {
    takeFiles(files);
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

/** Accept drops anywhere: outside the field, a browser would open the file instead of the page. */
function listenForDrops() {
  const mark = (/** @type {boolean} */ over) => the(HTMLElement, "[data-drop]").classList.toggle("drop-over", over);
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

/** Send the chosen files, one request per group. @param {SubmitEvent} event */
async function onSubmit(event) {
  event.preventDefault();
  const files = chosenFiles;
  blameField(!files.length);
  if (!files.length) return;
  form?.reset();
  chosenFiles = [];
  showChosen();
  const asked = (await grouped(files)).map(async (group) => (
    { files: group, inZip: group.length === 1 ? await namesInZip(group[0]) : [], sample: "" }));
  const added = enqueue(await Promise.all(asked));
  if (added[0].cards.length) showResults(added[0], added.length === 1);
  else partOf(added[0], "name").focus();
}

/** Send a sample, with the same progress. @param {SubmitEvent} event */
function onSample(event) {
  event.preventDefault();
  const button = /** @type {HTMLButtonElement} */ (event.submitter);
  const [job] = enqueue([{ files: [], inZip: [], sample: button.value }]);
  partOf(job, "name").focus();
}

/** @param {string} sample @returns {string} */
function nameOfSample(sample) {
  return fill(texts.sample, { name: the(HTMLElement, `[name="sample"][value="${sample}"]`).textContent.trim() });
}

/**
 * Put jobs into the queue and their rows into the list.
 * @param {Pick<Job, "files" | "inZip" | "sample">[]} asked
 * @param {Before[][]} before
 * @returns {Job[]}
 */
function enqueue(asked, before = []) {
  the(HTMLElement, "[data-results]").hidden = false;
  batch.nAll += asked.length;
  const added = asked.map((one, i) => newJob(one, before[i] ?? []));
  if (state.is === "idle") startNext();
  return added;
}

/** @param {Pick<Job, "files" | "inZip" | "sample">} asked @param {Before[]} before @returns {Job} */
function newJob(asked, before) {
  const name = asked.sample ? nameOfSample(asked.sample) : nameOf(asked.files);
  const job = { ...asked, name, item: pendingRow(), request: null, cards: [], busy: "", before };
  jobs.push(job);
  fillRow(job);
  the(HTMLElement, "[data-result-list]").append(job.item);
  const problem = problemWith(job.files);
  if (problem) refuse(job, problem);
  else queue.push(job);
  return job;
}

/** Return a new row for the list. @returns {HTMLElement} */
function pendingRow() {
  const row = the(HTMLTemplateElement, "[data-pending]").content.cloneNode(true);
  return the(HTMLElement, "li", /** @type {DocumentFragment} */ (row));
}

/** Fill the row of a job, and connect its buttons. @param {Job} job */
function fillRow(job) {
  const { name, files, item } = job;
  const [cancelButton, retry, remove] = ["cancel", "retry", "remove"].map((part) => partOf(job, part));
  partOf(job, "name").textContent = name;
  partOf(job, "state").textContent = texts.waiting;
  progressOf(job).setAttribute("aria-label", name);
  for (const button of [cancelButton, retry, remove]) {
    button.setAttribute("aria-label", `${button.textContent} - ${name}`);
  }
  cancelButton.addEventListener("click", () => cancel(job));
  retry.addEventListener("click", () => {
    const [again] = enqueue([job]);
    item.replaceWith(again.item);
    dropRow(item);
    partOf(again, "name").focus();
  });
  remove.addEventListener("click", () => {
    item.remove();
    dropRow(item);
    tell();
    the(HTMLElement, "#results-heading").focus();
  });
  showPendingPicture(the(HTMLImageElement, "[data-pending-picture]", item), files);
}

/** Remove the table's row of a refusal that was removed. @param {HTMLElement} item */
function dropRow(item) {
  const number = the(HTMLElement, "article", item).dataset.number;
  const row = table?.rows().find((one) => number && one.dataset.number === number);
  if (row) table?.drop(row);
}

/** @param {HTMLImageElement} picture @param {File[]} files */
function showPendingPicture(picture, files) {
  if (files.length !== 1) return;
  const url = URL.createObjectURL(files[0]);
  picture.addEventListener("load", () => { picture.hidden = false; URL.revokeObjectURL(url); });
  picture.addEventListener("error", () => URL.revokeObjectURL(url));
  picture.src = url;
}

/** Send the job that waits longest, if any; called when no job is in work. */
function startNext() {
  const job = queue.shift();
  state = job ? { is: "sending", job } : { is: "idle" };
  tell();
  if (!job) return;
  say(fill(texts.busy, { n: queue.length + 1 }));
  send(job);
}

/** Show how much is done, also in the title for readers of another tab. */
function tell() {
  const n = allCards().length;
  document.title = n ? `${texts.results} (${n}) - ${pageTitle}` : pageTitle;
  prepareDownloads();
  const bar = the(HTMLProgressElement, "[data-batch]");
  const isDone = batch.nDone >= batch.nAll;
  bar.hidden = isDone || batch.nAll < 2;
  bar.value = batch.nDone / Math.max(batch.nAll, 1);
  if (!isDone) {
    say(fill(texts.done, { n: batch.nDone, of: batch.nAll }));
  } else if (batch.nAll) {
    say(n ? texts.allDone : "");
    batch = { nDone: 0, nAll: 0 };
  }
  table?.update();
}

/** Return whether more results than one are being made: of several files, or of those in a zip file. */
function awaitsMore() {
  return batch.nAll > 1 || (state.is !== "idle" && state.job.inZip.length > 1);
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
  progressOf(job).hidden = false;
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
  body.append("number", String(numberOf(job)));
  return body;
}

/** Return the number that the next card gets. @returns {number} */
function nextNumber() {
  return 1 + Math.max(0, ...allCards().map((card) => Number(card.dataset.number)));
}

/** Return the number of the first card of a job, which it keeps in another language. @param {Job} job @returns {number} */
function numberOf(job) {
  return job.before[0]?.number ?? nextNumber();
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
    showCard(job, line);
    return;
  }
  progressOf(job).value = line.done / line.of;
  partOf(job, "state").textContent = fill(texts.slices, line);
}

/** Put a card before the row of its job, and its row into the table. @param {Job} job @param {{card: string, row: string}} line */
function showCard(job, line) {
  // HTML of the server's template. File names are put in here, as text.
  const parse = (/** @type {string} */ html) => new DOMParser().parseFromString(html, "text/html");
  const card = the(HTMLElement, "[data-card]", parse(line.card));
  const row = the(HTMLElement, "[data-row]", parse(`<table>${line.row}</table>`));
  const record = JSON.parse(card.dataset.record ?? "{}");
  if (record.error?.code === "overloaded" && job.inZip.length < 2) {
    job.busy = record.error.detail;
    return;
  }
  const file = fileNameOf(job, record);
  // A file with several sequences gives several cards.
  const nBefore = job.cards.filter((other) => other.dataset.file === file).length;
  const name = fill(texts.named, { name: (job.sample ? job.name : file) + (nBefore ? ` (${nBefore + 1})` : "") });
  card.querySelectorAll("[data-file-name]").forEach((place) => { place.textContent = name; });
  card.dataset.file = file;
  const item = document.createElement("li");
  item.append(document.adoptNode(card));
  const before = job.before[job.cards.length];
  job.cards.push(card);
  if (before?.isRemoved) return;
  job.item.before(item);
  table?.add(document.adoptNode(row), name, before?.truth);
  if (before?.isOpen) table?.openToo(card.dataset.number);
}

/**
 * Name the files of a result; of a zip file, those in it.
 * @param {Job} job
 * @param {{files: number[], members?: {index: number}[]}} record
 * @returns {string}
 */
function fileNameOf(job, record) {
  const files = record.files.map((place) => job.files[place]).filter(Boolean);
  const members = (record.members ?? []).map((member) => job.inZip[member.index]).filter(Boolean);
  if (!members.length) return nameOf(files);
  const [first, last] = [members[0], members[members.length - 1]];
  const inside = members.length < 2 ? first : fill(texts.series, { first, last, n: members.length });
  return `${nameOf(files)}/${inside}`;
}

/** End a job whose answer is complete or was cut off. @param {Job} job @param {XMLHttpRequest} request */
function finish(job, request) {
  const hadFocus = job.item.contains(document.activeElement);
  const isAlone = batch.nAll === 1;
  if (request.status === 200 && job.cards.length) {
    job.item.remove();
    batch.nDone += 1;
  } else {
    refuse(job, problemDetail(request) || job.busy || texts.broken);
  }
  startNext();
  if (hadFocus) showResults(job, isAlone);
}

/** Lead to the results of a job: the only one is opened, of several the table is shown. @param {Job} job @param {boolean} isAlone */
function showResults(job, isAlone) {
  if (isAlone && job.cards.length === 1) table?.open(job.cards[0].dataset.number);
  else the(HTMLElement, "#results-heading").focus();
}

/** @param {XMLHttpRequest} request @returns {string} */
function problemDetail(request) {
  try {
    return JSON.parse(request.responseText).detail ?? "";
  } catch {
    return "";
  }
}

/** Show the reason in the row, which counts as a result without an answer. @param {Job} job @param {string} reason */
function refuse(job, reason) {
  const number = numberOf(job);
  const date = new Date().toISOString().replace(/\.\d+/, "");
  const card = the(HTMLElement, "article", job.item);
  job.cards.push(card);
  card.dataset.card = "";
  card.dataset.number = String(number);
  card.dataset.file = job.files.map((file) => file.name).join("; ");
  card.dataset.record = JSON.stringify({ date, error: { code: "not_sent", detail: reason } });
  card.dataset.rows = JSON.stringify([{ number, kind: "refused", error: reason, date }]);
  partOf(job, "name").textContent = fill(texts.numbered, { n: number, name: job.name });
  table?.addRefused(number, fill(texts.named, { name: job.name }), reason, job.before[0]?.truth);
  stop(job, reason);
}

/** Cancel one job; it does not count as a result. @param {Job} job */
function cancel(job) {
  const place = queue.indexOf(job);
  if (place >= 0) queue.splice(place, 1);
  stop(job, texts.cancelled);
  // If it is in work, this starts the next one.
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

/** Add the script's tools to a card; they are loaded with the first card. @param {Element} card */
async function improve(card) {
  if (card.querySelector("[data-viewer]")) (await import("./viewer.js")).improveViewers(card);
  if (card.querySelector("[data-volume]")) (await import("./volume.js")).improveVolumes(card);
}

/** Update the download links, whose files are made in this page. */
function prepareDownloads() {
  const cards = allCards().map(({ dataset }) => ({
    file: dataset.file ?? "", record: JSON.parse(dataset.record ?? "{}"), rows: JSON.parse(dataset.rows ?? "[]"),
    truth: table?.truthOf(dataset.number) ?? "",
  }));
  const results = cards.map(({ file, record, truth }) => ({ file, ...record, ...(truth && { true_diagnosis: truth }) }));
  const rows = cards.flatMap(({ file, rows, truth }) =>
    rows.map((/** @type {object} */ row) => ({ ...row, file, true_diagnosis: truth })));
  const disclaimer = the(HTMLElement, "[data-disclaimer]").textContent.trim();
  setDownload("json", "application/json", JSON.stringify({ results, disclaimer }, null, 2));
  setDownload("csv", "text/csv", csvOf(rows));
  setDownload("excel", "text/csv", csvOf(rows, ";", ","));
}

/** @param {string} kind @param {string} type @param {string} text */
function setDownload(kind, type, text) {
  const link = document.querySelector(`[data-download=${kind}]`);
  if (!(link instanceof HTMLAnchorElement)) return;
  if (link.href.startsWith("blob:")) URL.revokeObjectURL(link.href);
  link.href = URL.createObjectURL(new Blob([text], { type: `${type};charset=utf-8` }));
}

/**
 * Return rows as CSV, as model/records.py writes it; a cell that a spreadsheet would run as a formula becomes text.
 * @param {Record<string, unknown>[]} rows
 * @param {string} separator
 * @param {string} decimal
 * @returns {string}
 */
function csvOf(rows, separator = ",", decimal = ".") {
  /** @type {string[]} */
  const columns = JSON.parse(the(HTMLElement, "[data-columns]").dataset.columns ?? "[]");
  const cell = (/** @type {unknown} */ value) => {
    const text = String(value ?? "").replace(/^[=+\-@\t\r]/, "'$&").replace(/^(\d)\.(\d{6})$/, `$1${decimal}$2`);
    return /["\n\r]/.test(text) || text.includes(separator) ? `"${text.replaceAll('"', '""')}"` : text;
  };
  const lines = [columns, ...rows.map((row) => columns.map((column) => row[column]))];
  return `\ufeff${lines.map((line) => line.map(cell).join(separator)).join("\r\n")}\r\n`;
}

/** Empty the list; there is no other copy. */
function clearResults() {
  if (allCards().length > 1 && !window.confirm(fill(texts.reallyEmpty, { n: allCards().length }))) return;
  queue.length = 0;
  jobs = [];
  the(HTMLElement, "[data-result-list]").replaceChildren();
  table?.clear();
  the(HTMLElement, "[data-results]").hidden = true;
  batch = { nDone: 0, nAll: 0 };
  if (state.is !== "idle") state.job.request?.abort();
  document.title = pageTitle;
  say("");
  the(HTMLElement, "#main").focus();
}

/** Prints the date and the models on every page. */
const printed = new CSSStyleSheet();
document.adoptedStyleSheets.push(printed);
/** Details that were opened for the printer. @type {HTMLDetailsElement[]} */
let openedDetails = [];

/** Open all details before printing: a report must name the model's version. */
function openDetails() {
  const date = new Date().toISOString().slice(0, 10);
  const models = the(HTMLElement, "[data-models]").dataset.models ?? "";
  the(HTMLElement, "[data-print-date]").textContent = date;
  printed.replaceSync(["@page", "@page french"].map((page) =>
    `${page} { @bottom-left { content: ${JSON.stringify(`${date}, ${models}`)}; font-size: 8pt; } }`).join("\n"));
  openedDetails = [...document.querySelectorAll("details")].filter((details) => !details.open);
  openedDetails.forEach((details) => { details.open = true; });
}

/** Close the details that were opened for printing. */
function closeDetails() {
  openedDetails.forEach((details) => { details.open = false; });
}

/** Return whether the page is dark now: as chosen, else as the system says. @returns {boolean} */
function isDark() {
  const chosen = document.documentElement.dataset.theme;
  return chosen ? chosen === "dark" : matchMedia("(prefers-color-scheme: dark)").matches;
}

/** Switch between light and dark; the browser keeps the choice. @param {HTMLButtonElement} button */
function offerThemes(button) {
  const name = () => { button.textContent = (isDark() ? button.dataset.textLight : button.dataset.textDark) ?? ""; };
  button.hidden = false;
  button.addEventListener("click", () => {
    document.documentElement.dataset.theme = isDark() ? "light" : "dark";
    keep("theme", document.documentElement.dataset.theme);
    name();
  });
  name();
}

/** Keep a choice in this browser, if it allows that. @param {string} name @param {string} value */
function keep(name, value) {
  try {
    localStorage.setItem(name, value);
  } catch {
    // Some browsers forbid it: then the choice is lost with the page.
  }
}

/** @param {string} name @returns {string} */
function kept(name) {
  try {
    return localStorage.getItem(name) ?? "";
  } catch {
    return "";
  }
}

/** Keep the theme and the language that were chosen. */
function rememberChoices() {
  if (kept("theme")) document.documentElement.dataset.theme = kept("theme");
  document.querySelectorAll("a[hreflang]").forEach((link) => {
    link.addEventListener("click", (event) => {
      keep("language", link.getAttribute("hreflang") ?? "");
      changeLanguage(/** @type {HTMLAnchorElement} */ (link), /** @type {MouseEvent} */ (event));
    });
  });
  const [language, here] = [kept("language"), new URL(location.href)];
  const isPlain = here.pathname === new URL(form?.action ?? location.href).pathname && !here.searchParams.has("lang");
  const isKnown = document.querySelector(`a[hreflang="${CSS.escape(language)}"]`) !== null;
  if (form && isPlain && isKnown && !allCards().length && language !== document.documentElement.lang) {
    here.searchParams.set("lang", language);
    location.replace(here);
  }
}

/** Change the language without losing the list. @param {HTMLAnchorElement} link @param {MouseEvent} event */
async function changeLanguage(link, event) {
  const hasFilesOfAll = allCards().every((card) => jobs.some((job) => job.cards.includes(card)));
  const isEmpty = !jobs.length && !chosenFiles.length;
  if (!form || isEmpty || !hasFilesOfAll || event.ctrlKey || event.metaKey || event.shiftKey) return;
  event.preventDefault();
  try {
    const answer = await fetch(link.href);
    if (!answer.ok) throw new Error(answer.statusText);
    sendAllAgain(new DOMParser().parseFromString(await answer.text(), "text/html"));
    history.replaceState(null, "", link.href);
  } catch {
    say(texts.broken);
  }
}

/** @param {HTMLElement} card @returns {Before} */
function asItIs(card) {
  const { number } = card.dataset;
  const row = table?.rowOf(number);
  const isOpen = !!row && !!table?.opened.includes(row);
  return { number: Number(number), isRemoved: !card.isConnected, isOpen, truth: table?.truthOf(number) ?? "" };
}

/** Put the words of another page in the place of these, and send all files again: only the server writes cards. @param {Document} page */
function sendAllAgain(page) {
  const again = jobs.filter((job) => queue.includes(job) || state.is !== "idle" && state.job === job
    || job.cards.some((card) => card.isConnected));
  const before = again.map((job) => [...job.cards.map(asItIs), ...job.before.slice(job.cards.length)]);
  const inWork = state.is === "idle" ? null : state.job.request;
  const view = table?.view();
  queue.length = 0;
  jobs = [];
  batch = { nDone: 0, nAll: 0 };
  inWork?.abort();
  document.documentElement.lang = page.documentElement.lang;
  document.title = page.title;
  document.body.replaceChildren(...page.body.children);
  start();
  showChosen();
  if (view) table?.show(view);
  if (again.length) enqueue(again, before);
  /** @type {HTMLElement | null} */ (document.querySelector("a[hreflang][aria-current]"))?.focus();
}

/** Let the form send its files one by one, with progress. @param {HTMLFormElement} form */
function improveForm(form) {
  const fields = [...form.querySelectorAll("input")].filter((input) => input.type === "file");
  fields.forEach((field) => field.addEventListener("change", () => {
    const files = [...(field.files ?? [])];
    if (field.id !== "files") field.value = "";
    choose(files);
  }));
  form.addEventListener("submit", onSubmit);
  the(HTMLFormElement, "[data-samples]").addEventListener("submit", onSample);
}

/** Let the list of results be printed and emptied. */
function improveList() {
  const [print, clear] = ["[data-print]", "[data-clear]"].map((name) => the(HTMLButtonElement, name));
  print.hidden = false;
  clear.hidden = false;
  print.addEventListener("click", () => window.print());
  improveMenu(the(HTMLDetailsElement, "[data-menu]"));
  table = new ResultTable(the(HTMLElement, "[data-results]"), { texts, improve, changed: tell, awaitsMore });
  clear.addEventListener("click", clearResults);
}

/** Close the menu after a choice and by Escape; listenToWindow, by a click outside. @param {HTMLDetailsElement} menu */
function improveMenu(menu) {
  const summary = the(HTMLElement, "summary", menu);
  const close = () => {
    menu.open = false;
    summary.focus();
  };
  menu.addEventListener("click", (event) => { if (!summary.contains(/** @type {Node} */ (event.target))) close(); });
  menu.addEventListener("keydown", (event) => { if (event.key === "Escape") close(); });
}

/** Listen to what concerns the whole window, in whatever language its page is. */
function listenToWindow() {
  listenForDrops();
  document.addEventListener("pointerdown", (event) => {
    const menu = the(HTMLDetailsElement, "[data-menu]");
    if (!menu.contains(/** @type {Node} */ (event.target))) menu.open = false;
  });
  document.addEventListener("paste", (event) => { if (take(event.clipboardData)) event.preventDefault(); });
  window.addEventListener("beforeprint", openDetails);
  window.addEventListener("afterprint", closeDetails);
  // There is no other copy of the list: ask before a link or a reload takes it away.
  window.addEventListener("beforeunload", (event) => { if (allCards().length) event.preventDefault(); });
}

/** Improve the page, at first and after its words have changed to another language. */
function start() {
  form = document.querySelector("[data-upload]");
  texts = JSON.parse(document.querySelector("#texts")?.textContent ?? "{}");
  pageTitle = document.title.split(" - ").at(-1) ?? "";
  rememberChoices();
  offerThemes(the(HTMLButtonElement, "[data-theme-switch]"));
  if (!form) return;
  improveForm(form);
  improveList();
}

/** @type {HTMLElement | null} */ (document.querySelector("[data-focus]"))?.focus();
start();
if (form) listenToWindow();
