// The page: takes a picture, has it translated, and shows both under a slider.
import { BrowserEngine, ServerEngine, drawn, hasGpu, readPicture, toFile } from "./engines.js";
import { toPixels } from "./pictures.js";

const demo = JSON.parse(document.getElementById("demo").textContent);
const at = (id) => document.getElementById(id);
const [stage, slider, status, times, alert] = ["stage", "slider", "status", "times", "alert"].map(at);
const FRAME = 480; // most pixels of a side of what is taken of the webcam's picture
const REMEMBERED = 30; // pictures of the webcam over which times are told

const engines = {};
if (demo.browser) {
  engines.wasm = new BrowserEngine("wasm", demo.student);
  engines.webgpu = new BrowserEngine("webgpu", demo.student);
}
if (demo.server) engines.server = new ServerEngine(demo.server);

let input = null; // { picture, file, name } that is shown, or is about to be
let shown = null; // { before, after, name }
let camera = null; // { stream, video }
let number = 0; // of the last thing that was asked for: what comes of earlier ones is not shown

const chosen = (name) => document.querySelector(`input[name="${name}"]:checked`)?.value;
const inMs = (milliseconds) => {
  if (milliseconds >= 1000) return `${(milliseconds / 1000).toFixed(1)} s`;
  return `${milliseconds < 10 ? milliseconds.toFixed(1) : Math.round(milliseconds)} ms`;
};
const median = (values) => [...values].sort((one, other) => one - other)[values.length >> 1];

function say(text, wrong = []) {
  status.textContent = text;
  alert.replaceChildren(...wrong.map((line) => Object.assign(document.createElement("p"), { textContent: line })));
  alert.hidden = wrong.length === 0;
}

// --- before and after -------------------------------------------------------------------------------------------

function show(before, after, name) {
  for (const [id, picture, word] of [["before", before, "Before"], ["after", after, "After"]]) {
    const canvas = at(id);
    if (canvas.width !== picture.width || canvas.height !== picture.height) {
      [canvas.width, canvas.height] = [picture.width, picture.height];
    }
    canvas.getContext("2d").putImageData(toPixels(picture), 0, 0);
    canvas.setAttribute("aria-label", `${word}: ${name}`);
  }
  at("frame").style.setProperty("--width", before.width);
  at("frame").style.setProperty("--height", before.height);
  shown = { before, after, name };
  at("save").disabled = at("save-before").disabled = false;
}

function slide() {
  at("before").style.clipPath = `inset(0 ${100 - slider.value}% 0 0)`;
  at("edge").style.left = `${slider.value}%`;
  slider.setAttribute("aria-valuetext", `${slider.value} % before, ${100 - slider.value} % after`);
}

function slideTo(event) {
  if (event.type === "pointermove" && !event.buttons) return;
  const { left, width } = stage.getBoundingClientRect();
  slider.value = ((event.clientX - left) / width) * 100;
  slide();
}

slider.addEventListener("input", slide);
stage.addEventListener("pointerdown", (event) => (stage.setPointerCapture(event.pointerId), slideTo(event)));
stage.addEventListener("pointermove", slideTo);

function save(which) {
  const link = document.createElement("a");
  toFile(shown[which]).then((file) => {
    link.href = URL.createObjectURL(file);
    link.download = `${shown.name.replace(/\.\w+$/, "")}-${which}.png`;
    link.click();
    setTimeout(() => URL.revokeObjectURL(link.href), 60_000);
  });
}
at("save").addEventListener("click", () => save("after"));
at("save-before").addEventListener("click", () => save("before"));

// --- one picture ------------------------------------------------------------------------------------------------

async function open(engine) {
  if (!engine.isOpen) say(`Loading the student (${demo.student.megabytes} MB) and its engine …`);
  const { milliseconds } = await engine.open();
  if (!engine.isOpen && milliseconds) engine.loaded = inMs(milliseconds);
  engine.isOpen = true;
}

async function translate() {
  const [mine, engine, way, asked] = [++number, engines[chosen("engine")], chosen("way"), input];
  tellCommand();
  if (asked === null || engine === undefined) return;
  stage.setAttribute("aria-busy", "true"); // what it still shows is dimmed
  try {
    await open(engine);
    if (mine !== number) return;
    say(`Translating ${asked.name} …`);
    const tell = (share) => mine === number && share && say(`Translating ${asked.name}: ${Math.round(100 * share)} %`);
    const made = await engine.translate(asked, way, tell);
    if (mine !== number) return;
    show(asked.picture, made.made, asked.name);
    say(`${asked.name}, ${asked.picture.width} × ${asked.picture.height} px: translated.`, [...made.told, ...warnings(asked, way)]);
    tellTimes(engine, made);
  } catch (error) {
    if (mine === number) say("Not translated.", [`${asked.name}: ${error.message}`]);
  } finally {
    if (mine === number) stage.removeAttribute("aria-busy");
  }
}

function tellTimes(engine, { runs, inStudent, inAll }) {
  const loaded = engine.loaded && !engine.used ? ` Loaded, and warmed up, in ${engine.loaded}.` : "";
  times.textContent = `${inMs(inStudent)} in the student (${sizes(runs)}), ${inMs(inAll)} in all. ${engine.words}.${loaded}`;
  engine.used = true;
}

function sizes(runs) {
  if (runs.length === 0) return "nothing to translate was found";
  const [width, height] = runs[0];
  return `${runs.length > 1 ? `${runs.length} times ` : ""}${width} × ${height} px`;
}

const way = () => chosen("way");

// What gdp itself says of pictures that are far larger or smaller than the student's; it says more on this machine.
function warnings({ picture }, way) {
  if (chosen("engine") === "server" || way !== "whole") return [];
  const { resolution } = demo.student;
  const [larger, smaller] = [Math.min, Math.max].map((choose) => choose(picture.width, picture.height) / resolution);
  const words = (times, what) => `It is ${Math.round(times)} times ${what} than the ${resolution} px at which the student was trained.`;
  if (larger >= demo.far) return [words(larger, "larger")];
  return 1 / smaller >= demo.far ? [words(1 / smaller, "smaller")] : [];
}

function tellCommand() {
  const option = { resized: " --resize", whole: "", aligned: " --align" }[chosen("way")];
  at("command").textContent = `gdp apply ${demo.run} picture.png -o out/${option} --engine ${demo.server?.engine ?? "onnx"}`;
  const stays = chosen("engine") === "server" ? "It goes to gdp on this machine, and no further." : "It stays in this browser.";
  at("stays").textContent = stays;
}

// --- pictures come ----------------------------------------------------------------------------------------------

async function take(file, name) {
  endCamera();
  const mine = ++number;
  try {
    const picture = await readPicture(file, demo.most_pixels);
    if (mine !== number) return;
    input = { picture, file, name };
    await translate();
  } catch (error) {
    const why = error.name === "InvalidStateError" ? "this browser can read no picture in it; save it as PNG or JPEG" : error.message;
    if (mine === number) say("Not read.", [`${name}: ${why}`]);
  }
}

at("choose").addEventListener("click", () => at("file").click());
at("file").addEventListener("change", ({ target }) => {
  if (target.files.length) take(target.files[0], target.files[0].name);
  target.value = "";
});

at("samples")?.addEventListener("click", async ({ target }) => {
  const button = target.closest("button");
  if (button === null) return;
  const answer = await fetch(button.dataset.file);
  take(await answer.blob(), button.dataset.name);
});

addEventListener("dragover", (event) => (event.preventDefault(), document.body.classList.add("over")));
addEventListener("dragleave", (event) => event.relatedTarget ?? document.body.classList.remove("over"));
addEventListener("drop", (event) => {
  event.preventDefault();
  document.body.classList.remove("over");
  const [file] = event.dataTransfer.files;
  if (file) take(file, file.name);
  else say("Not read.", ["What was dropped is no file: save the picture first, and drop that."]);
});
addEventListener("paste", ({ clipboardData }) => {
  const file = [...clipboardData.files].find(({ type }) => type.startsWith("image/"));
  if (file) take(file, file.name || "the pasted picture");
});

// --- webcam -----------------------------------------------------------------------------------------------------

async function startCamera() {
  if (!navigator.mediaDevices) {
    return say("No webcam.", ["Browsers give the webcam to https pages and to this machine's own (localhost) alone."]);
  }
  try {
    say("Asking for the webcam …");
    const stream = await navigator.mediaDevices.getUserMedia({ video: { facingMode: "user", height: { ideal: FRAME } } });
    const video = Object.assign(document.createElement("video"), { srcObject: stream, muted: true, playsInline: true });
    await video.play();
    camera = { stream, video };
    at("webcam").setAttribute("aria-pressed", "true");
    at("webcam").textContent = "Stop the webcam";
    at("keep").hidden = false;
    say("The webcam's middle square, mirrored, picture after picture.");
    await live(camera);
  } catch (error) {
    endCamera();
    say("No webcam.", [`The webcam gives no picture: ${error.message}`]);
  }
}

async function live(mine) {
  const taken = [];
  while (camera === mine) {
    const [asked, engine, began] = [++number, engines[chosen("engine")], performance.now()];
    await open(engine);
    input = { picture: frame(mine.video), name: "webcam" };
    const made = await engine.translate(input, way());
    if (camera !== mine || asked !== number) continue; // another choice was made meanwhile, or the end
    show(input.picture, made.made, "webcam");
    say(engine.isOpen ? "The webcam's middle square, mirrored, picture after picture." : "", made.told);
    taken.push([made.inStudent, performance.now() - began]);
    if (taken.length > REMEMBERED) taken.shift();
    const [inStudent, inAll] = [0, 1].map((n) => median(taken.map((one) => one[n])));
    times.textContent = `${inMs(inStudent)} in the student (${sizes(made.runs)}), ${inMs(inAll)} in all, ${(1000 / inAll).toFixed(inAll > 100 ? 1 : 0)} pictures a second. ${engine.words}. Medians of the last ${taken.length}.`;
    engine.used = true;
    await new Promise(requestAnimationFrame);
  }
}

function frame(video) {
  const side = Math.min(video.videoWidth, video.videoHeight);
  const [left, top, size] = [(video.videoWidth - side) / 2, (video.videoHeight - side) / 2, Math.min(side, FRAME)];
  return drawn(video, left, top, side, side, size, size, true);
}

function endCamera() {
  if (camera === null) return;
  for (const track of camera.stream.getTracks()) track.stop();
  camera = null;
  number++;
  at("webcam").setAttribute("aria-pressed", "false");
  at("webcam").textContent = "Use the webcam";
  at("keep").hidden = true;
}

at("webcam").addEventListener("click", () => {
  if (camera === null) return startCamera();
  endCamera();
  say("The webcam is off.");
});
at("keep").addEventListener("click", () => {
  const picture = frame(camera.video);
  endCamera();
  at("webcam").focus();
  input = { picture, name: "webcam" };
  translate();
});

// --- choices ----------------------------------------------------------------------------------------------------

function chooseEngine() {
  const aligned = document.querySelector('input[value="aligned"]');
  if (aligned) {
    aligned.disabled = chosen("engine") !== "server";
    if (aligned.disabled && aligned.checked) document.querySelector('input[value="resized"]').checked = true;
  }
}

at("engines").addEventListener("change", () => {
  chooseEngine();
  if (camera === null) translate();
});
at("ways").addEventListener("change", () => (camera === null ? translate() : tellCommand()));

async function begin() {
  slide();
  const gpu = demo.browser ? await hasGpu() : false;
  const radio = document.querySelector('input[value="webgpu"]');
  if (radio) {
    radio.disabled = !gpu;
    at("no-gpu").textContent = gpu ? "(WebGPU)" : "(this browser has no WebGPU)";
    at("threads").textContent = `(${engines.wasm.words})`;
  }
  const first = demo.browser ? (gpu && demo.student.large ? "webgpu" : "wasm") : "server";
  document.querySelector(`input[value="${first}"]`).checked = true;
  chooseEngine();
  tellCommand();
  const sample = document.querySelector("#samples button");
  if (sample) return sample.click();
  await open(engines[first]);
  say("Ready: choose a picture.");
}

begin().catch((error) => say("The student cannot be loaded.", [error.message]));
