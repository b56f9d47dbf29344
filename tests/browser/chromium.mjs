// Headless Chromium for a test: nothing of the user's is read or written, its home is a scratch folder, and it goes with us.

import { mkdirSync, mkdtempSync, readFileSync, readdirSync, rmSync } from 'node:fs';
import { createRequire } from 'node:module';
import os from 'node:os';
import path from 'node:path';
import { fileURLToPath } from 'node:url';

const here = path.dirname(fileURLToPath(import.meta.url));
const npm = process.env.GEX_NPM ?? path.join(here, '../../build/npm/node_modules');
const flags = [
	'--no-sandbox', '--disable-gpu', '--disable-quic', '--no-first-run', '--disable-sync',
	'--disable-background-networking', '--disable-component-update', '--disable-breakpad',
	'--autoplay-policy=no-user-gesture-required', '--window-size=800,600', '--no-proxy-server',
];

function findPlaywright() {
	try {
		return createRequire(path.join(npm, 'x'))('playwright-core').chromium;
	} catch {
		console.error(`no playwright-core in ${npm}; make npm installs it`);
		process.exit(69);
	}
}

// Each child of ours leads a group of its own, with all that it started.
function killChildren() {
	for (const task of readdirSync('/proc/self/task'))
		for (const pid of readFileSync(`/proc/self/task/${task}/children`, 'utf8').split(' ').filter(Number))
			try { process.kill(-pid, 'SIGKILL'); } catch { /* it is gone */ }
}

class Chromium {
	#scratch = mkdtempSync(path.join(os.tmpdir(), 'watch.'));
	#context = null;

	// viewport: "WxH"; phone: with touch and a phone's density; timeout: ms. Returns the page.
	async open({ viewport = '800x600', phone = false, dark = false, timeout = 30000 }) {
		const scratch = this.#scratch, [width, height] = viewport.split('x').map(Number);

		mkdirSync(path.join(scratch, 'profile'));
		this.#context = await findPlaywright().launchPersistentContext(path.join(scratch, 'profile'), {
			executablePath: process.env.CHROMIUM ?? '/usr/bin/chromium', headless: true,
			ignoreHTTPSErrors: true,
			args: flags, viewport: { width, height }, hasTouch: phone, isMobile: phone,
			deviceScaleFactor: phone ? 2 : 1, colorScheme: dark ? 'dark' : 'light', timeout: Math.max(30000, timeout),
			handleSIGINT: false, handleSIGTERM: false, handleSIGHUP: false,
			env: { ...process.env, HOME: scratch, TMPDIR: scratch, XDG_CONFIG_HOME: scratch,
				XDG_CACHE_HOME: scratch, XDG_RUNTIME_DIR: scratch, DBUS_SESSION_BUS_ADDRESS: 'disabled:' },
		});
		return this.#context.pages()[0] ?? this.#context.newPage();
	}

	// Asks it to end, for 5 s at most.
	async close() {
		await Promise.race([this.#context?.close().catch(() => {}), new Promise((ok) => setTimeout(ok, 5000))]);
	}

	// Ends it and the process.
	leave(code) {
		killChildren();
		rmSync(this.#scratch, { recursive: true, force: true, maxRetries: 10, retryDelay: 100 });
		process.exit(code);
	}
}

export { Chromium, npm };
