"use strict";
// Pictures of one row lie over each other: the left one is seen as far as the slider goes, the right one behind it.
const rows = [...document.querySelectorAll(".strip[data-title]")].map((strip) => ({
  strip,
  title: strip.dataset.title,
  pictures: [...strip.querySelectorAll("img")],
}));

function element(name, properties = {}, ...children) {
  const made = Object.assign(document.createElement(name), properties);
  made.append(...children);
  return made;
}

function choice(words, options) {
  const select = element("select", {}, ...options.map((text, value) => element("option", { value, textContent: text })));
  return [select, element("label", {}, words, select)];
}

// What compares two pictures of a row. `room` returns the width and height that are free for them; `tags` are what the
// two sides are called, null for the names of the pictures.
function viewer(room, tags = null) {
  const [left, leftLabel] = choice("Left", []);
  const [right, rightLabel] = choice("Right", []);
  const controls = element("div", { className: "controls" }, ...(tags ? [] : [leftLabel, rightLabel]));
  const [under, over] = [element("img"), element("img")];
  const edge = element("div", { className: "edge" });
  const [from, to] = ["left", "right"].map((side) => element("span", { className: `tag ${side}`, ariaHidden: "true" }));
  const stage = element("div", { className: "stage" }, under, over, edge, from, to);
  const slider = element("input", { type: "range", min: 0, max: 100, step: 1 });
  const original = element("a", { textContent: "The picture as it was made", target: "_blank" });
  const frame = element("div", { className: "frame" }, stage, slider, original);
  const root = element("div", { className: "viewer" }, controls, frame);
  let row = rows[0];

  function slide() {
    over.style.clipPath = `inset(0 ${100 - slider.value}% 0 0)`;
    edge.style.left = `${slider.value}%`;
    slider.ariaValueText = `${slider.value} % ${from.textContent}, ${100 - slider.value} % ${to.textContent}`;
  }
  function fit() {
    const picture = row.pictures[right.value];
    const [width, height] = [picture.naturalWidth || picture.width, picture.naturalHeight || picture.height];
    const [free, high] = room();
    const most = Math.min(free / width, high / height);
    const factor = picture.classList.contains("pixelated") ? Math.max(1, Math.floor(most)) : Math.min(most, 1);
    frame.style.width = `${width * Math.min(factor, free / width)}px`;
    stage.style.aspectRatio = `${width} / ${height}`;
  }
  function draw() {
    const [first, second] = [row.pictures[left.value], row.pictures[right.value]];
    [over.src, over.alt, under.src, under.alt] = [first.src, first.alt, second.src, second.alt];
    [from.textContent, to.textContent] = tags ?? [first.dataset.label, second.dataset.label];
    slider.ariaLabel = `How much is seen of ${from.textContent}; the rest is ${to.textContent}`;
    stage.classList.toggle("pixelated", second.classList.contains("pixelated"));
    const alone = first === second;
    slider.hidden = edge.hidden = to.hidden = alone;
    leftLabel.hidden = rightLabel.hidden = row.pictures.length < 2;
    const link = second.closest("a");
    original.hidden = !link;
    if (link) original.href = link.href;
    fit();
    slide();
  }
  function show(next, leftPicture, rightPicture, seen) {
    row = next;
    for (const select of [left, right]) {
      const names = row.pictures.map(({ dataset }, value) => element("option", { value, textContent: dataset.label }));
      select.replaceChildren(...names);
    }
    [left.value, right.value, slider.value] = [leftPicture, rightPicture, seen];
    draw();
  }
  function drag(event) {
    if (event.type === "pointermove" && !event.buttons) return;
    const box = stage.getBoundingClientRect();
    slider.value = (100 * (event.clientX - box.left)) / box.width;
    slide();
  }
  for (const select of [left, right]) select.addEventListener("change", draw);
  for (const name of ["pointerdown", "pointermove"]) stage.addEventListener(name, drag);
  slider.addEventListener("input", slide);
  return { root, controls, slider, show, fit };
}

// The student where there is one, beside the row's first picture.
function student(row) {
  const place = row.pictures.findIndex((picture) => picture.dataset.label === "student");
  return place < 0 ? row.pictures.length - 1 : place;
}

function openLarger(row, place) {
  const first = place === 0 ? student(row) : 0;
  const [left, right, seen] = place === 0 ? [0, first, 100] : [first, place, 0];
  dialog.showModal();
  larger.show(row, left, right, seen);
  larger.slider.focus();
}

const compared = rows.filter((row) => row.pictures.length > 1 && !row.strip.closest(".rejects"));
const first = document.querySelector(".first");
const holder = first?.querySelector(".slider");
const inline = viewer(() => [holder.clientWidth, 460], ["Before", "After"]);
const larger = viewer(() => [window.innerWidth - 48, window.innerHeight - 190]);
const close = element("button", { type: "button", className: "close", textContent: "Close" });
const caption = element("h3");
const dialog = element("dialog", {}, larger.root);
larger.controls.prepend(caption);
larger.controls.append(close);
document.body.append(dialog);
close.addEventListener("click", () => dialog.close());
dialog.addEventListener("click", (event) => event.target === dialog && dialog.close());

window.addEventListener("load", () => {
  if (first) {
    const [select, label] = choice("Picture", compared.map((row) => row.title));
    const begin = () => inline.show(compared[select.value], 0, student(compared[select.value]), 50);
    select.value = compared.findIndex((row) => row.title === first.dataset.row);
    select.addEventListener("change", () => {
      begin();
      first.querySelector("figcaption.first-of").hidden = compared[select.value].title !== first.dataset.row;
    });
    inline.controls.append(label);
    holder.append(inline.root);
    first.classList.add("live");
    begin();
  }
  window.addEventListener("resize", () => {
    if (first) inline.fit();
    if (dialog.open) larger.fit();
  });
});
for (const row of rows) {
  row.pictures.forEach((picture, place) => {
    picture.closest("a, button").addEventListener("click", (event) => {
      event.preventDefault();
      caption.textContent = row.title;
      openLarger(row, place);
    });
  });
}
