// @ts-check
/**
 * Three spaces: client (the browser's window), stage (CSS pixels of the drawing area, before the
 * graph's own zoom) and image (photo pixels, (0, 0) at the centre of the first one).
 */

/** @typedef {{zoom: number, panX: number, panY: number}} Viewport zoom: stage pixels by photo pixel */
/** @typedef {{width: number, height: number}} Size */

export const MAX_ZOOM = 32;
const FIT_MARGIN = 0.04; // of the stage: strokes at the photo's edge stay in sight
const MIN_OF_FIT = 0.25; // how far one may zoom out of a fitted photo

/**
 * The whole photo in the middle of the stage.
 *
 * @param {Size} stage
 * @param {Size} photo
 * @returns {Viewport}
 */
export function fit(stage, photo) {
  const room = 1 - 2 * FIT_MARGIN;
  const scale = Math.min(stage.width / photo.width, stage.height / photo.height);
  const zoom = Math.max(1e-4, room * scale);
  return {
    zoom,
    panX: (stage.width - zoom * photo.width) / 2,
    panY: (stage.height - zoom * photo.height) / 2,
  };
}

/**
 * Zooms so that what lies under a place of the stage stays there.
 *
 * @param {Viewport} view
 * @param {number} factor
 * @param {{x: number, y: number}} stagePlace
 * @param {Viewport} fitted
 * @returns {Viewport}
 */
export function zoomAt(view, factor, stagePlace, fitted) {
  const low = MIN_OF_FIT * fitted.zoom;
  const zoom = Math.min(Math.max(MAX_ZOOM, low), Math.max(low, view.zoom * factor));
  const grown = zoom / view.zoom;
  return {
    zoom,
    panX: stagePlace.x - grown * (stagePlace.x - view.panX),
    panY: stagePlace.y - grown * (stagePlace.y - view.panY),
  };
}

/**
 * Moves the picture; some of it always stays in sight.
 *
 * @param {Viewport} view
 * @param {number} dx
 * @param {number} dy
 * @param {Size} stage
 * @param {Size} photo
 * @returns {Viewport}
 */
export function pan(view, dx, dy, stage, photo) {
  const keep = 24;
  const [wide, tall] = [view.zoom * photo.width, view.zoom * photo.height];
  return {
    ...view,
    panX: Math.min(stage.width - keep, Math.max(keep - wide, view.panX + dx)),
    panY: Math.min(stage.height - keep, Math.max(keep - tall, view.panY + dy)),
  };
}

/**
 * @param {Viewport} view
 * @param {number} stageX
 * @param {number} stageY
 */
export function toImage(view, stageX, stageY) {
  return {
    x: (stageX - view.panX) / view.zoom - 0.5,
    y: (stageY - view.panY) / view.zoom - 0.5,
  };
}

/**
 * @param {Viewport} view
 * @param {number} imageX
 * @param {number} imageY
 */
export function toStage(view, imageX, imageY) {
  return {
    x: (imageX + 0.5) * view.zoom + view.panX,
    y: (imageY + 0.5) * view.zoom + view.panY,
  };
}

/**
 * @param {{left: number, top: number, width: number, height: number}} rect of the stage
 * @param {Size} stage
 * @param {number} clientX
 * @param {number} clientY
 */
export function clientToStage(rect, stage, clientX, clientY) {
  return {
    x: ((clientX - rect.left) * stage.width) / (rect.width || 1),
    y: ((clientY - rect.top) * stage.height) / (rect.height || 1),
  };
}

/**
 * @param {{left: number, top: number, width: number, height: number}} rect of the stage
 * @param {Size} stage
 * @param {number} stageX
 * @param {number} stageY
 */
export function stageToClient(rect, stage, stageX, stageY) {
  return {
    x: rect.left + (stageX * rect.width) / (stage.width || 1),
    y: rect.top + (stageY * rect.height) / (stage.height || 1),
  };
}
