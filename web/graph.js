// The last minute as a picture: latency and buffer as lines, stalls as bars, dropped frames as dots.

const POINTS = 240;	// four a second

export class Graph {
	#canvas;
	#points = [];	// { latency, buffer, stalls, dropped }: s, s, and how many since the point before

	constructor(canvas) {
		this.#canvas = canvas;
	}

	add(point) {
		this.#points.push(point);
		if (this.#points.length > POINTS)
			this.#points.shift();
		this.#draw();
	}

	#draw() {
		const canvas = this.#canvas, pen = canvas.getContext('2d'), dense = devicePixelRatio || 1;
		const style = getComputedStyle(document.documentElement), color = (name) => style.getPropertyValue(`--${name}`);
		const width = canvas.clientWidth, height = canvas.clientHeight;

		if (canvas.width !== Math.round(width * dense) || canvas.height !== Math.round(height * dense)) {
			canvas.width = Math.round(width * dense);
			canvas.height = Math.round(height * dense);
		}
		pen.setTransform(dense, 0, 0, dense, 0, 0);
		pen.clearRect(0, 0, width, height);
		const values = this.#points.flatMap((p) => [p.latency, p.buffer]).filter((v) => v < 30);
		const top = Math.max(1, ...values) * 1.15, y = (s) => height - Math.min(s, top) / top * height;
		const x = (i) => width - (this.#points.length - 1 - i) * width / (POINTS - 1);

		this.#scale(pen, color, width, top, y);
		pen.fillStyle = color('stall');
		this.#points.forEach((p, i) => p.stalls && pen.fillRect(x(i) - 1, 0, 2, height));
		this.#line(pen, color('buffer'), (p) => p.buffer, x, y);
		this.#line(pen, color('accent'), (p) => p.latency, x, y);
		pen.fillStyle = color('drop');
		this.#points.forEach((p, i) => p.dropped && pen.fillRect(x(i) - 1.5, height - 5, 3, 5));
	}

	#scale(pen, color, width, top, y) {
		const step = top > 8 ? 5 : top > 2.4 ? 1 : 0.5;

		pen.font = '12px system-ui, sans-serif';
		pen.fillStyle = color('soft');
		pen.strokeStyle = color('line');
		pen.lineWidth = 1;
		for (let s = step; s < top; s += step) {
			pen.beginPath();
			pen.moveTo(0, y(s));
			pen.lineTo(width, y(s));
			pen.stroke();
			if (y(s) > 16)
				pen.fillText(`${s} s`, 6, y(s) - 3);
		}
	}

	#line(pen, style, of, x, y) {
		let on = false;

		pen.strokeStyle = style;
		pen.lineWidth = 2;
		pen.beginPath();
		this.#points.forEach((p, i) => {
			const v = of(p);

			if (Number.isFinite(v))
				pen[on ? 'lineTo' : 'moveTo'](x(i), y(v));
			on = Number.isFinite(v);
		});
		pen.stroke();
	}
}
