// The list of results as a table: sorted, filtered, marked with the true diagnosis; a row opens its card.

/**
 * What the table needs from the page.
 * @typedef {object} Page
 * @property {Record<string, string>} texts
 * @property {(card: HTMLElement) => void} improve adds the script's tools to an opened card
 * @property {() => void} changed is called when a row was removed or a diagnosis marked
 * @property {() => boolean} awaitsMore whether the results of several files are still to come
 */

/** How the rows are shown, which another language keeps. @typedef {{column: number, isDown: boolean, filter: string}} View */

/** One result needs no table, unless more are to come. */
const FEWEST_ROWS = 2;
const OPEN_AT_MOST = 2;

export class ResultTable {
  /** @param {HTMLElement} root the section of results @param {Page} page */
  constructor(root, page) {
    this.root = root;
    this.page = page;
    this.table = part(root, "[data-table]");
    this.body = part(root, "tbody");
    this.list = part(root, "[data-result-list]");
    this.filter = /** @type {HTMLSelectElement} */ (part(root, "[data-filter]"));
    /** The rows whose cards are open, the last one last. @type {HTMLElement[]} */
    this.opened = [];
    /** @type {Set<HTMLElement>} */
    this.improved = new Set();
    /** The place of the sorted column, if any. */
    this.column = -1;
    this.isDown = false;
    for (const option of this.filter.options) option.dataset.name = option.textContent ?? "";
    root.querySelectorAll("[data-script-only]").forEach((element) => element.removeAttribute("hidden"));
    this.filter.addEventListener("change", () => this.applyFilter());
    root.querySelectorAll("[data-sort]").forEach((button) => {
      button.addEventListener("click", () => this.sort(/** @type {HTMLElement} */ (button)));
    });
    this.rows().forEach((row) => this.prepare(row));
    this.update();
  }

  /** @returns {HTMLElement[]} */
  rows() {
    return /** @type {HTMLElement[]} */ ([...this.body.querySelectorAll("[data-row]")]);
  }

  /** The item of the list that holds a row's card. @param {HTMLElement} row @returns {HTMLElement} */
  itemOf(row) {
    const card = this.list.querySelector(`[data-card][data-number="${row.dataset.number}"]`);
    return /** @type {HTMLElement} */ (card?.closest("li") ?? document.createElement("li"));
  }

  /** Put the row of a new card into the table. @param {HTMLElement} row @param {string} name of the file @param {string} truth */
  add(row, name, truth = "") {
    row.querySelectorAll("[data-file-name]").forEach((place) => { place.textContent = name; });
    const next = this.column < 0 ? undefined : this.rows().find((other) => this.order(row, other) < 0);
    this.body.insertBefore(row, next ?? null);
    this.prepare(row);
    truthBox(row).value = truth;
    this.update();
  }

  /** Add the row of a file that was refused before it was sent. @param {number} number @param {string} name @param {string} reason @param {string} truth */
  addRefused(number, name, reason, truth = "") {
    const template = /** @type {HTMLTemplateElement} */ (part(this.root, "[data-refused-row]"));
    const row = part(/** @type {DocumentFragment} */ (template.content.cloneNode(true)), "[data-row]");
    row.dataset.number = String(number);
    part(row, "[data-number-text]").textContent = String(number);
    part(row, "[data-refusal]").textContent = reason;
    this.add(row, name, truth);
  }

  /** Add the tools to a row. @param {HTMLElement} row */
  prepare(row) {
    const template = /** @type {HTMLTemplateElement} */ (part(this.root, "[data-row-tools]"));
    row.append(template.content.cloneNode(true));
    const name = row.querySelector("th")?.textContent?.trim() ?? "";
    row.querySelectorAll("select, input, button").forEach((control) => {
      control.setAttribute("aria-label", `${control.getAttribute("aria-label")} - ${name}`);
    });
    part(row, "[data-open]").addEventListener("click", (event) => { event.preventDefault(); this.toggle(row); });
    part(row, "[data-remove-row]").addEventListener("click", () => this.remove(row));
    part(row, "[data-truth]").addEventListener("change", () => { this.count(); this.page.changed(); });
    part(row, "[data-compare]").addEventListener("change", () => this.compare());
  }

  /** Show the table where there are several results, and then only the cards that were opened. */
  update() {
    const rows = this.rows();
    const isTable = rows.length >= FEWEST_ROWS || this.page.awaitsMore();
    this.table.hidden = !isTable || !rows.length;
    // A card that is read stays open when a second result comes.
    if (!isTable) this.opened = rows;
    for (const row of rows) {
      const item = this.itemOf(row);
      item.hidden = isTable && !this.opened.includes(row);
      if (!item.hidden) this.improve(item);
      row.classList.toggle("row-open", isTable && !item.hidden);
      row.querySelector("[data-open]")?.setAttribute("aria-expanded", String(!item.hidden));
    }
    this.list.classList.toggle("result-pair", this.opened.length === OPEN_AT_MOST);
    this.applyFilter();
    this.count();
  }

  /** @param {HTMLElement} item */
  improve(item) {
    const card = /** @type {HTMLElement | null} */ (item.querySelector("[data-card]"));
    if (!card || this.improved.has(card)) return;
    this.improved.add(card);
    this.page.improve(card);
  }

  /** Open the card of a row alone, or close it. @param {HTMLElement} row */
  toggle(row) {
    const isOpen = this.opened.length === 1 && this.opened.includes(row);
    this.rows().forEach((other) => { compareBox(other).checked = false; });
    this.opened = isOpen ? [] : [row];
    this.update();
    if (!isOpen) this.goTo(row);
  }

  /** Open the card with a number, alone. @param {string | undefined} number */
  open(number) {
    const row = this.rowOf(number);
    if (!row) return;
    if (this.opened.length !== 1 || !this.opened.includes(row)) this.toggle(row);
    else this.goTo(row);
  }

  /** Open a card beside the one that is open. @param {string | undefined} number */
  openToo(number) {
    const row = this.rowOf(number);
    if (!row || this.opened.includes(row)) return;
    this.opened = [...this.opened, row].slice(-OPEN_AT_MOST);
    this.rows().forEach((one) => { compareBox(one).checked = this.opened.length > 1 && this.opened.includes(one); });
    this.update();
  }

  /** @param {HTMLElement} row */
  goTo(row) {
    const heading = /** @type {HTMLElement | null} */ (this.itemOf(row).querySelector("h3"));
    heading?.focus();
    heading?.scrollIntoView({ block: "start" });
  }

  /** Show the cards with ticked boxes, the last two at most. */
  compare() {
    const ticked = this.rows().filter((row) => compareBox(row).checked);
    const kept = this.opened.filter((row) => ticked.includes(row));
    this.opened = [...kept, ...ticked.filter((row) => !kept.includes(row))].slice(-OPEN_AT_MOST);
    ticked.forEach((row) => { compareBox(row).checked = this.opened.includes(row); });
    this.update();
  }

  /** @param {HTMLElement} row */
  remove(row) {
    this.itemOf(row).remove();
    this.drop(row);
  }

  /** Remove a row whose card was removed. @param {HTMLElement} row */
  drop(row) {
    const next = /** @type {HTMLElement | null} */ (row.nextElementSibling ?? row.previousElementSibling);
    this.opened = this.opened.filter((other) => other !== row);
    row.remove();
    this.update();
    this.page.changed();
    const target = next?.querySelector("[data-open]") ?? this.root.querySelector("#results-heading");
    /** @type {HTMLElement | null} */ (target)?.focus();
  }

  clear() {
    this.opened = [];
    this.body.replaceChildren();
    this.update();
  }

  /** Sort by a column, also the rows to come; a second click reverses the order. @param {HTMLElement} button */
  sort(button) {
    const head = /** @type {HTMLTableCellElement} */ (button.closest("th"));
    this.show({ column: head.cellIndex, isDown: head.getAttribute("aria-sort") === "ascending", filter: this.filter.value });
  }

  /** @returns {View} */
  view() {
    return { column: this.column, isDown: this.isDown, filter: this.filter.value };
  }

  /** Sort and filter the rows. @param {View} view */
  show({ column, isDown, filter }) {
    [this.column, this.isDown, this.filter.value] = [column, isDown, filter];
    this.table.querySelectorAll("[aria-sort]").forEach((other) => other.removeAttribute("aria-sort"));
    this.table.querySelectorAll("thead tr > *")[column]?.setAttribute("aria-sort", isDown ? "descending" : "ascending");
    if (column >= 0) this.body.append(...this.rows().sort((a, b) => this.order(a, b)));
    this.applyFilter();
  }

  /** Compare two rows by the sorted column; rows without a value come last. @param {HTMLElement} a @param {HTMLElement} b */
  order(a, b) {
    const [one, other] = [a, b].map((row) => {
      const cell = /** @type {HTMLElement} */ (row.children[this.column]);
      return cell.dataset.value ?? cell.textContent?.trim() ?? "";
    });
    return Number(one === "") - Number(other === "") || one.localeCompare(other, undefined, { numeric: true }) * (this.isDown ? -1 : 1);
  }

  /** Hide the rows of other groups, and say how many each group has. */
  applyFilter() {
    const wanted = this.filter.value;
    const rows = this.rows();
    rows.forEach((row) => { row.hidden = wanted !== "" && row.dataset.group !== wanted; });
    for (const option of this.filter.options) {
      const n = rows.filter((row) => option.value === "" || row.dataset.group === option.value).length;
      option.textContent = `${option.dataset.name} (${n})`;
    }
  }

  /** Compare the answers with the marked true diagnoses. */
  count() {
    const marked = this.rows().map(judged).filter((row) => row.truth);
    const line = part(this.root, "[data-score]");
    line.hidden = !marked.length;
    const n = (/** @type {(row: Judged) => boolean} */ test) => marked.filter(test).length;
    const [ill, found] = [n((row) => row.isIll), n((row) => row.isIll && row.says === "tumor")];
    const [well, cleared] = [n((row) => !row.isIll), n((row) => !row.isIll && row.says === "no_tumor")];
    const percent = (/** @type {number} */ part, /** @type {number} */ whole) =>
      whole ? fill(this.page.texts.percent, { n: Math.round((100 * part) / whole) }) : "–";
    line.textContent = fill(this.page.texts.score, {
      n: marked.length, right: n((row) => row.verdict === "right"), wrong: n((row) => row.verdict === "wrong"),
      unclear: n((row) => row.verdict === "unclear"), found, ill, cleared, well,
      sensitivity: percent(found, ill), specificity: percent(cleared, well),
    });
  }

  /** Return the diagnosis that was marked for a card, or nothing. @param {string | undefined} number */
  truthOf(number) {
    const row = this.rowOf(number);
    return row ? truthBox(row).value : "";
  }

  /** @param {string | undefined} number of the card @returns {HTMLElement | undefined} */
  rowOf(number) {
    return this.rows().find((row) => row.dataset.number === number);
  }
}

/**
 * A row whose true diagnosis may be marked.
 * @typedef {{truth: string, isIll: boolean, says: string, verdict: "right" | "wrong" | "unclear"}} Judged
 */

/**
 * Compare an answer with the true diagnosis. Where the models disagree, the answer counts as unclear.
 * @param {HTMLElement} row
 * @returns {Judged}
 */
function judged(row) {
  const truth = truthBox(row).value;
  const { group: says = "", answer = "" } = row.dataset;
  const isIll = truth !== "no_tumor";
  const isTumor = answer !== "no_tumor";
  const needsKind = isIll && truth !== "tumor";
  const isSaid = (says === "tumor" || says === "no_tumor") && !(needsKind && answer === "uncertain");
  // If the network names no kind, or the user marks none, only the tumor counts.
  const isSame = answer === truth || (isIll && isTumor && (answer === "tumor" || truth === "tumor"));
  const verdict = isSame ? "right" : "wrong";
  return { truth, isIll, says, verdict: isSaid ? verdict : "unclear" };
}

/** @param {HTMLElement} row */
function truthBox(row) {
  return /** @type {HTMLSelectElement} */ (part(row, "[data-truth]"));
}

/** @param {HTMLElement} row */
function compareBox(row) {
  return /** @type {HTMLInputElement} */ (part(row, "[data-compare]"));
}

/** @param {ParentNode} within @param {string} selector @returns {HTMLElement} */
function part(within, selector) {
  const found = within.querySelector(selector);
  if (found instanceof HTMLElement) return found;
  throw new TypeError(`Expected an element at ${selector}.`);
}

/** Fill the {names} of a sentence. @param {string} template @param {Record<string, string | number>} values */
export function fill(template, values) {
  return template.replace(/\{(\w+)\}/g, (_, name) => String(values[name]));
}
