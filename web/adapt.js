// Which rendition to play where each frame comes as it is made. How fast the line is cannot be seen while it keeps up: media
// come as fast as they are made, and no faster. So it goes down by what is seen first when it does not keep up, media that
// come later than they did at best; and up when a segment of a better rendition, fetched to try, came fast enough. Pure: the
// time and what is seen are told.

const LATE = 0.35, LATE_MS = 1200;	// s later than at best, for so long: one less
const STALLS = 2, STALLS_MS = 10000;	// so many in so long: the same
const DROPPED = 0.2, DROPPED_MS = 5000;	// of the frames left out by the browser in so long: it cannot decode that many
const CALM_MS = 5000;			// after a change, before anything is judged by it
const TRY_MS = 10000, TRY_MAX_MS = 160000;	// between tries; twice as long after each that turned out wrong
const WRONG_MS = 20000;			// down again so soon after up: it was wrong
const ROOM = 1.5;			// times the rate is what a line should have

export class Adapter {
	#list;
	#at;
	#top;		// better ones are more than the screen shows
	#best = Infinity;	// s: how late media were at best, since the last change
	#lateAt = 0;	// since when they are LATE; 0: they are not
	#stalls = [];
	#frames = null;	// { now, shown, dropped } some seconds ago
	#changed = -Infinity;
	#up = -Infinity;	// when it last went up
	#wait = TRY_MS;
	#tried = -Infinity;

	// list: best first, of { bitrate, height }; pixels: height of the picture on the screen.
	constructor(list, pixels, now) {
		this.#list = list;
		this.#top = Math.max(0, list.findLastIndex((r) => !r.height || r.height >= pixels));
		this.#at = this.#top;
		this.#tried = now;
		this.#changed = now;
	}

	get at() {
		return this.#at;
	}

	// What is played was changed by somebody: it is judged from now on.
	set at(i) {
		this.#at = i;
		this.#forget(performance.now());
	}

	stalled(now) {
		this.#stalls.push(now);
	}

	// late: s from the newest media's own time to now, right or wrong by any constant. shown, dropped: frames so far. Returns
	// which to play.
	turn(now, late, shown, dropped) {
		this.#best = Math.min(this.#best, late);
		this.#stalls = this.#stalls.filter((t) => now - t < STALLS_MS);
		this.#lateAt = late > this.#best + LATE ? this.#lateAt || now : 0;
		const slow = this.#lateAt && now - this.#lateAt > LATE_MS;

		if ((slow || this.#stalls.length >= STALLS || this.#weak(now, shown, dropped)) && this.#at + 1 < this.#list.length) {
			if (now - this.#up < WRONG_MS)
				this.#wait = Math.min(TRY_MAX_MS, 2 * this.#wait);
			this.#at++;
			this.#forget(now);
		}
		return this.#at;
	}

	// Is it time to try a better one? Then which.
	wants(now) {
		const due = now - this.#tried > this.#wait && now - this.#changed > CALM_MS;

		return due && !this.#lateAt && !this.#stalls.length && this.#at > this.#top ? this.#at - 1 : -1;
	}

	// The try has come, beside what is played, at so many bit/s. Returns which to play.
	tried(now, bps) {
		const rate = bps + this.#list[this.#at].bitrate;
		const best = this.#list.findIndex((r, i) => i >= this.#top && ROOM * r.bitrate <= rate);

		this.#tried = now;
		if (best >= 0 && best < this.#at) {
			this.#at = best;
			this.#forget(now);
			this.#up = now;
		}
		return this.#at;
	}

	#forget(now) {
		this.#best = Infinity;
		this.#lateAt = 0;
		this.#stalls = [];
		this.#frames = null;
		this.#changed = this.#tried = now;
	}

	#weak(now, shown, dropped) {
		const was = this.#frames;

		if (was && now - was.now < DROPPED_MS)
			return false;
		this.#frames = { now, shown, dropped };
		return was && shown - was.shown > 30 && dropped - was.dropped > DROPPED * (shown - was.shown);
	}
}
