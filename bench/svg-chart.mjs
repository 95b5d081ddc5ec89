// Draws the charts that README and docs show: plain SVG text, no dependency, legible in light and
// dark themes (transparent ground, mid-grey text, two hues that differ in lightness too).

export const ink = '#6b7280';
export const grid = '#9ca3af55';
export const hues = ['#d97706', '#2563eb', '#059669'];
const font = 'font-family="system-ui, sans-serif"';

const escapeText = (text) =>
  String(text).replace(/[&<>]/g, (c) => ({ '&': '&amp;', '<': '&lt;', '>': '&gt;' })[c]);

/** A line of text; `options` are `{ anchor, size, weight, fill }`. */
export function text(x, y, content, options = {}) {
  const { anchor = 'start', size = 12, weight = 'normal', fill = ink } = options;
  return `<text x="${x}" y="${y}" text-anchor="${anchor}" font-size="${size}" font-weight="${weight}" fill="${fill}" ${font}>${escapeText(content)}</text>`;
}

/** A round number at or above `value`: 1, 2, 2.5 or 5 times a power of ten. */
function niceCeiling(value) {
  const power = 10 ** Math.floor(Math.log10(value || 1));
  return [1, 2, 2.5, 5, 10].map((factor) => factor * power).find((candidate) => candidate >= value);
}

const formatTick = (value) =>
  value >= 1000 ? `${value / 1000}k` : String(Number(value.toFixed(2)));

/** Axis lines and labels of a plot area; gives the SVG and the map from values to pixels. */
function axes(area, maxValue) {
  const top = niceCeiling(maxValue);
  const toY = (value) => area.bottom - ((area.bottom - area.top) * value) / top;
  const ticks = [0, 0.25, 0.5, 0.75, 1].map((fraction) => fraction * top);
  const lines = ticks.map(
    (tick) =>
      `<line x1="${area.left}" x2="${area.right}" y1="${toY(tick)}" y2="${toY(tick)}" stroke="${grid}"/>` +
      text(area.left - 6, toY(tick) + 4, formatTick(tick), { anchor: 'end', size: 11 }),
  );
  return { svg: lines.join(''), toY };
}

function legend(names, x, y) {
  const widest = Math.max(...names.map((name) => name.length)) * 7 + 30;
  return names
    .map(
      (name, i) =>
        `<rect x="${x + i * widest}" y="${y - 9}" width="10" height="10" rx="2" fill="${hues[i]}"/>` +
        text(x + i * widest + 15, y, name),
    )
    .join('');
}

/** Viewers that are not browsers do not know colours with a fourth byte, `#rrggbbaa`: they get it as an opacity. */
const withOpacities = (svg) =>
  svg.replace(
    /(fill|stroke)="(#[0-9a-f]{6})([0-9a-f]{2})"/g,
    (_, name, color, alpha) =>
      `${name}="${color}" ${name}-opacity="${(Number.parseInt(alpha, 16) / 255).toFixed(2)}"`,
  );

/** The document around a drawing. */
export function frame(width, height, title, body) {
  return (
    `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 ${width} ${height}" width="${width}" height="${height}" role="img" aria-label="${escapeText(title)}">` +
    `${text(16, 22, title, { size: 14, weight: 600 })}${withOpacities(body)}</svg>\n`
  );
}

/**
 * A line chart.
 *
 * @param chart `{ title, xLabel, series: [{ name, values }] }`; values are one per x = 1, 2, …
 * @returns the SVG document
 */
export function lineChart({ title, xLabel, series }) {
  const [width, height] = [640, 280];
  const area = { left: 56, right: width - 16, top: 58, bottom: height - 40 };
  const numPoints = series[0].values.length;
  const { svg, toY } = axes(area, Math.max(...series.flatMap(({ values }) => values)));
  const toX = (i) =>
    area.left + 12 + ((area.right - area.left - 24) * i) / Math.max(1, numPoints - 1);
  const lines = series.map(({ values }, s) => {
    const points = values.map((value, i) => `${toX(i).toFixed(1)},${toY(value).toFixed(1)}`);
    return `<polyline points="${points.join(' ')}" fill="none" stroke="${hues[s]}" stroke-width="2.5"/>`;
  });
  const labels = series[0].values.map((_, i) =>
    i % Math.ceil(numPoints / 10) === 0
      ? text(toX(i), area.bottom + 16, i + 1, { anchor: 'middle', size: 11 })
      : '',
  );
  const names = series.map(({ name }) => name);
  return frame(
    width,
    height,
    title,
    legend(names, 16, 44) +
      svg +
      lines.join('') +
      labels.join('') +
      text((area.left + area.right) / 2, height - 8, xLabel, { anchor: 'middle' }),
  );
}

/**
 * A chart of horizontal bars with their values written beside them.
 *
 * @param chart `{ title, bars: [{ name, value, label, hue }] }`; hue 0 to 2, by default in turn
 * @returns the SVG document
 */
export function barChart({ title, bars }) {
  const [width, rowHeight, left] = [640, 34, 200];
  const height = 44 + bars.length * rowHeight;
  const longest = Math.max(...bars.map(({ value }) => value));
  const rows = bars.map(({ name, value, label, hue }, i) => {
    const y = 40 + i * rowHeight;
    const length = Math.max(2, ((width - left - 130) * value) / longest);
    return (
      text(left - 10, y + 17, name, { anchor: 'end' }) +
      `<rect x="${left}" y="${y + 3}" width="${length.toFixed(1)}" height="20" rx="3" fill="${hues[hue ?? i % hues.length]}"/>` +
      text(left + length + 8, y + 17, label)
    );
  });
  return frame(width, height, title, rows.join(''));
}

/**
 * A chart of rows with one bar per engine, each with its label beside it.
 *
 * @param chart `{ title, names, rows: [{ name, values, labels }] }`; values and labels are one per name
 * @returns the SVG document
 */
export function groupedBarChart({ title, names, rows }) {
  const [width, barHeight, left, top] = [640, 13, 200, 58];
  const rowHeight = names.length * (barHeight + 2) + 10;
  const longest = Math.max(...rows.flatMap(({ values }) => values));
  const bars = rows.flatMap(({ name, values, labels }, i) => {
    const rowTop = top + i * rowHeight;
    const middle = rowTop + (names.length * (barHeight + 2)) / 2 + 4;
    const drawn = values.map((value, n) => {
      const y = rowTop + n * (barHeight + 2);
      const length = Math.max(2, ((width - left - 130) * value) / longest);
      return (
        `<rect x="${left}" y="${y}" width="${length.toFixed(1)}" height="${barHeight}" rx="2" fill="${hues[n]}"/>` +
        text(left + length + 8, y + 10, labels[n], { size: 11 })
      );
    });
    return [text(left - 10, middle, name, { anchor: 'end' }), ...drawn];
  });
  const height = top + rows.length * rowHeight;
  return frame(width, height, title, legend(names, 16, 44) + bars.join(''));
}
