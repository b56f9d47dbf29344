// The seek bar: a slider over what the disk has, up to now, in seconds of UTC; while one points or drags, the picture of that
// instant, whose number is a function of its time, and how long ago it was.

const STEP_S = 10;	// by an arrow key
const SHORT_S = 10;	// a past that is shorter is not worth a bar
const HOLE = 3;		// pictures that may be missing before the one that is shown

// "1:02:03", "2:03"
export function span(s) {
	const v = Math.max(0, Math.round(s)), two = (n) => String(n).padStart(2, '0');

	return v >= 3600 ? `${Math.floor(v / 3600)}:${two(Math.floor(v / 60) % 60)}:${two(v % 60)}` : `${Math.floor(v / 60)}:${two(v % 60)}`;
}

const clock = (s) => new Date(1000 * s).toLocaleTimeString();

export class SeekBar {
	#box;
	#range;
	#preview;
	#image;
	#text;
	#pictures = null;	// { every, width, height }
	#asked = '';
	#dragging = false;

	// elements: box, range, preview, image, text; seek(s): to an instant, or to Infinity for live.
	constructor(elements, seek) {
		const { range } = elements;

		this.#box = elements.box;
		this.#range = range;
		this.#preview = elements.preview;
		this.#image = elements.image;
		this.#text = elements.text;
		range.addEventListener('input', () => {
			this.#dragging = true;
			this.#show(Number(range.value));
		});
		range.addEventListener('change', () => {
			this.#dragging = false;
			this.#hide();
			seek(Number(range.value) > Number(range.max) - 3 ? Infinity : Number(range.value));
		});
		range.addEventListener('keydown', (e) => {
			const by = { ArrowLeft: -STEP_S, ArrowDown: -STEP_S, ArrowRight: STEP_S, ArrowUp: STEP_S }[e.key];

			if (!by)
				return;
			e.preventDefault();
			range.value = Number(range.value) + by;
			range.dispatchEvent(new Event('change'));
		});
		range.addEventListener('pointermove', (e) => {
			if (e.pointerType === 'mouse' && !this.#dragging)
				this.#show(this.#at(e.clientX));
		});
		for (const over of ['pointerleave', 'blur'])
			range.addEventListener(over, () => this.#dragging || this.#hide());
		this.#image.addEventListener('load', () => { this.#image.hidden = false; });
		this.#image.addEventListener('error', () => this.#before());
	}

	// from, now, at: s; pictures: { every, width, height } or null. Without a past there is no bar.
	update({ from, now, at, pictures }) {
		const range = this.#range;

		this.#pictures = pictures;
		this.#box.hidden = !(now - from > SHORT_S);
		if (this.#box.hidden || this.#dragging)
			return;
		range.min = Math.ceil(from);
		range.max = Math.floor(now);
		range.value = Number.isFinite(at) ? at : now;
		this.#fill();
		range.setAttribute('aria-valuetext', now - at < 5 ? 'live' : `${span(now - at)} ago, ${clock(at)}`);
	}

	#fill() {
		const { value, min, max } = this.#range;

		this.#range.style.setProperty('--fill', `${100 * (value - min) / Math.max(1, max - min)}%`);
	}

	#at(x) {
		const { left, width } = this.#range.getBoundingClientRect(), { min, max } = this.#range;
		const share = Math.min(1, Math.max(0, (x - left) / width));

		return Number(min) + share * (max - min);
	}

	#show(s) {
		const { min, max } = this.#range, box = this.#box.clientWidth;

		this.#fill();
		this.#text.textContent = s > max - 3 ? 'live' : `−${span(max - s)} · ${clock(s)}`;
		this.#preview.hidden = false;
		if (this.#pictures) {
			this.#image.style.aspectRatio = `${this.#pictures.width} / ${this.#pictures.height}`;
			this.#ask(Math.floor(s / this.#pictures.every), HOLE);
		}
		const half = this.#preview.offsetWidth / 2, x = (s - min) / Math.max(1, max - min) * box;
		this.#preview.style.left = `${Math.min(box - 2 * half, Math.max(0, x - half))}px`;
	}

	#ask(number, left) {
		const url = `thumbnails/${number}.jpg`;

		if (this.#asked.startsWith(`${url}#`))
			return;
		this.#asked = `${url}#${left}`;
		this.#image.src = url;
	}

	// The newest one is not there yet, or one is missing: the one before it.
	#before() {
		const [, number, left] = this.#asked.match(/(\d+)\.jpg#(\d+)/) ?? [];

		if (Number(left) > 0)
			this.#ask(number - 1, left - 1);
		else
			this.#image.hidden = true;
	}

	#hide() {
		this.#preview.hidden = true;
	}
}
