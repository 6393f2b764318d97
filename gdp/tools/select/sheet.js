"use strict";
const list = document.getElementById("pairs");
const pairs = [...list.children];
const sort = document.getElementById("sort");
const descending = document.getElementById("descending");
const show = document.getElementById("show");

// A picture is decoded when it comes near the window: thousands of them open at once would take gigabytes.
const near = new IntersectionObserver((entries) => {
  for (const entry of entries) {
    if (entry.isIntersecting) {
      entry.target.src = entry.target.dataset.src;
      near.unobserve(entry.target);
    }
  }
}, { rootMargin: "600px" });
for (const picture of list.querySelectorAll("img")) near.observe(picture);

const values = new Map(pairs.map((pair) => [pair, JSON.parse(pair.dataset.values)]));

function compare(first, second) {
  const [a, b] = [values.get(first)[sort.value], values.get(second)[sort.value]];
  if (a === undefined || b === undefined) return (a === undefined) - (b === undefined);
  const order = typeof a === "string" ? a.localeCompare(b) : a - b;
  return descending.checked ? -order : order;
}

function arrange() {
  const ordered = sort.value ? [...pairs].sort(compare) : pairs;
  list.replaceChildren(...ordered);
  let shown = 0;
  for (const pair of ordered) {
    pair.hidden = show.value !== "" && pair.dataset.decision !== show.value;
    shown += !pair.hidden;
    const value = sort.value && sort.value !== "index" ? values.get(pair)[sort.value] : undefined;
    const text = typeof value === "number" ? String(Number(value.toPrecision(4))) : value;
    pair.querySelector(".value").textContent = text === undefined ? "" : text;
  }
  document.getElementById("count").textContent = shown < pairs.length ? `${shown} of ${pairs.length} shown` : "";
}

for (const control of [sort, descending, show]) control.addEventListener("change", arrange);
arrange();
