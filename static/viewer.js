// The script's tools for an image: zoom, pan, brightness, contrast, full screen, and the overlay as PNG.
// main.js loads it with the first card. Volumes have the same tools; volume.js follows their "look" events.

/**
 * How an image is shown: zoom 1 shows the whole image, x and y move it by CSS pixels, the others are percentages.
 * @typedef {{zoom: number, x: number, y: number, brightness: number, contrast: number, opacity: number}} Look
 */

/** @type {Look} */
const FIRST_LOOK = { zoom: 1, x: 0, y: 0, brightness: 100, contrast: 100, opacity: 65 };
const MAX_ZOOM = 8;
/** How far an arrow key moves the image. */
const STEP_PX = 40;
/** Smaller images are enlarged to this side in a saved file. */
const SAVED_SIDE_PX = 768;

/** Improve every viewer of a card. @param {Element} card */
export function improveViewers(card) {
  for (const root of card.querySelectorAll("[data-viewer]")) {
    if (root instanceof HTMLElement) new Viewer(root, card);
  }
}

class Viewer {
  /** @param {HTMLElement} root @param {Element} card */
  constructor(root, card) {
    this.root = root;
    this.card = card;
    /** @type {Look} */
    this.look = { ...FIRST_LOOK };
    /** Where each finger or button is. @type {Map<number, PointerEvent>} */
    this.pointers = new Map();
    const tools = root.querySelector("[data-tools]");
    tools?.removeAttribute("hidden");
    this.listenToTools();
    root.querySelectorAll("[data-film]").forEach((film) => this.listenToFilm(/** @type {HTMLElement} */ (film)));
  }

  listenToTools() {
    /** @param {string} selector @param {() => void} action */
    const on = (selector, action) => this.root.querySelector(selector)?.addEventListener("click", action);
    this.root.querySelectorAll("[data-zoom]").forEach((button) => {
      const factor = Number(/** @type {HTMLElement} */ (button).dataset.zoom);
      button.addEventListener("click", () => this.zoom(factor));
    });
    on("[data-reset]", () => this.reset());
    on("[data-save]", () => this.save());
    on("[data-full]", () => this.toggleFullScreen());
    this.root.querySelector("[data-full]")?.toggleAttribute("hidden", !document.fullscreenEnabled);
    for (const slider of this.sliders()) slider.addEventListener("input", () => this.readSliders());
  }

  /** @returns {HTMLInputElement[]} */
  sliders() {
    return [...this.root.querySelectorAll("input")].filter((input) => input.dataset.adjust);
  }

  readSliders() {
    const read = Object.fromEntries(this.sliders().map((slider) => [slider.dataset.adjust, slider.valueAsNumber]));
    this.show({ ...this.look, ...read });
  }

  reset() {
    for (const slider of this.sliders()) slider.value = slider.defaultValue;
    this.show({ ...FIRST_LOOK });
  }

  /** @param {HTMLElement} film */
  listenToFilm(film) {
    film.tabIndex = 0;
    film.setAttribute("role", "group");
    film.setAttribute("aria-label", film.dataset.label ?? "");
    film.addEventListener("keydown", (event) => this.onKey(event));
    film.addEventListener("wheel", (event) => this.onWheel(event, film), { passive: false });
    film.addEventListener("pointerdown", (event) => this.onPress(event, film));
    film.addEventListener("pointermove", (event) => this.onMove(event, film));
    for (const kind of ["pointerup", "pointercancel"]) {
      film.addEventListener(kind, (event) => this.pointers.delete(/** @type {PointerEvent} */ (event).pointerId));
    }
  }

  /** @param {KeyboardEvent} event */
  onKey(event) {
    /** @type {Record<string, () => void>} */
    const actions = { "+": () => this.zoom(1.25), "=": () => this.zoom(1.25), "-": () => this.zoom(0.8), "0": () => this.reset() };
    const moves = { ArrowLeft: [1, 0], ArrowRight: [-1, 0], ArrowUp: [0, 1], ArrowDown: [0, -1] };
    const move = moves[/** @type {keyof typeof moves} */ (event.key)];
    if (event.ctrlKey || event.metaKey || event.altKey) return;
    if (actions[event.key]) actions[event.key]();
    // The whole image is shown: the page scrolls.
    else if (move && this.look.zoom > 1) this.move(move[0] * STEP_PX, move[1] * STEP_PX);
    else return;
    event.preventDefault();
  }

  /** Zoom only once the image was clicked, so that the wheel still scrolls the page. @param {WheelEvent} event @param {HTMLElement} film */
  onWheel(event, film) {
    if (document.activeElement !== film && !document.fullscreenElement) return;
    event.preventDefault();
    this.zoom(event.deltaY < 0 ? 1.15 : 1 / 1.15, event);
  }

  /** @param {PointerEvent} event @param {HTMLElement} film */
  onPress(event, film) {
    if (event.button) return;
    // Otherwise the browser would drag the image itself.
    event.preventDefault();
    film.focus({ preventScroll: true });
    film.setPointerCapture(event.pointerId);
    this.pointers.set(event.pointerId, event);
  }

  /** Drag with one finger, pinch with two. @param {PointerEvent} event @param {HTMLElement} film */
  onMove(event, film) {
    const before = this.pointers.get(event.pointerId);
    if (!before) return;
    const other = [...this.pointers.values()].find((pointer) => pointer.pointerId !== event.pointerId);
    this.pointers.set(event.pointerId, event);
    if (!other) {
      this.move(event.clientX - before.clientX, event.clientY - before.clientY);
      return;
    }
    const distance = (/** @type {PointerEvent} */ one) => Math.hypot(one.clientX - other.clientX, one.clientY - other.clientY);
    const middle = { clientX: (event.clientX + other.clientX) / 2, clientY: (event.clientY + other.clientY) / 2 };
    this.zoom(distance(event) / Math.max(distance(before), 1), { ...middle, currentTarget: film });
  }

  /**
   * Zoom around a place, or around the middle.
   * @param {number} factor
   * @param {{clientX: number, clientY: number, currentTarget: EventTarget | null}} [place]
   */
  zoom(factor, place) {
    const zoom = Math.min(Math.max(this.look.zoom * factor, 1), MAX_ZOOM);
    const grown = zoom / this.look.zoom;
    const [right, down] = place ? fromMiddle(place) : [0, 0];
    const x = right - (right - this.look.x) * grown;
    const y = down - (down - this.look.y) * grown;
    this.show({ ...this.look, zoom, x, y });
  }

  /** @param {number} right @param {number} down */
  move(right, down) {
    this.show({ ...this.look, x: this.look.x + right, y: this.look.y + down });
  }

  /** Show the image like this, with no empty part of the film. @param {Look} look */
  show(look) {
    const { width, height } = (this.film() ?? this.root).getBoundingClientRect();
    const [mostX, mostY] = [(look.zoom - 1) * width / 2, (look.zoom - 1) * height / 2];
    const [x, y] = [Math.min(Math.max(look.x, -mostX), mostX), Math.min(Math.max(look.y, -mostY), mostY)];
    this.look = { ...look, x, y };
    const { style } = this.root;
    style.setProperty("--zoom", String(look.zoom));
    style.setProperty("--x", `${x}px`);
    style.setProperty("--y", `${y}px`);
    for (const name of /** @type {const} */ (["brightness", "contrast", "opacity"])) {
      style.setProperty(`--${name}`, String(look[name] / 100));
    }
    this.root.classList.toggle("viewer-zoomed", look.zoom > 1);
    this.root.dispatchEvent(new CustomEvent("look", { detail: this.look }));
  }

  /** Return the film of the image, or of the slice that is chosen. @returns {HTMLElement | null} */
  film() {
    return this.root.querySelector("[data-slice]:checked + label + * [data-film]") ?? this.root.querySelector("[data-film]");
  }

  toggleFullScreen() {
    if (document.fullscreenElement) document.exitFullscreen();
    else this.root.requestFullscreen();
  }

  save() {
    const film = this.film();
    if (film) savePng(draw(film, this.look, this.stamp()), this.fileName(film));
  }

  /** @returns {string} */
  stamp() {
    return /** @type {HTMLElement | null} */ (this.root.querySelector("[data-tools]"))?.dataset.stamp ?? "";
  }

  /** Return a name after the file that was sent; only the browser knows it. @param {HTMLElement} film @returns {string} */
  fileName(film) {
    const sent = /** @type {HTMLElement} */ (this.card).dataset.file?.split("; ")[0] ?? "";
    const parts = [sent.replace(/(\.nii)?\.[^.]*$/, "") || "brain-mri", film.dataset.number, "overlay"];
    return `${parts.filter(Boolean).join("-")}.png`;
  }
}

/** Return how far right of and below its target's middle an event is. @param {{clientX: number, clientY: number, currentTarget: EventTarget | null}} event */
function fromMiddle({ clientX, clientY, currentTarget }) {
  const box = /** @type {Element} */ (currentTarget).getBoundingClientRect();
  return [clientX - box.left - box.width / 2, clientY - box.top - box.height / 2];
}

/**
 * Draw the whole image and its visible layer, with the current brightness, contrast and opacity.
 * @param {HTMLElement} film
 * @param {Look} look
 * @param {string} stamp a line to draw below
 * @returns {HTMLCanvasElement}
 */
export function draw(film, look, stamp) {
  const [image, ...layers] = [...film.querySelectorAll("img")];
  const scale = Math.max(1, SAVED_SIDE_PX / Math.max(image.naturalWidth, image.naturalHeight));
  const [width, height] = [image.naturalWidth, image.naturalHeight].map((side) => Math.round(side * scale));
  const canvas = document.createElement("canvas");
  const line = Math.max(18, Math.round(width / 32));
  [canvas.width, canvas.height] = [width, height + line];
  const context = /** @type {CanvasRenderingContext2D} */ (canvas.getContext("2d"));
  context.fillRect(0, 0, canvas.width, canvas.height);
  context.filter = `brightness(${look.brightness}%) contrast(${look.contrast}%)`;
  context.drawImage(image, 0, 0, width, height);
  context.filter = "none";
  context.globalAlpha = look.opacity / 100;
  for (const layer of layers.filter((one) => getComputedStyle(one).display !== "none")) {
    context.drawImage(layer, 0, 0, width, height);
  }
  context.globalAlpha = 1;
  context.fillStyle = "white";
  context.font = `${Math.round(line * 0.7)}px sans-serif`;
  context.fillText(stamp, 6, height + line * 0.72, width - 12);
  return canvas;
}

/** @param {HTMLCanvasElement} canvas @param {string} name */
function savePng(canvas, name) {
  canvas.toBlob((blob) => {
    if (!blob) return;
    const link = document.createElement("a");
    link.href = URL.createObjectURL(blob);
    link.download = name;
    link.click();
    setTimeout(() => URL.revokeObjectURL(link.href), 1000);
  }, "image/png");
}
