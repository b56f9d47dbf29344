// thumbnails: what players show while one seeks. Shaka (HLS and DASH) and dash.js are asked for the thumbnail of an instant some
// seconds ago; it must be a picture of that size, and its clock must say that it was taken then.
//
//   node thumbnails.mjs BASE-URL      of a stream whose source is tests/media/clock-source
// Prints a line a player: NAME asked_ms=UTC url=URL number_ms=UTC clock_ms=UTC size=WxH right, and exits 0 when all are.

import { Chromium, npm } from './chromium.mjs';
import { source as clockmark } from './clockmark.mjs';
import { servePlayer } from './players.mjs';

const base = process.argv[2];
const AGO_S = 5, EVERY_MS = 2000, TRIES = 200;
const SOURCE_MS = 20000;	// a frame may have been so long on its way from the camera

// In the page: the URL of the thumbnail of what was on the air `ago` s before now, and which instant that is.
const ask = {
	async shaka(ago) {
		const player = window.gexPlayer, track = player.getImageTracks()[0];

		if (!track)
			return null;
		const began = player.getPresentationStartTimeAsDate()?.getTime() ?? 0;
		const at = (Date.now() - began) / 1000 - ago;
		const found = await player.getThumbnails(track.id, at);

		return found && { url: found.uris[0], at: began + 1000 * at, start: began + 1000 * found.startTime, duration: found.duration };
	},
	async dash(ago) {
		// It wants seconds from the beginning of the window.
		const player = window.gexPlayer, at = Date.now() / 1000 - ago;
		const found = await new Promise((ok) => player.provideThumbnail(at - player.getDvrWindow().start, ok));

		return found && { url: found.url, at: 1000 * at, width: found.width, height: found.height };
	},
};

// In the page: the clock in a picture, and its size.
async function look(url) {
	const image = new Image();

	image.src = url;
	await image.decode();
	const canvas = document.createElement('canvas'), pen = canvas.getContext('2d');
	const strip = image.naturalHeight * 4 / ROWS;

	canvas.width = 256;
	canvas.height = 32;
	pen.drawImage(image, 0, 0, image.naturalWidth, strip, 0, 0, 256, 32);
	return { clock: readMark(pen.getImageData(0, 0, 256, 32).data, 256, 32, 4), size: `${image.naturalWidth}x${image.naturalHeight}` };
}

async function once(page, label, player) {
	const found = await page.evaluate(ask[player], AGO_S).catch(() => null);

	if (!found)
		return `${label} has no thumbnails`;
	const { clock, size } = await page.evaluate(
		`(() => { ${clockmark}
			return (${look})(${JSON.stringify(found.url)}); })()`).catch((e) => ({ clock: null, size: e.message.split('\n')[0] }));
	const number = EVERY_MS * Number(found.url.match(/\/thumbnails\/(\d+)\.jpg/)?.[1]);
	const right = size === '160x90' && number <= found.at && found.at < number + EVERY_MS && clock !== null &&
		clock > number - SOURCE_MS && clock < number + EVERY_MS && (!found.start || Math.abs(found.start - number) < 100);

	return `${label} asked_ms=${Math.round(found.at)} url=${found.url} number_ms=${number} clock_ms=${clock} size=${size}${right ? ' right' : ''}`;
}

// A player needs a while until it knows of thumbnails, and a busy machine until there is one.
async function check(page, label, player, url) {
	let said = '';

	await page.goto(await servePlayer(page, player, url, npm));
	for (let i = 0; i < TRIES && !said.endsWith(' right'); i++) {
		await page.waitForTimeout(250);
		said = await once(page, label, player);
	}
	console.log(said);
	return said.endsWith(' right');
}

const chromium = new Chromium();
let good = 0;

try {
	const page = await chromium.open({});
	const asked = [
		['shaka-hls', 'shaka', 'index.m3u8'], ['shaka-hls-dvr', 'shaka', 'dvr.m3u8'], ['shaka-dash', 'shaka', 'manifest.mpd'],
		['dash', 'dash', 'manifest.mpd'], ['dash-dvr', 'dash', 'dvr.mpd'],
	];

	for (const [label, player, file] of asked)
		good += await check(page, label, player, new URL(file, base).href);
	good = good === asked.length;
} catch (e) {
	console.error(`thumbnails: ${e.stack}`);
}
await chromium.close();
chromium.leave(good ? 0 : 1);
