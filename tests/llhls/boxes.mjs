// boxes: what is needed of ISO BMFF to hold the media against its playlist.

export class Bad extends Error {}

function* boxes(b, from, to) {
	let at = from;

	while (at < to) {
		if (to - at < 8)
			throw new Bad(`${to - at} bytes too many at ${at}`);
		const size = b.readUInt32BE(at), type = b.toString('latin1', at + 4, at + 8);
		if (size < 8 || at + size > to)
			throw new Bad(`box ${type} of ${size} bytes does not fit at ${at}`);
		yield { type, at: at + 8, end: at + size };
		at += size;
	}
}

function find(b, box, ...path) {
	let here = box;

	for (const type of path) {
		const from = here.at + ({ stsd: 8 }[here.type] ?? 0);
		here = [...boxes(b, from, here.end)].find((x) => x.type === type);
		if (!here)
			throw new Bad(`no ${type} in ${box.type}`);
	}
	return here;
}

// init BYTES: {timescale, kind} of an init segment with one track; defaults of trex.
export function init(b) {
	const top = [...boxes(b, 0, b.length)];
	const moov = top.find((x) => x.type === 'moov');

	if (top[0]?.type !== 'ftyp' || !moov)
		throw new Bad('an init segment is ftyp and moov');
	const mdia = find(b, moov, 'trak', 'mdia');
	const mdhd = find(b, mdia, 'mdhd'), hdlr = find(b, mdia, 'hdlr'), trex = find(b, moov, 'mvex', 'trex');
	return {
		timescale: b.readUInt32BE(mdhd.at + (b[mdhd.at] === 1 ? 20 : 12)),
		kind: b.toString('latin1', hdlr.at + 8, hdlr.at + 12),
		duration: b.readUInt32BE(trex.at + 12), size: b.readUInt32BE(trex.at + 16), flags: b.readUInt32BE(trex.at + 20),
	};
}

function run(b, trun, tfhd, into) {
	const flags = b.readUInt32BE(trun.at) & 0xffffff, n = b.readUInt32BE(trun.at + 4);
	let at = trun.at + 8;

	at += flags & 1 ? 4 : 0;
	const first = flags & 4 ? b.readUInt32BE(at) : null;
	at += flags & 4 ? 4 : 0;
	for (let i = 0; i < n; i++) {
		const s = { ...tfhd };
		if (flags & 0x100) { s.duration = b.readUInt32BE(at); at += 4; }
		if (flags & 0x200) { s.size = b.readUInt32BE(at); at += 4; }
		if (flags & 0x400) { s.flags = b.readUInt32BE(at); at += 4; }
		if (i === 0 && first !== null)
			s.flags = first;
		at += flags & 0x800 ? 4 : 0;
		into.push(s);
	}
}

function header(b, tfhd, trex) {
	const flags = b.readUInt32BE(tfhd.at) & 0xffffff;
	const d = { duration: trex.duration, size: trex.size, flags: trex.flags };
	let at = tfhd.at + 8;

	at += flags & 1 ? 8 : 0;
	at += flags & 2 ? 4 : 0;
	if (flags & 8) { d.duration = b.readUInt32BE(at); at += 4; }
	if (flags & 0x10) { d.size = b.readUInt32BE(at); at += 4; }
	if (flags & 0x20)
		d.flags = b.readUInt32BE(at);
	return d;
}

// media BYTES INIT: {start, end, samples, frame (the shortest), sync} in the track's units, of a whole number of chunks (moof and mdat).
export function media(b, track) {
	const samples = [];
	let start = null, expected = null, open = false;

	for (const box of boxes(b, 0, b.length)) {
		if (box.type === 'mdat' && !open)
			throw new Bad('an mdat without its moof');
		if (box.type === 'moof' && open)
			throw new Bad('a moof without its mdat');
		open = box.type === 'moof' || (open && box.type !== 'mdat');
		if (box.type !== 'moof')
			continue;
		const traf = find(b, box, 'traf'), tfdt = find(b, traf, 'tfdt');
		const time = b[tfdt.at] === 1 ? Number(b.readBigUInt64BE(tfdt.at + 4)) : b.readUInt32BE(tfdt.at + 4);
		if (expected !== null && time !== expected)
			throw new Bad(`a chunk begins at ${time}, not at ${expected}`);
		const from = samples.length;
		run(b, find(b, traf, 'trun'), header(b, find(b, traf, 'tfhd'), track), samples);
		expected = samples.slice(from).reduce((t, s) => t + s.duration, time);
		start ??= time;
	}
	if (open || start === null)
		throw new Bad(start === null ? 'no moof' : 'a moof without its mdat at the end');
	const frame = Math.min(...samples.map((s) => s.duration));
	return { start, end: expected, samples: samples.length, frame, sync: !(samples[0].flags & 0x10000) };
}
