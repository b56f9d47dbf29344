// page: the player page as one uses it, by clicks and keys: menus, seeking back by pictures, live again, and what it says when
// there is nothing to see.
//
//   node page.mjs use URL [SCREENSHOT]     of a stream with two qualities, two sounds, captions, a past and thumbnails
//   node page.mjs says WORDS URL           until the notice says so, for 60 s at most
// Prints a line for each thing that was tried. Exit status 0 when all was as it should be.

import { Chromium } from './chromium.mjs';

const PATIENCE_MS = 60000;
const [what, ...rest] = process.argv.slice(2);
const chromium = new Chromium();
let page = null, foreign = 0, broken = 0, asked = [];

async function until(name, fn, arg) {
	try {
		await page.waitForFunction(fn, arg, { timeout: PATIENCE_MS, polling: 100 });
		console.log(`ok ${name}`);
	} catch {
		console.log(`not ok ${name}`);
		throw new Error(`${name}: ${await page.evaluate(() => JSON.stringify([document.querySelector('main').innerText,
			window.gexPlayer?.latency, window.gexPlayer?.errors.slice(-3)]))}`);
	}
}

async function seen(name, test) {
	const end = Date.now() + PATIENCE_MS;

	while (!test() && Date.now() < end)
		await page.waitForTimeout(100);
	console.log(`${test() ? 'ok' : 'not ok'} ${name}`);
	if (!test())
		throw new Error(name);
}

const plays = async (name) => {
	await until(`${name}: it plays`, (was) => {
		const v = document.querySelector('video');

		window.gexWas = window.gexWas?.key === was ? window.gexWas : { key: was, time: v.currentTime };
		return !v.paused && v.readyState > 2 && v.currentTime > window.gexWas.time && document.querySelector('#notice.quiet');
	}, `${name} ${Date.now()}`);
};

async function choosesMenus() {
	await until('two qualities', () => document.querySelectorAll('#quality option').length === 3);
	for (const height of [144, 90]) {
		const value = await page.locator('#quality option').filter({ hasText: `${height}p · ` }).getAttribute('value');

		await page.selectOption('#quality', value);
		await until(`the picture of ${height} lines`, (h) => document.querySelector('video').videoHeight === h, height);
	}
	await page.selectOption('#quality', '-1');
	await until('two sounds by name', () => [...document.querySelectorAll('#sounds option')].map((o) => o.text).join() === 'English,Korean');
	asked = [];
	await page.selectOption('#sounds', { label: 'Korean' });
	await seen('the other sound is fetched', () => asked.some((u) => u.includes('/ko/')));
	await until('captions', () => document.querySelectorAll('#texts option').length >= 2);
	await page.selectOption('#texts', { index: 1 });
	await until('words on the picture', () => [...document.querySelector('video').textTracks].some((t) => t.mode === 'showing' &&
		[...t.activeCues ?? []].some((c) => /^SECOND/.test(c.text))));
	await page.selectOption('#texts', { index: 0 });
	await until('and none', () => [...document.querySelector('video').textTracks].every((t) => t.mode !== 'showing'));
}

async function choosesPlayers() {
	for (const way of ['dash', 'mp4', 'hls']) {
		asked = [];
		await page.selectOption('#way', way);
		await plays(way);
		await seen(`by what ${way} reads`, () => asked.some((u) => u.includes({ dash: '.mpd', mp4: 'live.mp4', hls: 'index.m3u8' }[way])));
		if (way === 'mp4')
			await seen('with the sound that was chosen', () => asked.some((u) => u.includes('live.mp4') && u.includes('audio=ko')));
	}
}

async function seeksBack(screenshot) {
	await until('a past of a while', () => document.querySelector('#position').max - document.querySelector('#position').min > 14);
	const box = await page.locator('#position').boundingBox(), at = (share) => [box.x + share * box.width, box.y + box.height / 2];

	await page.mouse.move(...at(0.3));
	await page.mouse.move(...at(0.31));
	await until('a picture of that time', () => {
		const image = document.querySelector('#thumb');

		return !document.querySelector('#preview').hidden && !image.hidden && image.naturalWidth > 0;
	});
	if (screenshot)
		await page.screenshot({ path: screenshot });
	await page.mouse.click(...at(0.31));
	await until('it goes back', () => window.gexPlayer.latency > 6);
	await plays('the past');
	await until('says how far', () => /^−0:/.test(document.querySelector('#when').textContent));
	const was = await page.evaluate(() => window.gexPlayer.latency);
	await page.focus('#position');
	await page.keyboard.press('ArrowRight');
	await until('a key goes on', (l) => window.gexPlayer.latency < l - 3, was);
	await page.click('#edge');
	await until('live again', () => window.gexPlayer.latency < 5 && document.querySelector('#edge.on'));
	await plays('live');
}

async function pressesKeys() {
	await page.evaluate(() => document.activeElement.blur());
	await page.keyboard.press('k');
	await until('K pauses', () => document.querySelector('video').paused);
	await until('which the button says', () => document.querySelector('#play').getAttribute('aria-label') === 'Play');
	await page.keyboard.press('k');
	await plays('K again');
	await page.keyboard.press('m');
	await until('M turns the sound on', () => !document.querySelector('video').muted);
	await until('everything that may be pressed has a name', () => [...document.querySelectorAll('button, select, input, video, canvas')].every(
		(e) => e.getAttribute('aria-label') || e.labels?.length || e.textContent.trim()));
}

async function use(url, screenshot) {
	await page.goto(url);
	await plays('at first');
	await choosesMenus();
	await choosesPlayers();
	await seeksBack(screenshot);
	await pressesKeys();
	console.log(`foreign=${foreign} broken=${broken}`);
	if (foreign || broken)
		throw new Error('requests to another host, or errors of scripts');
}

async function says(words, url) {
	await page.goto(url);
	console.log('opened');
	await until(`says: ${words}`, (w) => document.querySelector('#notice:not(.quiet)')?.innerText.includes(w), words);
}

let status = 0;

try {
	page = await chromium.open({ viewport: '1280x800', dark: true });
	page.on('request', (r) => {
		foreign += /^(http|ws)/.test(r.url()) && new URL(r.url()).origin !== new URL(rest.find((a) => a.startsWith('http'))).origin;
		asked.push(r.url());
	});
	page.on('pageerror', (e) => { broken++; console.log(`script: ${e.message}`); });
	await { use, says }[what](...rest);
} catch (e) {
	console.error(`page: ${e.message}`);
	status = 1;
}
await chromium.close();
chromium.leave(status);
