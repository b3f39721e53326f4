// @ts-check
/** Where the element of a drawing stands in the page. */

/**
 * Puts an element into the place of an older one of the same node id.
 *
 * ComfyUI's own undo and a change of tab build the nodes anew. Nodes 2.0 keeps what it shows for an
 * id that was there before, and with it the element of a node that is gone: strokes drawn on that
 * one would be in no workflow.
 *
 * @param {HTMLElement} element of the node that has the id now
 */
export function takeOver(element) {
  const id = CSS.escape(element.dataset.nodeId ?? "");
  document.querySelector(`[data-dressform][data-node-id="${id}"]`)?.replaceWith(element);
}
