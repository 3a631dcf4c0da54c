// A volume. A slice is chosen by its thumbnail, the chart, a slider or the keyboard. With WebGL 2, NiiVue shows three planes
// and the rendered head; it is loaded with the first volume on screen. Its volume is put together here from the slices of
// the card, as the network saw them. The evidence is a second volume.

/** @typedef {import("./viewer.js").Look} Look */

/**
 * How the volume lies; see web/page/place.py.
 * @typedef {{plane: string, letters: Record<string, string>, pixel_mm: number | null, spacing_mm: number | null}} Place
 */

/** What is used of NiiVue: https://niivue.com/docs. @typedef {any} NiiVue */

/** A point or direction in the patient, in mm: to the right, the front and the head. @typedef {number[]} Point */

/**
 * By plane: where columns, rows and slices go. See UPRIGHT in model/reading/orientation.py, which counts to the
 * patient's left and back.
 * @type {Record<string, Point[]>}
 */
const DIRECTIONS = {
  axial: [[-1, 0, 0], [0, -1, 0], [0, 0, 1]],
  coronal: [[-1, 0, 0], [0, 0, -1], [0, -1, 0]],
  sagittal: [[0, -1, 0], [0, 0, -1], [1, 0, 0]],
};
/** Where arrow keys move the crosshair, along columns, rows and slices. @type {Record<string, Point>} */
const MOVES = {
  ArrowLeft: [-1, 0, 0], ArrowRight: [1, 0, 0], ArrowUp: [0, -1, 0], ArrowDown: [0, 1, 0], PageUp: [0, 0, 1], PageDown: [0, 0, -1],
};
/** Colours of model/evidence/drawing.py without the faintest: NiiVue would draw it as a dark rim around the others. */
const EVIDENCE = {
  R: [87, 87, 188, 249, 252], G: [16, 16, 55, 142, 255], B: [110, 110, 84, 9, 164], A: [0, 40, 110, 185, 255],
  I: [0, 64, 128, 191, 255],
};
/** Bytes before the voxels of a NIfTI-1 file. Source: https://nifti.nimh.nih.gov/nifti-1. */
const NIFTI_HEADER = 352;
const CHART_WIDTH = 600;
const CHART_MARGIN = 6;

/** The open planes: a browser has few WebGL contexts, so only one volume gets one. @type {Planes | null} */
let shown = null;

/** Improve the volume of a card. @param {Element} card */
export function improveVolumes(card) {
  for (const root of card.querySelectorAll("[data-volume]")) {
    if (root instanceof HTMLElement) new Volume(root);
  }
}

/**
 * Return an element that is certain to be there.
 * @template {Element} T
 * @param {new () => T} kind
 * @param {string} selector
 * @param {ParentNode} within
 * @returns {T}
 */
function the(kind, selector, within) {
  const found = within.querySelector(selector);
  if (found instanceof kind) return found;
  throw new TypeError(`Expected ${kind.name} at ${selector}.`);
}

class Volume {
  /** @param {HTMLElement} root */
  constructor(root) {
    this.root = root;
    /** @type {Place} */
    this.place = JSON.parse(root.dataset.volume ?? "{}");
    this.slices = [...root.querySelectorAll("input")].filter((input) => "slice" in input.dataset);
    this.numbers = this.slices.map((slice) => Number(slice.value));
    this.slider = the(HTMLInputElement, "[data-go]", root);
    this.value = the(HTMLOutputElement, "[data-value]", root);
    /** @type {Planes | null} */
    this.planes = null;
    this.hasFailed = false;
    root.classList.add("chart-live");
    the(HTMLElement, "[data-chart-slider]", root).hidden = false;
    this.listen();
    this.choose(this.chosen());
    new IntersectionObserver((entries) => this.onSeen(entries), { threshold: 0.15 }).observe(root);
  }

  listen() {
    this.slices.forEach((slice) => slice.addEventListener("change", () => this.choose(Number(slice.value))));
    this.slider.addEventListener("input", () => this.choose(this.nearest(this.slider.valueAsNumber)));
    const chart = the(SVGElement, "[data-chart]", this.root);
    chart.addEventListener("pointerdown", (event) => this.choose(this.under(event, chart)));
    chart.addEventListener("pointermove", (event) => {
      if (event.buttons) this.choose(this.under(event, chart));
      else this.tell(this.under(event, chart));
    });
    chart.addEventListener("pointerleave", () => this.tell(this.chosen()));
  }

  /** @returns {number} */
  chosen() {
    return Number(this.slices.find((slice) => slice.checked)?.value);
  }

  /** Return the number of the classified slice nearest to a number. @param {number} number @returns {number} */
  nearest(number) {
    const distance = (/** @type {number} */ one) => Math.abs(one - number);
    return this.numbers.reduce((best, one) => (distance(one) < distance(best) ? one : best));
  }

  /** Return the number of the slice under the pointer. @param {PointerEvent} event @param {SVGElement} chart */
  under(event, chart) {
    const { left, width } = chart.getBoundingClientRect();
    const x = (event.clientX - left) / width * (CHART_WIDTH + 2 * CHART_MARGIN) - CHART_MARGIN;
    const [first, last] = [this.numbers[0], this.numbers[this.numbers.length - 1]];
    return this.nearest(first + x / CHART_WIDTH * (last - first));
  }

  /** Show a slice everywhere. @param {number} number @param {boolean} [isFromPlanes] whether the crosshair is there already */
  choose(number, isFromPlanes = false) {
    const slice = this.slices[this.numbers.indexOf(number)];
    slice.checked = true;
    this.slider.value = String(number);
    this.slider.setAttribute("aria-valuetext", this.said(number));
    this.tell(number);
    this.markChart(number);
    this.showThumbnail(slice);
    if (!isFromPlanes) this.planes?.goTo(number - this.numbers[0]);
  }

  /** @param {number} number */
  tell(number) {
    this.value.textContent = this.said(number);
  }

  /** @param {number} number @returns {string} */
  said(number) {
    const share = this.slices[this.numbers.indexOf(number)].dataset.share ?? "";
    return (this.value.dataset.template ?? "").replace("{n}", String(number)).replace("{share}", share);
  }

  /** @param {number} number */
  markChart(number) {
    const [first, last] = [this.numbers[0], this.numbers[this.numbers.length - 1]];
    const x = (number - first) / Math.max(last - first, 1) * CHART_WIDTH;
    the(SVGElement, "[data-here]", this.root).setAttribute("d", `M${x} 0V120`);
  }

  /** Scroll the strip alone, never the page. @param {HTMLInputElement} slice */
  showThumbnail(slice) {
    const strip = the(HTMLElement, "[data-strip]", this.root);
    const label = /** @type {HTMLElement} */ (slice.nextElementSibling);
    const left = label.getBoundingClientRect().left - strip.getBoundingClientRect().left;
    strip.scrollLeft += left - (strip.clientWidth - label.offsetWidth) / 2;
  }

  /** Open the planes of the volume that came on screen. @param {IntersectionObserverEntry[]} entries */
  async onSeen(entries) {
    if (!entries.some((entry) => entry.isIntersecting) || this.planes || this.hasFailed || !hasWebGl()) return;
    shown?.close();
    this.planes = shown = new Planes(this);
    try {
      await this.planes.open();
    } catch (error) {
      // The slices stay visible; only the planes are missing.
      this.hasFailed = true;
      this.planes?.close();
      console.warn(error);
    }
  }
}

/** @returns {boolean} */
function hasWebGl() {
  const context = document.createElement("canvas").getContext("webgl2");
  context?.getExtension("WEBGL_lose_context")?.loseContext();
  return !!context;
}

/** Three planes and the rendered head of one volume. */
class Planes {
  /** @param {Volume} volume */
  constructor(volume) {
    this.volume = volume;
    this.frame = the(HTMLElement, "[data-planes]", volume.root);
    /** @type {NiiVue} */
    this.viewer = null;
    this.isClosed = false;
    /** @param {Event} event */
    this.onLook = (event) => this.look(/** @type {CustomEvent<Look>} */ (event).detail);
  }

  async open() {
    const [voxels, { Niivue, NVImage }] = await Promise.all([readVoxels(this.volume), loadNiivue()]);
    if (this.isClosed) return;
    const { plane, letters } = this.volume.place;
    this.directions = DIRECTIONS[plane] ?? DIRECTIONS.axial;
    this.steps = steps(this.volume.place, voxels.size);
    this.frame.hidden = false;
    this.viewer = new Niivue({
      logLevel: "error", dragAndDropEnabled: false, scrollRequiresFocus: true, isRadiologicalConvention: true,
      sagittalNoseLeft: true, isOrientationTextVisible: !!letters.left, crosshairColor: [0.56, 0.82, 0.8, 0.8],
      crosshairWidth: 1, fontColor: [0.84, 0.87, 0.87, 1], loadingText: "", dragMode: DRAG_WINDOW, isAntiAlias: false,
    });
    await this.viewer.attachToCanvas(this.canvas());
    this.viewer.addColormap("evidence", EVIDENCE);
    const whole = (/** @type {Uint8Array} */ one) => this.nifti(one, voxels.size);
    this.viewer.addVolume(await NVImage.new(whole(voxels.grey), "head.nii", "gray", 1, null, 0, 255));
    this.viewer.addVolume(await NVImage.new(whole(voxels.evidence), "evidence.nii", "evidence", 0.65, null, 0, 255));
    this.viewer.onLocationChange = (/** @type {{mm: Point}} */ { mm }) => this.onMoved(mm);
    this.canvas().addEventListener("keydown", (event) => this.onKey(event));
    this.volume.root.addEventListener("look", this.onLook);
    this.volume.root.classList.add("planes-on");
    this.goTo(this.volume.chosen() - this.volume.numbers[0]);
  }

  /** Free the WebGL context, and show the slices again. */
  close() {
    this.isClosed = true;
    this.frame.hidden = true;
    this.volume.root.classList.remove("planes-on");
    this.volume.root.removeEventListener("look", this.onLook);
    this.volume.planes = null;
    if (shown === this) shown = null;
    if (!this.viewer) return;
    this.viewer.cleanup();
    this.viewer.gl?.getExtension("WEBGL_lose_context")?.loseContext();
    this.canvas().replaceWith(this.canvas().cloneNode());
  }

  /** @returns {HTMLCanvasElement} */
  canvas() {
    return the(HTMLCanvasElement, "[data-canvas]", this.frame);
  }

  /** Write voxels as a NIfTI-1 file. @param {Uint8Array} voxels @param {number[]} size @returns {ArrayBuffer} */
  nifti(voxels, size) {
    const file = new ArrayBuffer(NIFTI_HEADER + voxels.length);
    const header = new DataView(file);
    const [steps, directions] = [this.steps ?? [], this.directions ?? []];
    const little = true;
    header.setInt32(0, 348, little);
    [3, ...size, 1, 1, 1, 1].forEach((n, i) => header.setInt16(40 + 2 * i, n, little));
    header.setInt16(70, 2, little); // uint8
    header.setInt16(72, 8, little);
    [1, ...steps, 1, 1, 1, 1].forEach((mm, i) => header.setFloat32(76 + 4 * i, mm, little));
    header.setFloat32(108, NIFTI_HEADER, little);
    header.setFloat32(112, 1, little);
    header.setUint8(123, 2); // mm
    header.setInt16(254, 1, little); // The sform below places the voxels.
    for (let row = 0; row < 3; row += 1) {
      const across = directions.map((direction, axis) => direction[row] * steps[axis]);
      // The middle of the volume is at 0, 0, 0.
      const start = -across.reduce((sum, step, axis) => sum + step * (size[axis] - 1) / 2, 0);
      [...across, start].forEach((value, i) => header.setFloat32(280 + 16 * row + 4 * i, value, little));
    }
    header.setUint32(344, 0x6e2b3100); // "n+1", big end first
    new Uint8Array(file, NIFTI_HEADER).set(voxels);
    this.size = size;
    return file;
  }

  /** Return where a point is along the slices: 0 in the middle of the first, 1 in that of the second. @param {Point} mm */
  placeAt(mm) {
    const [size, steps, directions] = [this.size ?? [], this.steps ?? [], this.directions ?? []];
    const along = directions[2].reduce((sum, part, i) => sum + part * mm[i], 0);
    return along / steps[2] + (size[2] - 1) / 2;
  }

  /** The crosshair was moved, with the mouse, a finger or a key. @param {Point} mm */
  onMoved(mm) {
    const { volume } = this;
    const number = volume.nearest(volume.numbers[0] + Math.round(this.placeAt(mm)));
    if (number !== volume.chosen()) volume.choose(number, true);
  }

  /** Move the crosshair to the middle of a slice. @param {number} index from 0, the first classified slice */
  goTo(index) {
    if (!this.viewer?.volumes?.length) return;
    this.move([0, 0, index - this.placeAt(this.crosshair())]);
  }

  /** @returns {Point} */
  crosshair() {
    return [...this.viewer.frac2mm(this.viewer.scene.crosshairPos)].slice(0, 3);
  }

  /** Move the crosshair by columns, rows and slices. @param {Point} by */
  move(by) {
    const [steps, directions] = [this.steps ?? [], this.directions ?? []];
    const mm = this.crosshair().map((at, i) => at + by.reduce((sum, n, axis) => sum + n * steps[axis] * directions[axis][i], 0));
    const place = [...this.viewer.mm2frac(mm)].map((share) => Math.min(Math.max(share, 0), 1));
    this.viewer.scene.crosshairPos = place;
    this.viewer.drawScene();
    this.viewer.createOnLocationChange();
  }

  /** @param {KeyboardEvent} event */
  onKey(event) {
    const move = MOVES[event.key];
    if (!move || event.ctrlKey || event.altKey || event.metaKey) return;
    event.preventDefault();
    this.move(move);
  }

  /** Follow the sliders and buttons that volumes share with images. @param {Look} look */
  look({ zoom, brightness, contrast, opacity }) {
    const [head] = this.viewer.volumes;
    const half = 50 / contrast;
    head.cal_min = 255 * (0.5 - half) * 100 / brightness;
    head.cal_max = 255 * (0.5 + half) * 100 / brightness;
    const pan = zoom === 1 ? [0, 0, 0] : [...this.viewer.scene.pan2Dxyzmm].slice(0, 3);
    this.viewer.setPan2Dxyzmm([...pan, zoom]);
    this.viewer.setOpacity(1, opacity / 100);
  }
}

/** NiiVue's mode in which dragging with the right button changes the grey window. */
const DRAG_WINDOW = 9;

/** Load NiiVue's file, which is not a module but sets a global. @returns {Promise<any>} */
async function loadNiivue() {
  // Not a literal: the type checker would read all of it.
  const file = "./vendor/niivue/niivue.umd.js";
  await import(file);
  return /** @type {any} */ (globalThis).niivue;
}

/** Return the mm between columns, rows and slices; guesses where unknown. @param {Place} place @param {number[]} size */
function steps({ pixel_mm, spacing_mm }, size) {
  const pixel = pixel_mm ?? 1;
  return [pixel, pixel, spacing_mm ?? pixel * size[1] / size[2]];
}

/**
 * Read the grey levels and the evidence of all slices from their images; a slice that was not classified is black.
 * @param {Volume} volume
 * @returns {Promise<{size: number[], grey: Uint8Array, evidence: Uint8Array}>}
 */
async function readVoxels({ slices, numbers }) {
  const films = slices.map((slice) => the(HTMLElement, "[data-film]", the(HTMLElement, `#${slice.id} + label + *`, /** @type {ParentNode} */ (slice.parentNode))));
  const images = films.map((film) => [...film.querySelectorAll("img")]);
  await Promise.all(images.flat().map((image) => image.decode()));
  const [{ naturalWidth: width, naturalHeight: height }] = images[0];
  const size = [width, height, numbers[numbers.length - 1] - numbers[0] + 1];
  const [grey, evidence] = [0, 0].map(() => new Uint8Array(size[0] * size[1] * size[2]));
  const canvas = Object.assign(document.createElement("canvas"), { width, height });
  const context = /** @type {CanvasRenderingContext2D} */ (canvas.getContext("2d", { willReadFrequently: true }));
  /** @param {HTMLImageElement | undefined} image @param {number} channel @param {Uint8Array} into @param {number} start */
  const read = (image, channel, into, start) => {
    context.clearRect(0, 0, width, height);
    if (!image) return;
    context.drawImage(image, 0, 0, width, height);
    const { data } = context.getImageData(0, 0, width, height);
    for (let i = 0; i < width * height; i += 1) into[start + i] = data[4 * i + channel];
  };
  images.forEach(([image, layer], i) => {
    const start = (numbers[i] - numbers[0]) * width * height;
    read(image, 0, grey, start);
    // The opacity of the colour is the strength of the evidence.
    read(layer, 3, evidence, start);
  });
  return { size, grey, evidence };
}
