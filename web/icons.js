// @ts-check
/** The toolbar's pictures: paths of a 24 by 24 box, drawn in the colour of the text. */

/** @type {Readonly<Record<string, string>>} */
const PATHS = Object.freeze({
  pen: "M4 20l1-4.5L16.5 4a2.1 2.1 0 0 1 3 3L8 18.5 4 20zM14 6.5l3.5 3.5",
  eraser: "M8.5 20L3.8 15.3a1.8 1.8 0 0 1 0-2.6l8.9-8.9a1.8 1.8 0 0 1 2.6 0l4.9 4.9a1.8 1.8 0 0 1 0 2.6L11.5 20zM7.6 8.9l7.5 7.5M20 20H8",
  line: "M6.4 17.6L17.6 6.4M7 19a2 2 0 1 1-4 0 2 2 0 0 1 4 0zM21 5a2 2 0 1 1-4 0 2 2 0 0 1 4 0z",
  head: "M12 3c3.900 0 6.500 3.200 6.500 8.300S15.600 21 12 21s-6.500-4.600-6.500-9.700S8.100 3 12 3zM12 6.500v10M8.300 11h7.400",
  limb: "M9 3.500c2.300-.8 4.600.4 5 2.600l1.700 8.900c.3 1.700-.4 3-.9 4.500-.4 1.300-2.600 1.500-3.300.2l-3.400-7.500C6.700 9 6.400 4.500 9 3.500z",
  move: "M12 3v18M3 12h18M12 3l-2.500 2.500M12 3l2.500 2.500M12 21l-2.500-2.500M12 21l2.500-2.500M3 12l2.500-2.500M3 12l2.500 2.500M21 12l-2.500-2.500M21 12l-2.500 2.500",
  undo: "M8.500 5L4 9.500 8.500 14M4 9.500h10a5.500 5.500 0 0 1 0 11h-3.500",
  redo: "M15.500 5L20 9.500 15.500 14M20 9.500H10a5.500 5.500 0 0 0 0 11h3.500",
  mirror: "M12 3v18M9 7l-6 10h6zM15 7l6 10h-6z",
  "mirror-copy": "M12 3v3M12 9v2.500M12 14.500V17M9 6L3 15h6zM15 6l6 9h-6zM16 20h4M18 18v4",
  delete: "M4.500 6.500h15M9 6.500V4.200h6v2.300M6.500 6.500l.9 13.300h9.200l.9-13.300M10 10.500v5.500M14 10.500v5.500",
  clear: "M5 4.500h14v15H5zM9 9l6 6M15 9l-6 6",
  propose: "M12 3l1.900 5.100L19 10l-5.100 1.900L12 17l-1.900-5.100L5 10l5.100-1.900zM18.500 15.500l.8 2.200 2.200.8-2.200.8-.8 2.200-.8-2.200-2.200-.8 2.200-.8z",
  "propose-rest": "M14 3l1.500 4 4 1.500-4 1.500-1.500 4-1.500-4-4-1.500 4-1.500zM3 21l.6-2.800 6-6 2.200 2.200-6 6z",
  "zoom-in": "M16 10.500a5.500 5.500 0 1 1-11 0 5.500 5.500 0 0 1 11 0zM14.600 14.600L20 20M10.500 8v5M8 10.500h5",
  "zoom-out": "M16 10.500a5.500 5.500 0 1 1-11 0 5.500 5.500 0 0 1 11 0zM14.600 14.600L20 20M8 10.500h5",
  "zoom-fit": "M4 9V4h5M15 4h5v5M20 15v5h-5M9 20H4v-5M8.500 8.500h7v7h-7z",
  fullscreen: "M9.500 4H4v5.500M14.500 20H20v-5.500M4 4l6 6M20 20l-6-6",
  radius: "M6.500 12a1.500 1.500 0 1 1-3 0 1.500 1.500 0 0 1 3 0zM21 12a5 5 0 1 1-10 0 5 5 0 0 1 10 0z",
  pressure: "M3 18.500C9 17.500 10 8 21 5.500 14 10 13 18.500 3 18.500z",
  opacity: "M4 5h16v14H4zM4 16l4.500-4.500 3.500 3.500 3-3 5 4.500M15.500 9.500h.01",
  help: "M20.500 12a8.500 8.500 0 1 1-17 0 8.500 8.500 0 0 1 17 0zM9.600 9.600a2.500 2.500 0 1 1 3.600 2.300c-.8.4-1.200.9-1.200 1.800M12 16.700h.01",
  close: "M6 6l12 12M18 6L6 18",
});

/**
 * @param {string} name
 * @returns {SVGSVGElement}
 */
export function icon(name) {
  const space = "http://www.w3.org/2000/svg";
  const svg = document.createElementNS(space, "svg");
  for (const [key, value] of Object.entries({
    viewBox: "0 0 24 24",
    fill: "none",
    stroke: "currentColor",
    "stroke-width": "1.7",
    "stroke-linecap": "round",
    "stroke-linejoin": "round",
    "aria-hidden": "true",
  })) {
    svg.setAttribute(key, value);
  }
  const path = document.createElementNS(space, "path");
  path.setAttribute("d", PATHS[name]);
  svg.append(path);
  return svg;
}

export const NAMES = Object.freeze(Object.keys(PATHS));
