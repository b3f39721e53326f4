// @ts-check
/** The sidebar's style sheet. Colours are ComfyUI's, so that every theme fits. */

const ID = "dressform-cloud-style";

const CSS = `
.dfc-root {
  --dfc-text: var(--input-text, #ddd); --dfc-field: color-mix(in srgb, var(--dfc-text) 6%, transparent);
  --dfc-line: color-mix(in srgb, var(--dfc-text) 45%, var(--comfy-menu-bg, #2b2b2b));
  --dfc-faint: color-mix(in srgb, var(--dfc-text) 78%, var(--comfy-menu-bg, #2b2b2b));
  --dfc-accent: #1f6feb;
  box-sizing: border-box; display: flex; flex-direction: column; gap: 12px; padding: 12px;
  width: 100%; height: 100%; max-width: 640px; overflow-y: auto; color: var(--dfc-text);
  font: 13px/1.45 Inter, system-ui, sans-serif; overflow-wrap: anywhere;
}
.dfc-root *, .dfc-root *::before { box-sizing: border-box; }
.dfc-line { margin: 0; }
.dfc-line:empty { display: none; }
.dfc-faint { color: var(--dfc-faint); }
.dfc-heading { margin: 4px 0 0; font-size: 13px; font-weight: 600; }
.dfc-connect, .dfc-account, .dfc-ask, .dfc-runs, .dfc-box, .dfc-way, .dfc-end {
  display: flex; flex-direction: column; gap: 8px; min-width: 0;
}
.dfc-root form { margin: 0; }
.dfc-label { font-weight: 600; }
.dfc-field {
  width: 100%; height: 34px; padding: 0 10px; border: 1px solid var(--dfc-line); border-radius: 6px;
  background: var(--dfc-field); color: var(--dfc-text); font: inherit;
}
.dfc-field::placeholder { color: var(--dfc-faint); opacity: 1; }
.dfc-row { display: flex; flex-wrap: wrap; align-items: baseline; justify-content: space-between; gap: 4px 12px; }
.dfc-balance, .dfc-price { font-size: 16px; font-weight: 600; }
.dfc-buttons { display: flex; flex-wrap: wrap; align-items: center; gap: 6px; }
.dfc-buttons:empty { display: none; }
.dfc-main, .dfc-small {
  border-radius: 6px; border: 1px solid transparent; cursor: pointer; font: inherit; text-align: center;
}
.dfc-main { min-height: 36px; padding: 6px 14px; background: var(--dfc-accent); color: #fff; font-weight: 600; }
.dfc-small { min-height: 28px; padding: 3px 10px; border-color: var(--dfc-line); background: transparent; color: var(--dfc-text); }
.dfc-main:hover { filter: brightness(1.1); }
.dfc-small:hover { border-color: var(--dfc-text); background: var(--dfc-field); }
.dfc-main[aria-disabled], .dfc-small[aria-disabled] {
  background: transparent; border-color: var(--dfc-line); color: var(--dfc-faint); cursor: default; filter: none;
}
.dfc-ask .dfc-main, .dfc-connect .dfc-main { width: 100%; }
.dfc-root :is(a, button, input, summary):focus-visible { outline: 2px solid var(--dfc-text); outline-offset: 2px; }
.dfc-link { color: inherit; text-decoration: underline; font-weight: 600; }
.dfc-box { padding: 10px; border-radius: 8px; border: 1px solid var(--dfc-line); border-left-width: 4px; background: var(--dfc-field); }
.dfc-box[data-kind="info"] { border-left-color: var(--dfc-accent); }
.dfc-box[data-kind="warn"] { border-left-color: #e69f00; }
.dfc-box[data-kind="error"] { border-left-color: #d55e00; }
.dfc-reason { padding-left: 8px; border-left: 3px solid #e69f00; }
.dfc-lack ul { margin: 2px 0 0; padding-left: 18px; list-style: disc; }
.dfc-run {
  display: flex; flex-direction: column; gap: 8px; padding: 10px; border-radius: 8px;
  border: 1px solid var(--dfc-line); min-width: 0;
}
.dfc-run-head { display: flex; flex-wrap: wrap; justify-content: space-between; gap: 2px 10px; }
.dfc-run-name { font-weight: 600; overflow-wrap: anywhere; }
.dfc-state::before { content: ""; display: inline-block; width: 8px; height: 8px; margin-right: 6px; border-radius: 50%; background: var(--dfc-accent); }
.dfc-run[data-state="succeeded"] .dfc-state::before { background: #2aa876; }
.dfc-run[data-state="failed"] .dfc-state::before, .dfc-run[data-state="expired"] .dfc-state::before { background: #d55e00; }
.dfc-run[data-state="canceled"] .dfc-state::before { background: var(--dfc-faint); }
.dfc-run[data-state="away"] .dfc-state::before { background: #e69f00; }
.dfc-bar { height: 6px; border-radius: 3px; background: color-mix(in srgb, var(--dfc-text) 20%, transparent); overflow: hidden; }
.dfc-bar-fill { height: 100%; background: var(--dfc-accent); transition: width 0.3s; }
.dfc-preview { max-width: 100%; max-height: 260px; align-self: center; border-radius: 6px; }
.dfc-nodes summary { cursor: pointer; }
.dfc-nodes ol { margin: 4px 0 0; padding: 0; list-style: none; }
.dfc-nodes li { display: flex; justify-content: space-between; gap: 8px; padding: 1px 0; }
.dfc-nodes li[data-state="now"] { font-weight: 600; }
.dfc-pictures { display: grid; grid-template-columns: repeat(auto-fill, minmax(84px, 1fr)); gap: 6px; }
.dfc-pictures a { display: block; aspect-ratio: 1; border-radius: 6px; overflow: hidden; background: color-mix(in srgb, var(--dfc-text) 12%, transparent); }
.dfc-pictures img { width: 100%; height: 100%; object-fit: contain; display: block; font-size: 11px; }
@media (prefers-reduced-motion: reduce) { .dfc-bar-fill { transition: none; } }
`;

/** Adds the sheet once. */
export function addCloudStyle() {
  if (document.getElementById(ID)) return;
  const style = document.createElement("style");
  style.id = ID;
  style.textContent = CSS;
  document.head.append(style);
}
