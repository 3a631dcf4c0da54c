// What the page reads from files before it sends them: which belong to one DICOM series, and the names in a zip file.
// Only the grouping leaves the browser.

/** The series' id comes before the pixels, and before the long elements of most makers. */
const BEGINNING_BYTES = 65_536;
/** The end of a zip file, with a comment of at most 64 KiB, holds its directory. Source: PKWARE APPNOTE 6.3.10. */
const END_BYTES = 65_557;
const MAX_DIRECTORY_BYTES = 10_000_000;
const DICOM_PREAMBLE_BYTES = 128;
const SERIES_INSTANCE_UID = 0x0020000e;
/** Value representations whose length has four bytes, after two of padding. Source: DICOM PS3.5, 7.1.2. */
const LONG = new Set(["OB", "OD", "OF", "OL", "OV", "OW", "SQ", "SV", "UC", "UN", "UR", "UT", "UV"]);
const UNDEFINED_LENGTH = 0xffffffff;
const ITEM_END = 0xfffee00d;
const SEQUENCE_END = 0xfffee0dd;

/**
 * Group the DICOM files of a series, and a volume's header with its voxels; every other file is alone.
 * @param {File[]} files
 * @returns {Promise<File[][]>}
 */
export async function grouped(files) {
  /** @type {Map<string, File[]>} */
  const together = new Map();
  const groups = [];
  for (const file of files) {
    const key = await keyOf(file);
    const group = together.get(key);
    if (key && group) {
      group.push(file);
    } else {
      groups.push([file]);
      together.set(key, groups[groups.length - 1]);
    }
  }
  return groups;
}

/** Return a key that files of one group share, or nothing. @param {File} file @returns {Promise<string>} */
async function keyOf(file) {
  const series = seriesIn(new DataView(await file.slice(0, BEGINNING_BYTES).arrayBuffer()));
  if (series !== null) return `series ${series}`;
  const half = /^(.*)\.(hdr|img|mhd|z?raw|nhdr)(\.gz)?$/i.exec(file.name);
  return half ? `half ${file.webkitRelativePath.replace(/[^/]*$/, half[1]) || half[1]}` : "";
}

/**
 * Return the SeriesInstanceUID in the beginning of a file: "" of a DICOM file where it cannot be read, null of another.
 * @param {DataView} bytes
 * @returns {string | null}
 */
export function seriesIn(bytes) {
  if (text(bytes, DICOM_PREAMBLE_BYTES, 4) !== "DICM") return null;
  try {
    return seriesAfter(bytes, DICOM_PREAMBLE_BYTES + 4);
  } catch (error) {
    // The header is longer than what was read, or is not a header.
    if (error instanceof RangeError) return "";
    throw error;
  }
}

/** @param {DataView} bytes @param {number} start @returns {string} */
function seriesAfter(bytes, start) {
  let [place, isExplicit, isLittle] = [start, true, true];
  let syntax = "";
  for (;;) {
    // The group of the meta information is explicit and little-endian, whatever follows.
    if (syntax && bytes.getUint16(place, true) !== 2) {
      if (syntax === "1.2.840.10008.1.2.1.99") return "";
      isExplicit = syntax !== "1.2.840.10008.1.2";
      isLittle = syntax !== "1.2.840.10008.1.2.2";
    }
    const tag = bytes.getUint16(place, isLittle) * 0x10000 + bytes.getUint16(place + 2, isLittle);
    if (tag > SERIES_INSTANCE_UID) return "";
    const [value, length] = valueAt(bytes, place, isExplicit, isLittle);
    if (tag === SERIES_INSTANCE_UID) return text(bytes, value, length);
    if (tag === 0x00020010) syntax = text(bytes, value, length);
    place = length === UNDEFINED_LENGTH ? endOfSequence(bytes, value, isExplicit, isLittle) : value + length;
  }
}

/**
 * Return where a sequence of unknown length ends, by walking through its items and their sequences.
 * @param {DataView} bytes
 * @param {number} place
 * @param {boolean} isExplicit
 * @param {boolean} isLittle
 * @returns {number}
 */
function endOfSequence(bytes, place, isExplicit, isLittle) {
  const tagAt = (/** @type {number} */ at) => bytes.getUint16(at, isLittle) * 0x10000 + bytes.getUint16(at + 2, isLittle);
  while (tagAt(place) !== SEQUENCE_END) {
    const length = bytes.getUint32(place + 4, isLittle);
    place += 8;
    if (length !== UNDEFINED_LENGTH) {
      place += length;
      continue;
    }
    while (tagAt(place) !== ITEM_END) {
      const [value, inside] = valueAt(bytes, place, isExplicit, isLittle);
      place = inside === UNDEFINED_LENGTH ? endOfSequence(bytes, value, isExplicit, isLittle) : value + inside;
    }
    place += 8;
  }
  return place + 8;
}

/**
 * Return where the value of an element begins, and its length in bytes.
 * @param {DataView} bytes
 * @param {number} place
 * @param {boolean} isExplicit
 * @param {boolean} isLittle
 * @returns {[number, number]}
 */
function valueAt(bytes, place, isExplicit, isLittle) {
  if (!isExplicit) return [place + 8, bytes.getUint32(place + 4, isLittle)];
  if (LONG.has(text(bytes, place + 4, 2))) return [place + 12, bytes.getUint32(place + 8, isLittle)];
  return [place + 8, bytes.getUint16(place + 6, isLittle)];
}

/** Return text without the padding of DICOM. @param {DataView} bytes @param {number} start @param {number} length */
function text(bytes, start, length) {
  const inside = Math.max(0, Math.min(length, bytes.byteLength - start));
  if (!inside) return "";
  return String.fromCharCode(...new Uint8Array(bytes.buffer, start, inside)).replace(/[\0 ]+$/, "");
}

/**
 * Return the names in the directory of a zip file, in its order; nothing of another file, or of one that is damaged.
 * @param {File} file
 * @returns {Promise<string[]>}
 */
export async function namesInZip(file) {
  const head = new DataView(await file.slice(0, 4).arrayBuffer());
  if (head.byteLength < 4 || head.getUint32(0, true) !== 0x04034b50) return [];
  const tail = new DataView(await file.slice(-END_BYTES).arrayBuffer());
  for (let place = tail.byteLength - 22; place >= 0; place -= 1) {
    if (tail.getUint32(place, true) !== 0x06054b50) continue;
    const [size, start] = [tail.getUint32(place + 12, true), tail.getUint32(place + 16, true)];
    if (size > MAX_DIRECTORY_BYTES) return [];
    return namesOfDirectory(new DataView(await file.slice(start, start + size).arrayBuffer()));
  }
  return [];
}

/** @param {DataView} directory @returns {string[]} */
function namesOfDirectory(directory) {
  const names = [];
  let place = 0;
  while (place + 46 <= directory.byteLength && directory.getUint32(place, true) === 0x02014b50) {
    const [name, extra, comment] = [28, 30, 32].map((offset) => directory.getUint16(place + offset, true));
    const inside = Math.min(name, directory.byteLength - place - 46);
    names.push(new TextDecoder().decode(new Uint8Array(directory.buffer, place + 46, inside)));
    place += 46 + name + extra + comment;
  }
  return names;
}
