// What the figures of docs/concepts.md are drawn with: rows of slots, arrows and labels, legible in light and dark themes.

import { hues, ink, text } from '../../bench/svg-chart.mjs';

export const slotSize = 24;
const mono = 'ui-monospace, monospace';

/** Amber, blue and green: one per sequence; undefined is grey. */
export const paint = { ann: hues[0], ben: hues[1], eve: hues[2] };

/** A line of text in a font of fixed width. */
export function code(x, y, content, options = {}) {
  return text(x, y, content, options).replace(/font-family="[^"]*"/, `font-family="${mono}"`);
}

/**
 * A block: a row of slots with the tokens that they hold.
 *
 * @param block `{ tokens, size, hue, isShared, hues }`; `hues` gives a hue per token where they differ
 */
export function drawBlock(x, y, { tokens, size, hue, hues: perToken = [] }) {
  const slots = Array.from({ length: size }, (_, i) => {
    const color = perToken[i] ?? hue;
    const left = x + i * slotSize;
    const isFilled = i < tokens.length;
    const fill = isFilled && color ? `${color}33` : 'none';
    return (
      `<rect x="${left}" y="${y}" width="${slotSize}" height="${slotSize}" fill="${fill}" stroke="${ink}66"/>` +
      (isFilled ? code(left + slotSize / 2, y + 16, tokens[i], { anchor: 'middle', size: 11 }) : '')
    );
  });
  const frame = `<rect x="${x}" y="${y}" width="${size * slotSize}" height="${slotSize}" rx="2" fill="none" stroke="${hue ?? ink}" stroke-width="1.8"/>`;
  return slots.join('') + frame;
}

/** A small box with a number in it: an entry of a block table. */
export function drawEntry(x, y, label, hue = ink) {
  return (
    `<rect x="${x}" y="${y}" width="34" height="24" rx="4" fill="${hue}33" stroke="${hue}" stroke-width="1.8"/>` +
    code(x + 17, y + 16, label, { anchor: 'middle', size: 12, weight: 600 })
  );
}

/** A curve from one point to another that leaves and arrives level, with a head. */
export function drawArrow([x1, y1], [x2, y2], hue = ink) {
  const middle = (x1 + x2) / 2;
  return (
    `<path d="M${x1} ${y1}C${middle} ${y1} ${middle} ${y2} ${x2} ${y2}" fill="none" stroke="${hue}" stroke-width="1.6"/>` +
    `<path d="M${x2 - 6} ${y2 - 4}L${x2} ${y2}L${x2 - 6} ${y2 + 4}" fill="none" stroke="${hue}" stroke-width="1.6"/>`
  );
}

/** A dashed bow at the right of two places, from one to the other below it: a copy. */
export function drawCopy([x, y1], y2, hue) {
  return (
    `<path d="M${x} ${y1}C${x + 44} ${y1} ${x + 44} ${y2} ${x} ${y2}" fill="none" stroke="${hue}" stroke-width="1.6" stroke-dasharray="4 3"/>` +
    `<path d="M${x + 6} ${y2 - 4}L${x} ${y2}L${x + 6} ${y2 + 4}" fill="none" stroke="${hue}" stroke-width="1.6"/>`
  );
}
