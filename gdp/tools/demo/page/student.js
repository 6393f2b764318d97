// The worker in which onnxruntime-web runs the student, so that the page never waits for it.
import { anySize, enlarged, fitted } from "./pictures.js";

let [ort, session, student] = [null, null, null];

// engine: "wasm" (the processor) or "webgpu"; told: what the page knows of the student.
async function load({ engine, threads, told }) {
  student = told;
  const start = performance.now();
  ort = await import(`./engine/ort.${engine}.min.mjs`);
  ort.env.wasm.wasmPaths = new URL("./engine/", self.location.href).href;
  ort.env.wasm.numThreads = threads;
  const answer = await fetch(new URL(student.model, self.location.href));
  if (!answer.ok) throw new Error(`the student's file: ${answer.status} ${answer.statusText}`);
  const content = new Uint8Array(await answer.arrayBuffer());
  await session?.release();
  session = await ort.InferenceSession.create(content, { executionProviders: [engine], logSeverityLevel: 3 });
  const side = Math.ceil(Math.max(student.resolution, student.smallest) / student.multiple) * student.multiple;
  await once({ width: side, height: side, levels: new Uint8Array(side * side * 3) }); // the first run warms up
  return { milliseconds: performance.now() - start };
}

// A picture of a size that the student takes, through it.
async function once({ width, height, levels }) {
  const input = new ort.Tensor("uint8", levels, [1, height, width, 3]);
  const made = (await session.run({ pictures: input })).translated;
  const copy = Uint8Array.from(await made.getData());
  made.dispose();
  return { width, height, levels: copy };
}

async function translate({ picture, way }, tell) {
  const start = performance.now();
  const runs = [];
  let inStudent = 0;
  const timed = async (part) => {
    const began = performance.now();
    const made = await once(part);
    inStudent += performance.now() - began;
    runs.push([part.width, part.height]);
    return made;
  };
  const shown = way === "resized" ? fitted(picture, student.resolution) : picture;
  const small = await anySize(timed, shown, student, tell);
  const made = shown === picture ? small : enlarged(picture, small, shown);
  return { made, runs, inStudent, inAll: performance.now() - start };
}

// One after the other: a session runs one picture at a time. One that is no longer waited for ends at its next tile.
let [last, newest] = [Promise.resolve(), 0];
self.onmessage = ({ data: { id, what, ...asked } }) => {
  newest = id;
  const work = what === "load" ? load : translate;
  const tell = (share) => {
    if (what !== "load" && id !== newest) throw new Error("another picture was asked for");
    self.postMessage({ id, share });
  };
  last = last.then(async () => {
    try {
      tell(0);
      const answer = await work(asked, tell);
      self.postMessage({ id, answer }, answer.made ? [answer.made.levels.buffer] : []);
    } catch (error) {
      self.postMessage({ id, error: String(error?.message ?? error) });
    }
  });
};
