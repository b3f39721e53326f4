// What is nicer with a script; every page works without it.
"use strict";

const DAY_S = 86400;

function plot(place) {
  const rows = [...document.querySelectorAll(`#${place.dataset.plot} tbody tr`)];
  const second = (day) => Date.parse(`${day}T00:00:00Z`) / 1000;
  const since = second(place.dataset.since);
  const spent = new Map(rows.map((row) => [second(row.dataset.name), Number(row.dataset.value)]));
  const days = [];
  for (let day = since; day <= second(place.dataset.until); day += DAY_S) days.push(day);
  place.hidden = false;
  const style = getComputedStyle(document.documentElement);
  const color = (name) => style.getPropertyValue(name).trim();
  const grid = { stroke: color("--line"), width: 1 };
  const axis = { stroke: color("--soft"), grid, ticks: grid, font: "12px system-ui, sans-serif" };
  const iso = (time) => new Date(time * 1000).toISOString().slice(0, 10);
  const width = () => place.clientWidth - 24;
  const drawn = new uPlot({
    width: width(),
    height: 240,
    tzDate: (time) => uPlot.tzDate(new Date(time * 1000), "Etc/UTC"),
    scales: {
      x: { range: [since - DAY_S / 2, days.at(-1) + DAY_S / 2] },
      y: { range: (_, low, high) => [0, high > 0 ? high * 1.1 : 1] },
    },
    cursor: { y: false, drag: { x: false, y: false } },
    legend: { markers: { show: false } },
    axes: [
      { ...axis, grid: { show: false }, values: (_, times) => times.map((time) => iso(time).slice(5)), incrs: [1, 2, 7, 14, 28, 56].map((count) => count * DAY_S), space: 56 },
      { ...axis, size: 64, values: (_, values) => values.map((value) => value.toLocaleString("en")) },
    ],
    series: [
      { label: document.querySelector(`#${place.dataset.plot} th`).textContent, value: (_, time) => (time === null ? "–" : iso(time)) },
      {
        label: place.dataset.unit, fill: color("--s0"), stroke: color("--s0"), width: 0, points: { show: false },
        paths: uPlot.paths.bars({ size: [0.7, 40], radius: 0.1 }),
        value: (_, value) => (value === null ? "–" : value.toLocaleString("en", { maximumFractionDigits: 6 })),
      },
    ],
  }, [days, days.map((day) => spent.get(day) ?? 0)], place);
  addEventListener("resize", () => drawn.setSize({ width: width(), height: 240 }));
  // Its colours are painted: when light becomes dark, it is drawn anew.
  matchMedia("(prefers-color-scheme: dark)").addEventListener("change", () => {
    drawn.destroy();
    plot(place);
  }, { once: true });
}

function offerCopy(button) {
  button.hidden = false;
  button.addEventListener("click", async () => {
    await navigator.clipboard.writeText(document.getElementById(button.dataset.copy).textContent);
    button.textContent = button.dataset.done;
  });
}

document.querySelectorAll("[data-plot]").forEach(plot);
if (navigator.clipboard) document.querySelectorAll("[data-copy]").forEach(offerCopy);
document.querySelectorAll("nav [aria-current]").forEach((link) => {
  link.closest("nav").scrollLeft = link.offsetLeft - 40;
});
// A form that is sent twice by a double click is sent once.
document.addEventListener("submit", (event) => {
  if (event.target.dataset.sent) event.preventDefault();
  event.target.dataset.sent = "yes";
});
addEventListener("pageshow", () => {
  document.querySelectorAll("form[data-sent]").forEach((form) => delete form.dataset.sent);
});
