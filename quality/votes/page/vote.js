// Two pictures, one answer. What was answered is only believed when the server has confirmed it.
import { TEXTS } from "./texts.js";

const ZOOM = 3; // times; a garment's weave shows
const DRAG_PX = 6; // a finger that moves farther wanted to look around
const KEYS = { ArrowLeft: "left", ArrowRight: "right", ArrowDown: "same", s: "skip", 1: "left", 2: "right", 0: "same" };
const $ = (id) => document.getElementById(id);
const sides = { left: $("left"), right: $("right"), photo: $("photo") };

const chosen = (key, usual) => localStorage.getItem(key) ?? usual;
let language = chosen("language", navigator.language.startsWith("zh") ? "zh" : "en");
let theme = chosen("theme", matchMedia("(prefers-color-scheme: light)").matches ? "light" : "dark");
let rater = sessionStorage.getItem("rater") ?? "";
let state = null; // what the server said last
let busy = false; // between an answer and its confirmation
let shownAt = 0;

function words() {
  const texts = TEXTS[language];
  document.documentElement.lang = language === "zh" ? "zh-CN" : "en";
  document.documentElement.classList.toggle("dark", theme === "dark");
  document.title = texts.title;
  for (const id of ["question", "title", "about", "who", "start", "thanks", "saved", "other", "language"])
    $(id).textContent = texts[id];
  $("theme").textContent = theme === "dark" ? texts.light : texts.dark;
  sides.photo.querySelector("figcaption").textContent = texts.photo;
  sides.left.querySelector("img").alt = texts.leftPicture;
  sides.right.querySelector("img").alt = texts.rightPicture;
  sides.photo.querySelector("img").alt = texts.photo;
  for (const button of document.querySelectorAll("[data-choice]"))
    button.querySelector("span").textContent = texts[button.dataset.choice];
  $("back").querySelector("span").textContent = texts.back;
  if (state) $("count").textContent = texts.count(state.done, state.total);
}

function notice(text) {
  $("notice").textContent = text ?? "";
  $("notice").hidden = !text;
}

async function ask(action, more = {}) {
  const answer = await fetch(`api/${action}`, {
    method: "POST",
    headers: { "Content-Type": "application/json" },
    body: JSON.stringify({ rater, ...more }),
  });
  const document = await answer.json();
  if (!answer.ok) throw new Error(document.error);
  return document;
}

const address = (ticket, side) => `picture/${ticket.id}/${side}`;

async function load(figure, url) {
  const image = figure.querySelector("img");
  image.src = url;
  await image.decode();
}

async function show(next) {
  state = next;
  words();
  const asked = Boolean(state.ticket);
  $("welcome").hidden = true;
  $("vote").hidden = $("answers").hidden = !asked;
  $("end").hidden = asked;
  $("progress").setAttribute("aria-valuemax", state.total);
  $("progress").setAttribute("aria-valuenow", state.done);
  $("progress").firstElementChild.style.width = `${(100 * state.done) / Math.max(1, state.total)}%`;
  $("back").disabled = state.done === 0;
  if (!asked) return;
  zoom(null);
  sides.photo.hidden = !state.ticket.photo;
  for (const button of document.querySelectorAll("[data-choice]"))
    button.setAttribute("aria-pressed", String(button.dataset.choice === state.before));
  // Both appear at the same moment: the one that comes first would draw the eye.
  $("vote").classList.add("loading");
  const wanted = ["left", "right", ...(state.ticket.photo ? ["photo"] : [])];
  const found = await Promise.allSettled(wanted.map((side) => load(sides[side], address(state.ticket, side))));
  $("vote").classList.remove("loading");
  if (found.some((one) => one.status === "rejected")) notice(TEXTS[language].broken);
  shownAt = performance.now();
  if (state.then)
    for (const side of ["left", "right"]) new Image().src = address(state.then, side);
}

async function answer(choice) {
  if (busy || !state?.ticket || $("vote").classList.contains("loading")) return;
  busy = true;
  try {
    const seconds = Math.round(performance.now() - shownAt) / 1000;
    const revise = state.before !== undefined;
    const next = await ask("vote", { ticket: state.ticket.id, choice, seconds, revise });
    notice();
    await show(next);
  } catch (error) {
    notice(error instanceof TypeError ? TEXTS[language].offline : error.message);
  } finally {
    busy = false;
  }
}

async function step(action) {
  if (busy) return;
  busy = true;
  try {
    const next = await ask(action);
    notice();
    await show(next);
  } catch (error) {
    notice(error instanceof TypeError ? TEXTS[language].offline : error.message);
  } finally {
    busy = false;
  }
}

// Both sides are looked at in the same place.
function zoom(at) {
  for (const figure of Object.values(sides)) {
    const image = figure.querySelector("img");
    figure.classList.toggle("zoomed", at !== null);
    image.style.transform = at
      ? `translate(${-at.x * (ZOOM - 1) * 100}%, ${-at.y * (ZOOM - 1) * 100}%) scale(${ZOOM})`
      : "";
  }
}

function place(figure, event) {
  const box = figure.getBoundingClientRect();
  const within = (value) => Math.min(1, Math.max(0, value));
  return { x: within((event.clientX - box.left) / box.width), y: within((event.clientY - box.top) / box.height) };
}

for (const figure of Object.values(sides)) {
  let down = null;
  figure.addEventListener("pointerdown", (event) => {
    down = { x: event.clientX, y: event.clientY, moved: false, was: figure.classList.contains("zoomed") };
    figure.setPointerCapture(event.pointerId);
    if (!down.was) zoom(place(figure, event));
  });
  figure.addEventListener("pointermove", (event) => {
    if (!figure.classList.contains("zoomed")) return;
    if (down && Math.hypot(event.clientX - down.x, event.clientY - down.y) > DRAG_PX) down.moved = true;
    if (down || event.pointerType === "mouse") zoom(place(figure, event));
  });
  figure.addEventListener("pointerup", () => {
    if (down?.was && !down.moved) zoom(null);
    down = null;
  });
  figure.addEventListener("pointercancel", () => (down = null));
}

for (const button of document.querySelectorAll("[data-choice]"))
  button.addEventListener("click", () => answer(button.dataset.choice));
$("back").addEventListener("click", () => step("back"));
addEventListener("keydown", (event) => {
  if (event.ctrlKey || event.metaKey || event.altKey || event.repeat || $("vote").hidden) return;
  const key = event.key.length === 1 ? event.key.toLowerCase() : event.key;
  if (key === "Escape") zoom(null);
  else if (key === "z" || key === "Backspace") step("back");
  else if (KEYS[key]) answer(KEYS[key]);
  else return;
  event.preventDefault();
});

$("language").addEventListener("click", () => {
  localStorage.setItem("language", (language = language === "en" ? "zh" : "en"));
  words();
});
$("theme").addEventListener("click", () => {
  localStorage.setItem("theme", (theme = theme === "dark" ? "light" : "dark"));
  words();
});
$("welcome").addEventListener("submit", (event) => {
  event.preventDefault();
  rater = $("rater").value;
  sessionStorage.setItem("rater", rater);
  step("next");
});
$("other").addEventListener("click", () => {
  sessionStorage.removeItem("rater");
  location.reload();
});

words();
if (rater) step("next");
else {
  $("welcome").hidden = false;
  $("rater").focus();
}
