// serve: the files of a folder over HTTP on a port of the kernel's choice, for tests of the browser alone.
//   node serve.mjs DIR [READY-FILE]     writes the port into READY-FILE; a FIFO is passed on as it is written.

import { createReadStream, renameSync, statSync, writeFileSync } from 'node:fs';
import http from 'node:http';
import path from 'node:path';

const [dir, ready] = process.argv.slice(2);
const types = { '.m3u8': 'application/vnd.apple.mpegurl', '.mp4': 'video/mp4', '.m4s': 'video/mp4',
	'.mpd': 'application/dash+xml', '.ts': 'video/mp2t', '.html': 'text/html', '.js': 'text/javascript' };

function answer(req, res) {
	const name = path.normalize(decodeURIComponent(new URL(req.url, 'http://h').pathname));
	const file = path.join(dir, name);
	let size;

	try {
		const st = statSync(file);
		if (st.isDirectory())
			throw new Error('a folder');
		size = st.isFIFO() ? {} : { 'content-length': st.size };
	} catch {
		res.writeHead(404).end();
		return;
	}
	res.writeHead(200, { ...size, 'content-type': types[path.extname(file)] ?? 'application/octet-stream',
		'cache-control': 'no-store', 'access-control-allow-origin': '*' });
	const body = createReadStream(file).on('error', () => res.destroy());
	res.on('close', () => body.destroy());
	body.pipe(res);
}

const server = http.createServer(answer).listen(0, '127.0.0.1', () => {
	writeFileSync(`${ready}.new`, `${server.address().port}\n`);
	renameSync(`${ready}.new`, ready);
});
