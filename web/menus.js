// The menus of the page: each is there when there is something to choose, and what was chosen stays chosen by its name, up to a
// dot, when a list is made anew, by another player for instance.

const names = new Intl.DisplayNames([navigator.language, 'en'], { type: 'language', fallback: 'code' });

// "Commentary (English)", "English", "Sound 2"
function nameOf({ label, lang }, kind, i) {
	let said = '';

	try {
		said = lang && lang !== 'und' ? names.of(lang) : '';
	} catch {
		said = lang;
	}
	const own = label && label !== lang && label.toLowerCase() !== said?.toLowerCase() ? label : '';

	if (own && said && !own.includes(said))
		return `${own} (${said})`;
	return own || said || `${kind} ${i + 1}`;
}

export class Menu {
	#select;
	#label;		// hidden while there is no choice; null: never
	#wish = null;	// text of what was chosen

	constructor(select, label, choose) {
		this.#select = select;
		this.#label = label;
		select.addEventListener('change', () => {
			this.#wish = select.selectedOptions[0]?.text ?? null;
			choose(Number(select.value));
		});
	}

	get value() {
		return Number(this.#select.value);
	}

	// list: of [text, value]; now: the value that holds. Returns the value of what was wished before, or null.
	fill(list, now, least) {
		const wish = list.find(([text]) => text.split(' · ')[0] === this.#wish?.split(' · ')[0]);

		this.#select.replaceChildren(...list.map(([text, value]) => new Option(text, value)));
		this.#select.value = wish ? wish[1] : now;
		if (this.#label)
			this.#label.hidden = list.length < least;
		return wish && wish[1] !== now ? wish[1] : null;
	}

	// What the first entry says: "Auto · 360p".
	first(text) {
		const option = this.#select.options[0];

		if (option && option.text !== text)
			option.text = text;
	}
}

export const qualityList = (list) => [['Auto', -1], ...list.map((l, i) => [
	`${l.height ? `${l.height}p` : 'Sound only'} · ${Math.round(l.bitrate / 1000)} kbit/s`, i])];
export const soundList = (list) => list.map((t, i) => [nameOf(t, 'Sound', i), i]);
export const textList = (list) => [['Off', -1], ...list.map((t, i) => [nameOf(t, 'Captions', i), i])];
