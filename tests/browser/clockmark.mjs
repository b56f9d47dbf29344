// The picture's half of tests/media/clockmark.h for JavaScript: the layout is described there.

const COLS = 32, ROWS = 18, BITS = 64, CONTRAST = 40;
const EPOCH_MS = 1577836800000;

// CRC-24 over the 40 bits of t. Each function below stands alone or uses only these, so that the source text of
// all of them can be given to a page.
function crc24(t) {
	let crc = 0xb704ce;

	for (let i = 4; i >= 0; i--) {
		crc ^= (Math.floor(t / 2 ** (8 * i)) & 0xff) << 16;
		for (let k = 0; k < 8; k++)
			crc = crc & 0x800000 ? (crc << 1 ^ 0x864cfb) & 0xffffff : crc << 1;
	}
	return crc;
}

// The mean luma of the middle half of cell (c, r), where the plane has `rows` rows of cells.
function cellMean(rgba, width, height, rows, c, r) {
	const x0 = Math.floor((4 * c + 1) * width / (4 * COLS));
	const x1 = Math.floor((4 * c + 3) * width / (4 * COLS));
	const y0 = Math.floor((4 * r + 1) * height / (4 * rows));
	const y1 = Math.floor((4 * r + 3) * height / (4 * rows));
	let sum = 0;

	for (let y = y0; y < y1; y++)
		for (let x = x0; x < x1; x++) {
			const i = 4 * (y * width + x);
			sum += 77 * rgba[i] + 150 * rgba[i + 1] + 29 * rgba[i + 2];
		}
	return sum / 256 / ((x1 - x0) * (y1 - y0));
}

// The UTC instant in ms that pixels show, or null. They are the whole frame (rows = 18) or its top (rows = 4).
function readMark(rgba, width, height, rows = ROWS) {
	let time = 0, crc = 0;

	for (let i = 0; i < BITS; i++) {
		const c = i % COLS, r = 2 * Math.floor(i / COLS);
		const diff = cellMean(rgba, width, height, rows, c, r) -
			cellMean(rgba, width, height, rows, c, r + 1);

		if (Math.abs(diff) < CONTRAST)
			return null;
		if (i < 40)
			time = 2 * time + (diff > 0);
		else
			crc = 2 * crc + (diff > 0);
	}
	return crc24(time) === crc ? time + EPOCH_MS : null;
}

// Declarations of the above, for a page.
const source = `const COLS = ${COLS}, ROWS = ${ROWS}, BITS = ${BITS}, CONTRAST = ${CONTRAST};
const EPOCH_MS = ${EPOCH_MS};
${crc24}
${cellMean}
${readMark}`;

export { readMark, source };
