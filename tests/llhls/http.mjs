// http: requests as a player makes them, over HTTP/1.1 (kept alive) or HTTP/2, and when each byte came.
//
// get(url, {headers, method}) resolves to {status, headers, body, at, first, done, reads}: times in ms of the monotonic
// clock; `reads` are the times at which bytes came. It rejects when the connection is refused or breaks.

import http from 'node:http';
import http2 from 'node:http2';
import https from 'node:https';
import { performance } from 'node:perf_hooks';

const limit_ms = 30000;

export class Client {
	constructor({ version = '1', insecure = false } = {}) {
		this.version = version;
		this.tls = { rejectUnauthorized: !insecure };
		this.agents = {
			'http:': new http.Agent({ keepAlive: true, maxSockets: 64 }),
			'https:': new https.Agent({ keepAlive: true, maxSockets: 64, ...this.tls }),
		};
		this.sessions = new Map();
		this.requests = 0;
	}

	close() {
		for (const a of Object.values(this.agents))
			a.destroy();
		for (const s of this.sessions.values())
			s.destroy();
	}

	get(url, options = {}) {
		this.requests++;
		const u = new URL(url);
		return new Promise((resolve, reject) => {
			const answer = { url, at: performance.now(), reads: [], pieces: [], first: null };
			const end = () => {
				answer.done = performance.now();
				answer.body = Buffer.concat(answer.pieces);
				resolve(answer);
			};
			const data = (piece) => {
				answer.first ??= performance.now();
				answer.reads.push(performance.now());
				answer.pieces.push(piece);
			};
			if (this.version === '2')
				this.get2(u, options, answer, { end, data, reject });
			else
				this.get1(u, options, answer, { end, data, reject });
		});
	}

	get1(u, { headers = {}, method = 'GET' }, answer, on) {
		const module = u.protocol === 'https:' ? https : http;
		const r = module.request(u, { method, headers, agent: this.agents[u.protocol], ...this.tls }, (res) => {
			answer.status = res.statusCode;
			answer.headers = res.headers;
			res.on('data', on.data).on('end', on.end).on('error', on.reject);
		});
		r.setTimeout(limit_ms, () => r.destroy(new Error(`no byte in ${limit_ms} ms: ${u}`)));
		r.on('error', on.reject).end();
	}

	session(origin) {
		let s = this.sessions.get(origin);

		if (!s || s.closed || s.destroyed) {
			s = http2.connect(origin, this.tls);
			s.on('error', () => {});
			this.sessions.set(origin, s);
		}
		return s;
	}

	get2(u, { headers = {}, method = 'GET' }, answer, on) {
		const r = this.session(u.origin).request({ ':path': u.pathname + u.search, ':method': method, ...headers });

		r.on('response', (h) => {
			answer.status = h[':status'];
			answer.headers = h;
		});
		r.setTimeout(limit_ms, () => r.close(http2.constants.NGHTTP2_CANCEL));
		r.on('data', on.data).on('error', on.reject);
		r.on('end', () => (answer.status ? on.end() : on.reject(new Error(`no answer: ${u}`))));
		r.on('close', () => on.reject(new Error(`closed: ${u}`))); // too late to matter after the end
		r.end();
	}
}
