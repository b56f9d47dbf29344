// Close to the edge, not over it. What is kept in hand is the buffer at its lowest between two arrivals: little, more after
// each stall, and slowly less again. Media that come sooner than that are made up for by playing a little faster.

const HAND_MAX = 2, HAND_PER_STALL = 0.15, HAND_BACK = 0.002;	// s, s, s per second
const ROUND_TRIPS = 2;		// what is lost on the way comes a round trip or two later
const TOO_FAR = 4;		// s: beyond it there is no catching up by speed,
const TOO_FAR_FIRST = 0.3;	// and beyond this not at the beginning, when a jump is hardly seen

export const TURN_MS = 100;
const LOWEST_OF = 13;		// turns: longer than a segment of a second

export class Keeper {
	#recent = [];
	#more = 0;	// s, for stalls
	#fresh = true;

	// Another player, or the same one again.
	begin() {
		this.#recent = [];
		this.#fresh = true;
	}

	// atLeast: s, what this way of playing needs when nothing ever is late.
	hand(atLeast, roundTrip) {
		return Math.min(HAND_MAX, atLeast + ROUND_TRIPS * roundTrip + this.#more);
	}

	stalled() {
		this.#more = Math.min(HAND_MAX, this.#more + HAND_PER_STALL);
		this.#recent = [];
	}

	// One turn: sets the speed of the video; returns how far to jump, s, or 0.
	turn(video, buffer, atLeast, roundTrip) {
		this.#recent.push(buffer);
		if (this.#recent.length > LOWEST_OF)
			this.#recent.shift();
		this.#more = Math.max(0, this.#more - HAND_BACK * TURN_MS / 1000);
		const over = Math.min(...this.#recent) - this.hand(atLeast, roundTrip);
		const seen = this.#recent.length === LOWEST_OF;

		if (seen && over > (this.#fresh ? TOO_FAR_FIRST : TOO_FAR)) {
			this.begin();
			this.#fresh = false;
			return over;
		}
		this.#fresh &&= !seen;
		if (over > 0.03)
			video.playbackRate = 1 + Math.min(0.5, Math.max(0.02, over / 3));
		else if (over < -0.05)
			video.playbackRate = 0.96;
		else
			video.playbackRate = 1;
		return 0;
	}
}
