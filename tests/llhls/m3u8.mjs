// m3u8: a playlist's text taken apart, strictly: what the grammar of RFC 8216bis does not allow is named in `faults`.
//
// parse(text) gives, for a multivariant playlist, {variants, media}; for a media playlist:
//   header     the tags that stand once: TARGETDURATION, SERVER-CONTROL, PART-INF, MEDIA-SEQUENCE, ...
//   segments   [{msn, uri, duration, parts, date, gap, discontinuity, map, range, complete}], the last perhaps in progress
//   hints, reports, skip, ended, dateranges
// and for both {faults, version}. Times are seconds; dates are milliseconds since the epoch.

const attribute = /([A-Z0-9-]+)=("[^"\r\n]*"|[^",\s][^",]*)(,|$)/y;

// attributes TEXT: name=value pairs of a tag, quotes taken off.
export function attributes(text, faults) {
	const all = {};
	let m;

	for (attribute.lastIndex = 0; attribute.lastIndex < text.length;) {
		const at = attribute.lastIndex;
		m = attribute.exec(text);
		if (!m || (m[3] === ',' && attribute.lastIndex === text.length)) {
			faults.push(`no attribute list from "${text.slice(at, at + 40)}" on`);
			break;
		}
		if (m[1] in all)
			faults.push(`${m[1]} stands twice in "${text.slice(0, 60)}"`);
		all[m[1]] = m[2].startsWith('"') ? m[2].slice(1, -1) : m[2];
	}
	return all;
}

const once = new Set(['VERSION', 'TARGETDURATION', 'SERVER-CONTROL', 'PART-INF', 'MEDIA-SEQUENCE',
	'DISCONTINUITY-SEQUENCE', 'INDEPENDENT-SEGMENTS', 'PLAYLIST-TYPE', 'ENDLIST', 'START', 'I-FRAMES-ONLY']);
const listed = new Set(['SERVER-CONTROL', 'PART-INF', 'START']);

function blank() {
	return { parts: [], date: null, range: null, gap: false, discontinuity: false, map: null, key: null, complete: false,
		uri: null, duration: null };
}

class Parser {
	constructor() {
		this.list = { faults: [], header: {}, segments: [], hints: [], reports: [], dateranges: [], variants: [],
			media: [], iframes: [], skip: 0, skipped: null, ended: false, version: 1 };
		this.next = blank();
		this.variant = null;
		this.map = null;
		this.key = null;
	}

	fault(text) {
		this.list.faults.push(text);
	}

	number(text, of) {
		if (!/^\d+(\.\d+)?$/.test(text ?? ''))
			this.fault(`${of} is no number: ${text}`);
		return Number(text);
	}

	part(text) {
		const a = attributes(text, this.list.faults);

		if (!a.URI || a.DURATION === undefined)
			this.fault(`a part without URI or DURATION: ${text}`);
		this.next.parts.push({ uri: a.URI, duration: this.number(a.DURATION, 'a part\'s DURATION'),
			independent: a.INDEPENDENT === 'YES', gap: a.GAP === 'YES', range: a.BYTERANGE ?? null,
			date: this.next.date, map: this.map });
	}

	// What comes with a segment has to stand before its first part.
	before(tag) {
		if (this.next.parts.length)
			this.fault(`EXT-X-${tag} after the first part of its segment`);
	}

	tag(name, value) {
		const n = this.next, l = this.list;

		switch (name) {
		case 'PART': this.part(value); break;
		case 'PROGRAM-DATE-TIME':
			this.before(name);
			n.date = Date.parse(value);
			if (Number.isNaN(n.date))
				this.fault(`no date: ${value}`);
			break;
		case 'MAP': this.before(name); this.map = attributes(value, l.faults).URI; break;
		case 'KEY': this.before(name); this.key = attributes(value, l.faults); break;
		case 'DISCONTINUITY': this.before(name); n.discontinuity = true; break;
		case 'GAP': n.gap = true; break;
		case 'BITRATE': break;
		case 'BYTERANGE': n.range = value; break;
		case 'SKIP':
			l.skipped = attributes(value, l.faults);
			l.skip = this.number(l.skipped['SKIPPED-SEGMENTS'], 'SKIPPED-SEGMENTS');
			break;
		case 'PRELOAD-HINT': l.hints.push(attributes(value, l.faults)); break;
		case 'RENDITION-REPORT': l.reports.push(attributes(value, l.faults)); break;
		case 'DATERANGE': l.dateranges.push(attributes(value, l.faults)); break;
		case 'STREAM-INF': this.variant = attributes(value, l.faults); break;
		case 'I-FRAME-STREAM-INF': l.iframes.push(attributes(value, l.faults)); break;
		case 'MEDIA': l.media.push(attributes(value, l.faults)); break;
		default: this.header(name, value);
		}
	}

	header(name, value) {
		const h = this.list.header;

		if (!once.has(name))
			return; // unknown tags are to be passed over
		if (name in h)
			this.fault(`EXT-X-${name} stands twice`);
		h[name] = listed.has(name) ? attributes(value, this.list.faults) : value;
		if (name === 'VERSION')
			this.list.version = this.number(value, 'EXT-X-VERSION');
		if (name === 'ENDLIST')
			this.list.ended = true;
	}

	uri(line) {
		if (this.variant) {
			this.list.variants.push({ ...this.variant, uri: line });
			this.variant = null;
			return;
		}
		if (this.next.duration === null)
			this.fault(`a segment without EXTINF: ${line}`);
		this.push({ uri: line, complete: true });
	}

	push(more) {
		this.list.segments.push({ ...this.next, map: this.map, key: this.key, ...more });
		this.next = blank();
	}

	line(line) {
		if (line.startsWith('#EXT-X-')) {
			const colon = line.indexOf(':');
			this.tag(line.slice(7, colon < 0 ? undefined : colon), colon < 0 ? '' : line.slice(colon + 1));
		} else if (line.startsWith('#EXTINF:')) {
			this.next.duration = this.number(line.slice(8).split(',')[0], 'EXTINF');
			if (!line.includes(','))
				this.fault(`EXTINF without a comma: ${line}`);
		} else if (line && !line.startsWith('#')) {
			this.uri(line);
		}
	}

	finish() {
		const l = this.list, first = Number(l.header['MEDIA-SEQUENCE'] ?? 0) + l.skip;

		if (this.variant)
			this.fault('EXT-X-STREAM-INF without a URI after it');
		if (this.next.duration !== null)
			this.fault('EXTINF without a URI after it');
		if (this.next.parts.length)
			this.push({});
		l.segments.forEach((s, i) => { s.msn = first + i; });
		return l;
	}
}

export function parse(text) {
	const p = new Parser();
	const lines = text.split(/\r?\n/);

	if (lines[0] !== '#EXTM3U')
		p.fault(`the first line is not #EXTM3U but "${lines[0].slice(0, 40)}"`);
	if (!text.endsWith('\n'))
		p.fault('the last line has no end');
	lines.slice(1).forEach((l) => p.line(l));
	return p.finish();
}

// merge OLD DELTA: the whole playlist that a delta update stands for; null when it does not fit (RFC 8216bis, 6.2.5.1).
export function merge(old, delta) {
	const first = Number(delta.header['MEDIA-SEQUENCE']);
	const kept = old.segments.filter((s) => s.msn >= first && s.msn < first + delta.skip);

	if (kept.length !== delta.skip || kept.some((s) => !s.complete))
		return null;
	const segments = [...kept, ...delta.segments];
	let map = null;
	for (const s of segments) {
		map = s.map ?? map; // a MAP that was skipped goes on to hold
		s.map = map;
	}
	return { ...delta, skip: 0, segments };
}
