// The page's choice of a rendition (web/adapt.js) on lines of our making, in time of our making: a line of so many bit/s has
// a queue, so media come the later the longer they are more than it carries.
import assert from 'node:assert/strict';
import path from 'node:path';

const { Adapter } = await import(path.resolve(process.argv[2], 'adapt.js'));
const ladder = [
	{ height: 1080, bitrate: 5e6 }, { height: 720, bitrate: 2.8e6 }, { height: 480, bitrate: 1.2e6 }, { height: 360, bitrate: 8e5 },
];
const TURN_MS = 250;

// run LINE SECONDS [PIXELS]: line(s) is bit/s at that second, or { rate, dropped }. What was played, and the changes: [s, index].
function run(line, seconds, pixels = 1080) {
	const a = new Adapter(ladder, pixels, 0), changes = [];
	let queue = 0, shown = 0, dropped = 0, at = a.at, jitter = 1;

	for (let now = 0; now < 1000 * seconds; now += TURN_MS) {
		const l = line(now / 1000), rate = l.rate ?? l;

		jitter = jitter * 16807 % 2147483647;
		queue = Math.max(0, queue + (ladder[at].bitrate - rate) * TURN_MS / 1000);
		shown += 30 * TURN_MS / 1000;
		dropped += (l.dropped?.(at) ?? 0) * 30 * TURN_MS / 1000;
		const late = 17 + queue / rate + 0.1 * jitter / 2147483647;
		let next = a.turn(now, late, shown, dropped);
		const better = a.wants(now);

		if (better >= 0)
			next = a.tried(now, Math.max(1e4, rate - ladder[at].bitrate));
		if (next !== at) {
			changes.push([now / 1000, next]);
			queue = 0; // the file before is given up with all that was on its way
			at = next;
		}
	}
	return { at, changes };
}

let r = run(() => 20e6, 60);
assert.deepEqual(r, { at: 0, changes: [] }, 'a good line has the best, and stays');
r = run(() => 20e6, 60, 700);
assert.deepEqual(r, { at: 1, changes: [] }, 'a small screen has what it can show');
r = run((s) => (s < 20 ? 20e6 : s < 60 ? 2e6 : 20e6), 120);
assert.equal(r.changes[0][1], 1);
assert.ok(r.changes[0][0] < 22.5, `down within 2.5 s of the line: ${r.changes[0]}`);
assert.ok(r.changes.find(([, i]) => i === 2)[0] < 35, 'and to what the line carries');
assert.ok(r.changes.find(([s, i]) => s > 60 && i === 0)?.[0] < 90, `up again within 30 s: ${r.changes.join(' ')}`);
assert.equal(r.at, 0);
r = run(() => 2e6, 300);
assert.equal(r.at, 2);
assert.ok(r.changes.length <= 3, `no up and down on a steady line: ${r.changes.join(' ')}`);
r = run(() => ({ rate: 20e6, dropped: (i) => (i === 0 ? 0.5 : 0) }), 300);
assert.ok(r.changes[0][0] < 12 && r.changes[0][1] === 1, 'down where the browser cannot decode so many');
assert.ok(r.changes.length <= 10, `and seldom up again: ${r.changes.join(' ')}`);

const a = new Adapter(ladder, 1080, 0);
a.stalled(9000);
a.stalled(9500);
assert.equal(a.turn(9600, 1, 0, 0), 1, 'two stalls are enough');
console.log('ok - the page chooses the rendition that the line carries');
