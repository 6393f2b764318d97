// Who translates a picture: onnxruntime-web in this browser, or gdp on this machine. Both answer
// { made, runs, inStudent, inAll, told }: runs are the [width, height] of what went through the student, times are in
// milliseconds, told is what gdp says of the picture.
import { fromPixels, toPixels } from "./pictures.js";

export async function hasGpu() {
  try {
    return Boolean(await navigator.gpu?.requestAdapter());
  } catch {
    return false;
  }
}

// Threads need shared memory, which browsers give to isolated pages alone: gdp demo's own, not those of any web server.
export const THREADS = self.crossOriginIsolated ? Math.min(4, navigator.hardwareConcurrency || 1) : 1;

export class BrowserEngine {
  constructor(kind, student) {
    [this.kind, this.student, this.waiting, this.number] = [kind, student, new Map(), 0];
  }

  get words() {
    return this.kind === "webgpu" ? "WebGPU" : `WASM, ${THREADS} thread${THREADS === 1 ? "" : "s"}`;
  }

  open() {
    this.opened ??= this.#start().catch((error) => {
      this.opened = null; // the next picture tries again
      throw error;
    });
    return this.opened;
  }

  async translate({ picture }, way, tell) {
    await this.open();
    return { ...(await this.#ask({ what: "translate", picture, way }, tell)), told: [] };
  }

  #start() {
    this.worker = new Worker(new URL("./student.js", import.meta.url), { type: "module" });
    this.worker.onmessage = ({ data: { id, share, answer, error } }) => {
      const { resolve, reject, tell } = this.waiting.get(id);
      if (share !== undefined) return tell?.(share);
      this.waiting.delete(id);
      return error === undefined ? resolve(answer) : reject(new Error(error));
    };
    this.worker.onerror = (event) => {
      for (const { reject } of this.waiting.values()) reject(new Error(event.message || "the worker could not start"));
      this.waiting.clear();
    };
    return this.#ask({ what: "load", engine: this.kind, threads: THREADS, told: this.student });
  }

  #ask(message, tell) {
    const id = this.number++;
    return new Promise((resolve, reject) => {
      this.waiting.set(id, { resolve, reject, tell });
      this.worker.postMessage({ id, ...message });
    });
  }
}

export class ServerEngine {
  constructor(told) {
    this.told = told;
  }

  get words() {
    return this.told.runs_on;
  }

  async open() {
    return { milliseconds: 0 };
  }

  async translate({ picture, file }, way) {
    const start = performance.now();
    const answer = await fetch(`translate?way=${way}`, { method: "POST", body: file ?? (await toFile(picture)) });
    if (!answer.ok) {
      const said = await answer.json().catch(() => ({}));
      throw new Error(said.error ?? `gdp answers ${answer.status} ${answer.statusText}`);
    }
    const facts = JSON.parse(answer.headers.get("X-Gdp-Demo"));
    const made = await readPicture(await answer.blob());
    return { made, runs: facts.runs, inStudent: facts.milliseconds, inAll: performance.now() - start, told: facts.told };
  }
}

export function toFile(picture) {
  const canvas = new OffscreenCanvas(picture.width, picture.height);
  canvas.getContext("2d").putImageData(toPixels(picture), 0, 0);
  return canvas.convertToBlob({ type: "image/png" });
}

// The levels that stand in a file, upright, transparent parts on white, as gdp reads them.
export async function readPicture(blob, mostPixels = Infinity) {
  const bitmap = await createImageBitmap(blob, { colorSpaceConversion: "none", premultiplyAlpha: "none" });
  const { width, height } = bitmap;
  if (width * height > mostPixels) {
    throw new Error(`it has ${width} × ${height} pixels, more than this page takes; make it smaller, or use gdp apply`);
  }
  return drawn(bitmap, 0, 0, width, height, width, height);
}

// A part of what can be drawn, as a picture of another size.
export function drawn(source, left, top, width, height, wantedWidth, wantedHeight, mirrored = false) {
  const canvas = new OffscreenCanvas(wantedWidth, wantedHeight);
  const context = canvas.getContext("2d", { willReadFrequently: true });
  context.fillStyle = "white";
  context.fillRect(0, 0, wantedWidth, wantedHeight);
  if (mirrored) context.setTransform(-1, 0, 0, 1, wantedWidth, 0);
  context.drawImage(source, left, top, width, height, 0, 0, wantedWidth, wantedHeight);
  return fromPixels(context.getImageData(0, 0, wantedWidth, wantedHeight));
}
