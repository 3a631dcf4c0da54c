// Improves the page where JavaScript runs: previews, drop, paste, progress of each file, cancel, heat map, downloads.
// Nothing needs it: without it the form sends all files at once and the server answers with the whole page.

/** @type {HTMLFormElement | null} */
const form = document.querySelector("[data-upload]");
const status = document.querySelector("[data-status]");
const resultsSection = document.querySelector("[data-results]");
const resultList = document.querySelector("[data-result-list]");
/** Object URLs of the previews on show; each is revoked when its picture goes. */
let previewUrls = [];
/** Files that were dropped or pasted, where the field itself cannot hold them. @type {File[]} */
let chosenFiles = [];
/** What waits to be sent, in order; one is under way at a time. @type {(() => Promise<void>)[]} */
const queue = [];
let isWorking = false;
/** What is being sent. @type {{request: XMLHttpRequest, isCancelled: boolean} | null} */
let current = null;
/** The number that the next card gets. */
let nextNumber = 1 + document.querySelectorAll("[data-card]").length;

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
  if (files.length > Number(form.dataset.maxFiles)) return form.dataset.textTooMany;
  if (nBytes > Number(form.dataset.maxBytes)) return form.dataset.textTooLarge;
  return "";
}

/** Whether a file shows the mark of DICOM after its preamble. @param {File} file @returns {Promise<boolean>} */
async function isDicom(file) {
  const mark = new Uint8Array(await file.slice(128, 132).arrayBuffer());
  return String.fromCharCode(...mark) === "DICM";
}

/**
 * Put together what belongs together: all DICOM files, since a series is many files; every other file alone.
 * @param {File[]} files @returns {Promise<{name: string, files: File[]}[]>}
 */
async function grouped(files) {
  const groups = [];
  let series = null;
  for (const file of files) {
    if (!(await isDicom(file))) {
      groups.push({ name: file.name, files: [file] });
    } else if (series) {
      series.files.push(file);
    } else {
      series = { name: file.name, files: [file] };
      groups.push(series);
    }
  }
  if (series?.files.length > 1) series.name = fill(form.dataset.textSeries, { n: series.files.length });
  return groups;
}

/** Show the chosen pictures; a file that a browser cannot draw (TIFF, DICOM) shows none. @param {File[]} files */
function showPreviews(files) {
  const place = form.querySelector("[data-previews]");
  previewUrls.forEach((url) => URL.revokeObjectURL(url));
  previewUrls = files.slice(0, 24).map((file) => URL.createObjectURL(file));
  place.replaceChildren(...previewUrls.map((url) => pictureOf(url, "preview")));
}

/** Make a picture that removes itself where it cannot be drawn. @param {string} url @param {string} className */
function pictureOf(url, className) {
  const picture = new Image();
  picture.className = className;
  picture.alt = "";
  picture.addEventListener("error", () => picture.remove());
  picture.src = url;
  return picture;
}

/** Name a few files and count the others. @param {File[]} files @returns {string} */
function namesOf(files) {
  const names = files.slice(0, 5).map((file) => file.name).join(", ");
  return files.length > 5 ? fill(form.dataset.textMore, { names, n: files.length - 5 }) : names;
}

/** Remember and show a choice of files, however it was made. @param {File[]} files */
function choose(files) {
  chosenFiles = files;
  showPreviews(files);
  say(files.length ? fill(form.dataset.textChosen, { names: namesOf(files) }) : "");
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

/** Let pictures be dropped on the field. @param {HTMLElement} field */
function listenForDrops(field) {
  const mark = (over) => field.classList.toggle("drop-over", over);
  field.addEventListener("dragover", (event) => { event.preventDefault(); mark(true); });
  field.addEventListener("dragleave", () => mark(false));
  field.addEventListener("drop", (event) => { event.preventDefault(); mark(false); take(event.dataTransfer); });
}

/** Send the chosen files, each group for itself. @param {SubmitEvent} event */
async function onSubmit(event) {
  event.preventDefault();
  const files = chosenFiles;
  if (!files.length) {
    say(form.dataset.textEmpty);
    form.elements.namedItem("files")[0]?.focus();
    return;
  }
  form.reset();
  choose([]);
  (await grouped(files)).forEach((group) => enqueue(group.name, group.files));
  document.querySelector("#results-heading").focus();
}

/** Send a sample, with the same progress. @param {SubmitEvent} event */
function onSample(event) {
  event.preventDefault();
  enqueue(event.submitter.textContent.trim(), [], event.submitter.value);
  document.querySelector("#results-heading").focus();
}

/** Put a pending card into the list and its sending into the queue. @param {string} name @param {File[]} files @param {string} sample */
function enqueue(name, files, sample = "") {
  resultsSection.hidden = false;
  const item = document.querySelector("[data-pending]").content.firstElementChild.cloneNode(true);
  const find = (part) => item.querySelector(`[data-pending-${part}]`);
  find("name").textContent = name;
  find("progress").setAttribute("aria-label", name);
  find("state").textContent = form.dataset.textWaiting;
  showPendingPicture(find("picture"), files);
  resultList.append(item);
  const request = new XMLHttpRequest();
  const job = { item, name, files, sample, request, isCancelled: false, nCards: 0, find };
  find("cancel").addEventListener("click", () => { job.isCancelled = true; request.abort(); refuse(job, form.dataset.textCancelled); });
  const problem = problemWith(files);
  if (problem) refuse(job, problem);
  else queue.push(() => send(job));
  work();
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
  if (isWorking) return;
  isWorking = true;
  while (queue.length) {
    await queue.shift()();
    tell();
  }
  isWorking = false;
}

/** Say how many are done; the title says it to whoever looks at another tab. */
function tell() {
  const n = resultList.querySelectorAll("[data-card], [data-refused]").length;
  say(fill(form.dataset.textDone, { n, of: n + resultList.querySelectorAll("[data-pending-cancel]").length }));
  const heading = document.title.split(" - ").at(-1);
  document.title = `${fill(form.dataset.textTitle, { n })} - ${heading}`;
  prepareDownloads();
}

/** Send one group and show its cards as they come. @returns {Promise<void>} */
function send(job) {
  if (job.isCancelled) return Promise.resolve();
  current = job;
  const body = new FormData();
  job.files.forEach((file) => body.append("files", file));
  if (job.sample) body.append("sample", job.sample);
  body.append("number", String(nextNumber));
  const { request } = job;
  let nRead = 0;
  return new Promise((resolve) => {
    const readLines = () => {
      const whole = request.responseText.lastIndexOf("\n") + 1;
      request.responseText.slice(nRead, whole).split("\n").filter(Boolean).forEach((line) => onLine(job, JSON.parse(line)));
      nRead = whole;
    };
    request.upload.addEventListener("progress", (event) => onSent(job, event));
    request.upload.addEventListener("load", () => { job.find("state").textContent = form.dataset.textReading; job.find("progress").removeAttribute("value"); });
    request.addEventListener("progress", () => { if (request.status === 200) readLines(); });
    request.addEventListener("loadend", () => {
      if (request.status === 200) readLines();
      if (!job.isCancelled && job.item.isConnected) finish(job);
      resolve();
    });
    request.open("POST", form.dataset.stream);
    request.setRequestHeader("Accept", "application/x-ndjson, application/problem+json");
    request.send(body);
  });
}

/** @param {ProgressEvent} event */
function onSent(job, event) {
  if (!event.lengthComputable) return;
  const share = event.loaded / event.total;
  job.find("progress").value = share;
  job.find("state").textContent = fill(form.dataset.textSending, { percent: Math.round(100 * share) });
}

/** Show progress or a card that came. @param {{done?: number, of?: number, card?: string}} line */
function onLine(job, line) {
  if (line.card) {
    // The server's own template, without a word that a user wrote.
    const card = new DOMParser().parseFromString(line.card, "text/html").querySelector("[data-card]");
    card.querySelectorAll("[data-file-name]").forEach((place) => { place.textContent = `: ${job.name}`; });
    card.dataset.file = job.sample ? "" : job.name;
    const item = document.createElement("li");
    item.append(document.adoptNode(card));
    job.item.before(item);
    improve(card);
    job.nCards += 1;
    nextNumber += 1;
    return;
  }
  job.find("progress").value = line.done / line.of;
  job.find("state").textContent = fill(form.dataset.textSlices, line);
}

/** The answer is whole, or broke off. */
function finish(job) {
  if (job.request.status === 200 && job.nCards) {
    job.item.remove();
    return;
  }
  refuse(job, problemDetail(job.request) || form.dataset.textBroken);
}

/** @param {XMLHttpRequest} request @returns {string} */
function problemDetail(request) {
  try {
    return JSON.parse(request.responseText).detail ?? "";
  } catch {
    return "";
  }
}

/** Leave the reason in the file's place. @param {string} reason */
function refuse(job, reason) {
  ["progress", "cancel", "state"].forEach((part) => job.find(part)?.remove());
  job.find("refusal").hidden = false;
  job.find("refusal").textContent = reason;
  job.item.firstElementChild.dataset.refused = reason;
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

/** Write rows as CSV; a cell that a spreadsheet would run as a formula becomes text. @param {Record<string, unknown>[]} rows @returns {string} */
function csvOf(rows) {
  const columns = [...new Set(rows.flatMap((row) => Object.keys(row)))];
  const cell = (value) => {
    const text = String(value ?? "").replace(/^[=+\-@\t\r]/, "'$&");
    return /[",\n\r]/.test(text) ? `"${text.replaceAll('"', '""')}"` : text;
  };
  return [columns, ...rows.map((row) => columns.map((column) => row[column]))]
    .map((line) => line.map(cell).join(",")).join("\r\n") + "\r\n";
}

/** Empty the list: everything of it is gone, there is no other copy. */
function clearResults() {
  queue.length = 0;
  if (current) current.isCancelled = true;
  current?.request.abort();
  resultList.replaceChildren();
  resultsSection.hidden = true;
  nextNumber = 1;
  say("");
  document.querySelector("#main").focus();
}

/** Print with every detail open. */
function printReport() {
  const closed = [...document.querySelectorAll(".details:not([open])")];
  closed.forEach((details) => { details.open = true; });
  window.print();
  closed.forEach((details) => { details.open = false; });
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
  document.querySelector("[data-print]").addEventListener("click", printReport);
  document.querySelector("[data-clear]").addEventListener("click", clearResults);
}
