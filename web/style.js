// @ts-check
/** The widget's style sheet. Colours are ComfyUI's, so that every theme fits. */

const ID = "dressform-draw-hints-style";

const CSS = `
.df-root {
  --df-back: var(--comfy-menu-bg, #2b2b2b);
  --df-field: var(--comfy-input-bg, #1e1e1e);
  --df-text: var(--input-text, #ddd);
  --df-faint: var(--descrip-text, #999);
  --df-line: var(--border-color, #4e4e4e);
  --df-accent: var(--p-primary-color, #3b82f6);
  display: flex; flex-direction: column; gap: 4px; box-sizing: border-box;
  width: 100%; height: 100%; min-height: 380px; padding: 4px; overflow: hidden;
  color: var(--df-text); background: var(--df-back); border-radius: 8px;
  font: 12px/1.35 Inter, system-ui, sans-serif; container-type: inline-size;
  user-select: none; -webkit-user-select: none;
}
.df-root *, .df-root *::before { box-sizing: border-box; }
.df-root [hidden] { display: none !important; }
.df-root:fullscreen, .df-root.df-over { border-radius: 0; padding: 8px; }
.df-root.df-over { position: fixed; inset: 0; width: 100vw; height: 100vh; margin: 0; border: 0; }
.df-bar { display: flex; flex-wrap: wrap; align-items: center; gap: 3px 6px; flex: none; }
.df-group { display: flex; align-items: center; gap: 1px; }
.df-button {
  display: grid; place-items: center; width: 26px; height: 26px; padding: 0; border: 1px solid transparent;
  border-radius: 6px; background: none; color: inherit; cursor: pointer; flex: none;
}
.df-button svg { width: 18px; height: 18px; display: block; }
.df-button:hover:not(:disabled) { background: color-mix(in srgb, currentColor 14%, transparent); }
.df-button[aria-pressed="true"] { background: var(--df-accent); color: #fff; border-color: var(--df-accent); }
.df-button:disabled { opacity: 0.32; cursor: default; }
.df-button:focus-visible, .df-field:focus-visible, .df-choice:focus-visible, .df-slider:focus-visible {
  outline: 2px solid var(--df-accent); outline-offset: 1px;
}
.df-role { display: flex; align-items: center; gap: 5px; }
.df-swatch { width: 14px; height: 14px; border-radius: 50%; border: 1.5px solid #fff; box-shadow: 0 0 0 1px #0008; flex: none; }
.df-field {
  height: 26px; width: 110px; border: 1px solid var(--df-line); border-radius: 6px; padding: 0 4px;
  background: var(--df-field); color: var(--df-text); font: inherit;
}
.df-field option, .df-field optgroup { background: var(--df-field); color: var(--df-text); }
.df-range { display: flex; align-items: center; gap: 4px; color: var(--df-text); }
.df-range svg { width: 16px; height: 16px; flex: none; opacity: 0.8; }
.df-slider { width: 52px; height: 20px; margin: 0; accent-color: var(--df-accent); cursor: pointer; }
.df-number { min-width: 22px; text-align: right; font-variant-numeric: tabular-nums; }
.df-notice {
  display: flex; flex-wrap: wrap; align-items: center; gap: 6px; flex: none; padding: 6px 8px; border-radius: 6px;
  background: color-mix(in srgb, var(--df-accent) 20%, var(--df-field)); border: 1px solid var(--df-accent);
  user-select: text; -webkit-user-select: text;
}
.df-notice[data-kind="warn"] { background: color-mix(in srgb, #e69f00 22%, var(--df-field)); border-color: #e69f00; }
.df-notice[data-kind="error"] { background: color-mix(in srgb, #d55e00 22%, var(--df-field)); border-color: #d55e00; }
.df-notice.df-flash { animation: df-flash 0.5s 2; }
@keyframes df-flash { 50% { filter: brightness(1.5); } }
.df-sentence { flex: 1 1 260px; overflow-wrap: anywhere; max-height: 7.5em; overflow: auto; }
.df-notice[data-notice="photo-changed"] .df-sentence { flex-basis: 100%; }
.df-choice {
  height: 26px; padding: 0 10px; border-radius: 6px; border: 1px solid var(--df-line); cursor: pointer;
  background: var(--df-field); color: var(--df-text); font: inherit;
}
.df-choice:hover { border-color: var(--df-accent); }
.df-stage {
  position: relative; flex: 1 1 auto; min-height: 160px; overflow: hidden; border-radius: 6px;
  border: 1px solid var(--df-line); touch-action: none; cursor: crosshair;
  background: color-mix(in srgb, var(--df-field) 88%, #808080);
}
.df-stage:focus-within { border-color: var(--df-accent); box-shadow: 0 0 0 1px var(--df-accent); }
.df-stage[data-active="move"] { cursor: default; }
.df-stage[data-hand="ready"] { cursor: grab; }
.df-stage[data-hand="held"] { cursor: grabbing; }
.df-paper {
  position: absolute; left: 0; top: 0; transform-origin: 0 0; background: #fff;
  outline: var(--df-pixel, 1px) solid #0009; pointer-events: none;
}
.df-photo { display: block; width: 100%; height: 100%; max-width: none; }
.df-photo:not([src]) { visibility: hidden; }
.df-layer { position: absolute; inset: 0; width: 100%; height: 100%; pointer-events: none; transform-origin: 0 0; }
.df-stage[data-stale="true"] .df-done { opacity: 0.3; }
.df-stage[data-proposal="true"] .df-done { opacity: 0.6; }
.df-keys {
  position: absolute; left: 0; bottom: 0; width: 1px; height: 1px; padding: 0; border: 0; margin: 0;
  opacity: 0; resize: none; overflow: hidden; pointer-events: none;
}
.df-hint {
  position: absolute; left: 8px; right: 8px; bottom: 8px; text-align: center; pointer-events: none;
}
.df-hint span {
  display: inline-block; padding: 3px 8px; border-radius: 6px; color: #fff; background: #000a;
}
`;

/** Adds the sheet once. */
export function addStyle() {
  if (document.getElementById(ID)) return;
  const style = document.createElement("style");
  style.id = ID;
  style.textContent = CSS;
  document.head.append(style);
}
