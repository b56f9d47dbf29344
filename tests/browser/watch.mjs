// watch: plays a stream in headless Chromium and reads the clock of tests/media off the picture.
//
//   node watch.mjs [options] URL
//     --seconds N     watch for N seconds after the first frame (default 30); the first may take --start N (120)
//     --settle N      latency and stalls count from N seconds after the first frame on (default 10)
//     --player P      page: URL is a page with a <video> (default); hls, dash, shaka, mp4: URL is a playlist, an MPD,
//                     an MPD, a fragmented MP4 (--codecs C), played by a page of our own
//     --screenshot F  PNG of the page at the end
//     --viewport WxH  of the page (default 800x600); --phone: with touch and a phone's density; --dark: at night
//     --progress      four lines a second while it goes on; clock_ms is of the newest frame shown. Of each text that is shown
//                     a line more: cue=TEXT into_ms=WHERE in its second of media it begins
//
// The page may set window.gexPlayer to its hls.js, dash.js or Shaka player: its errors are counted.
// Prints key=value:
//   frames, unreadable              frames shown; of them without a readable clock
//   latency_p50_ms, latency_p95_ms, latency_max_ms, latency_frames   Date.now() - clock of the frame shown
//   first_frame_ms, last_ms         from opening the page to the first frame read; clock of the last
//   stalls, stall_ms, stall_max_ms, waiting   times, sum and longest of currentTime standing > 100 ms; `waiting` events
//   errors, fatal_errors, error=    of the player, the <video> and the page's scripts; each kind once
//   http_errors, foreign            answers of 400 and more or none at all; requests to another origin
//   heights, dropped, buffer_ms, rate, player_latency_ms   of the player, at the end
// Exit status: 0; 65 no frame was read; 69 the page could not be opened; 70 Chromium hangs; 64.
// SIGTERM and SIGINT end the watch early, with the account of what was seen. Chromium and its files go with us.

import { parseArgs } from 'node:util';

import { Chromium, npm } from './chromium.mjs';
import { source as clockmark } from './clockmark.mjs';
import { players, servePlayer } from './players.mjs';
import { install } from './probe.mjs';

function usage() {
	console.error('usage: watch.mjs [--seconds N] [--start N] [--settle N] [--player page|hls|dash|shaka|mp4] ' +
		'[--codecs C] [--screenshot FILE] [--viewport WxH] [--phone] [--dark] [--progress] URL');
	process.exit(64);
}

function parse() {
	const number = (s) => (/^\d+$/.test(s) ? Number(s) : usage());
	let args;

	try {
		args = parseArgs({ allowPositionals: true, options: {
			seconds: { type: 'string', default: '30' }, start: { type: 'string', default: '120' },
			settle: { type: 'string', default: '10' }, player: { type: 'string', default: 'page' },
			codecs: { type: 'string', default: 'avc1.64001e,mp4a.40.2' },
			screenshot: { type: 'string' }, viewport: { type: 'string', default: '800x600' },
			phone: { type: 'boolean', default: false }, dark: { type: 'boolean', default: false },
			progress: { type: 'boolean', default: false },
		} });
	} catch {
		usage();
	}
	const { values: v, positionals: [url, ...rest] } = args;
	if (!URL.canParse(url ?? '') || rest.length || !/^\d+x\d+$/.test(v.viewport) || (v.player !== 'page' && !players[v.player]))
		usage();
	return { ...v, url, seconds: number(v.seconds), start: number(v.start), settle: number(v.settle) };
}

// What the reports of the probe add up to.
const tally = {
	frames: 0, unreadable: 0, latencies: [], lastUtc: null, heights: new Set(), errors: new Map(),
	fatal: 0, httpErrors: 0, foreign: 0, last: null,
};

function addError(text) {
	tally.fatal += text.startsWith('fatal ');
	if (tally.errors.has(text) || tally.errors.size < 20)
		tally.errors.set(text, (tally.errors.get(text) ?? 0) + 1);
}

function addReport(report) {
	for (const [utc, latency, height, settled] of report.samples) {
		tally.frames++;
		tally.heights.add(height);
		if (utc === null) {
			tally.unreadable++;
			continue;
		}
		tally.lastUtc = utc;
		if (settled)
			tally.latencies.push(latency);
	}
	report.errors.forEach(addError);
	tally.last = report;
}

function printProgress(report) {
	for (const [text, into] of report.cues)
		console.log(`cue=${text.replace(/\s+/g, ' ')} into_ms=${into}`);
	const read = report.samples.filter((s) => s[0] !== null);

	console.log(`at_ms=${Date.now()} frames=${report.samples.length} clock_ms=${tally.lastUtc ?? 0} ` +
		`latency_ms=${read.length ? read.at(-1)[1] : ''} height=${report.samples.at(-1)?.[2] ?? ''} ` +
		`stalls=${report.stalls} stalled=${Number(report.stalled)} buffer_ms=${Math.round(report.bufferMs)}`);
}

function printAccount() {
	const l = tally.latencies.sort((a, b) => a - b), r = tally.last;
	const at = (share) => l[Math.min(l.length - 1, Math.floor(l.length * share))];
	const say = (key, value) => console.log(`${key}=${value}`);

	say('frames', tally.frames);
	say('unreadable', tally.unreadable);
	say('latency_frames', l.length);
	if (l.length) {
		say('latency_p50_ms', at(0.5));
		say('latency_p95_ms', at(0.95));
		say('latency_max_ms', at(1));
	}
	if (r && r.firstFrameMs !== null) {
		say('first_frame_ms', Math.round(r.firstFrameMs));
		say('last_ms', tally.lastUtc);
	}
	say('stalls', r?.stalls ?? 0);
	say('stall_ms', Math.round(r?.stallMs ?? 0));
	say('stall_max_ms', Math.round(r?.stallMaxMs ?? 0));
	say('waiting', r?.waiting ?? 0);
	say('errors', [...tally.errors.values()].reduce((sum, n) => sum + n, 0));
	say('fatal_errors', tally.fatal);
	for (const [text, n] of tally.errors)
		say('error', `${text}${n > 1 ? ` x ${n}` : ''}`.replace(/\s+/g, ' '));
	say('http_errors', tally.httpErrors);
	say('foreign', tally.foreign);
	say('heights', [...tally.heights].sort((a, b) => b - a).join(','));
	say('dropped', r?.dropped ?? 0);
	say('buffer_ms', Math.round(r?.bufferMs ?? 0));
	say('rate', r?.rate ?? 0);
	if (r?.playerLatency)
		say('player_latency_ms', Math.round(1000 * r.playerLatency));
}

function listen(page, origin) {
	page.on('console', (m) => {
		// Failed requests are counted below.
		if (m.type() === 'error' && !m.text().startsWith('Failed to load resource'))
			addError(`console ${m.text()}`);
	});
	page.on('pageerror', (e) => addError(`script ${e.message}`));
	page.on('crash', () => addError('fatal the page crashed'));
	page.on('response', (r) => { tally.httpErrors += r.status() >= 400; });
	page.on('requestfailed', (r) => {
		// A player that changes its mind is no error.
		tally.httpErrors += r.failure()?.errorText !== 'net::ERR_ABORTED';
	});
	page.on('request', (r) => {
		const to = new URL(r.url());
		tally.foreign += /^(http|ws)/.test(to.protocol) && to.origin !== origin;
	});
}

async function watch(page, opt, ended) {
	const sleep = (ms) => Promise.race([ended, new Promise((ok) => setTimeout(ok, ms))]);
	const opened = performance.now();
	const turnMs = opt.progress ? 250 : 1000;
	let left = 1000 * opt.start, playing = false;

	await page.addInitScript(`${clockmark}\n(${install})(${1000 * opt.settle});`);
	const url = opt.player === 'page' ? opt.url
		: await servePlayer(page, opt.player, opt.url, npm, opt.codecs);
	await page.goto(url, { waitUntil: 'domcontentloaded', timeout: 1000 * Math.max(60, opt.start) });
	// Each turn is shorter by what the turn before took too long.
	for (let turn = opened; left > 0 && !ended.done; left -= turnMs) {
		turn += turnMs;
		await sleep(Math.max(50, turn - performance.now()));
		const report = await page.evaluate(() => window.gexProbe.take());
		addReport(report);
		if (opt.progress)
			printProgress(report);
		if (!playing && report.firstFrameMs !== null) {
			playing = true;
			left = 1000 * opt.seconds + turnMs;
		}
	}
	if (opt.screenshot)
		await page.screenshot({ path: opt.screenshot });
}

async function main() {
	const opt = parse(), chromium = new Chromium();
	let status = 0, end;
	const ended = new Promise((ok) => { end = () => { ended.done = true; ok(); }; });
	const patience = 1000 * (2 * opt.start + opt.seconds + 60);
	const giveUp = () => {
		console.error('watch: Chromium does not answer');
		printAccount();
		chromium.leave(70);
	};
	const watchdog = setTimeout(giveUp, patience);
	const onSignal = () => {
		end();
		setTimeout(giveUp, 30000);
	};

	process.on('SIGTERM', onSignal);
	process.on('SIGINT', onSignal);
	try {
		const page = await chromium.open({ ...opt, timeout: 1000 * opt.start });
		listen(page, new URL(opt.url).origin);
		await watch(page, opt, ended);
	} catch (e) {
		console.error(`watch: ${e.message.split('\n')[0]}`);
		status = 69;
	}
	printAccount();
	if (!status && tally.frames === tally.unreadable)
		status = 65;
	await chromium.close();
	clearTimeout(watchdog);
	chromium.leave(status);
}

await main();
