// The server's time, by which latency is told: the fastest of a few answers is the least wrong.

const TRIES = 5, AGAIN_MS = 60000, RETRY_MS = 2000;

export class Clock {
	offsetMs = 0;	// the server's time minus ours
	known = false;
	roundTrip = 0;	// to the server, s; 0: not known

	get now() {
		return Date.now() + this.offsetMs;
	}

	async keep() {
		let best = Infinity;

		for (let i = 0; i < TRIES; i++) {
			const sent = performance.now();
			try {
				const answer = await fetch('time', { cache: 'no-store' });
				const text = await answer.text(), took = performance.now() - sent;

				if (answer.ok && took < best) {
					best = took;
					this.roundTrip = took / 1000;
					this.offsetMs = Date.parse(text) + took / 2 - Date.now();
					this.known = true;
				}
			} catch {
				break;
			}
		}
		setTimeout(() => this.keep(), this.known ? AGAIN_MS : RETRY_MS);
	}
}
