// @ts-check
/** Undo and redo over immutable states; nothing here knows what a state is. */

export const MAX_STEPS = 500; // states share their strokes, so a step costs a list of references

/**
 * @template T
 * @typedef {{past: readonly T[], present: T, future: readonly T[]}} History
 */

/**
 * @template T
 * @param {T} present
 * @returns {History<T>}
 */
export function start(present) {
  return { past: [], present, future: [] };
}

/**
 * @template T
 * @param {History<T>} history
 * @param {T} present
 * @returns {History<T>}
 */
export function commit(history, present) {
  return { past: [...history.past, history.present].slice(-MAX_STEPS), present, future: [] };
}

/**
 * @template T
 * @param {History<T>} history
 * @returns {History<T>}
 */
export function undo(history) {
  const present = history.past.at(-1);
  if (present === undefined) return history;
  return {
    past: history.past.slice(0, -1),
    present,
    future: [history.present, ...history.future],
  };
}

/**
 * @template T
 * @param {History<T>} history
 * @returns {History<T>}
 */
export function redo(history) {
  const [present, ...future] = history.future;
  if (present === undefined) return history;
  return { past: [...history.past, history.present], present, future };
}

/** @param {History<any>} history */
export function canUndo(history) {
  return history.past.length > 0;
}

/** @param {History<any>} history */
export function canRedo(history) {
  return history.future.length > 0;
}
