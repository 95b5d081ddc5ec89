import { type Inspection, type InspectOptions, inspect } from '../llm/index.js';
import { progressBar } from './progress-bar.js';
import { formatBytes, formatCount, type Terminal } from './terminal.js';

/** `paged-attention inspect`: a report for people, or one JSON object. */
export async function printInspection(
  model: string,
  { json, ...options }: InspectOptions & { readonly json?: boolean },
  terminal: Terminal,
): Promise<void> {
  const inspection = await inspect(model, { ...options, onProgress: progressBar(terminal) });
  terminal.stdout.write(
    json ? `${JSON.stringify(inspection, undefined, 2)}\n` : reportOf(inspection),
  );
}

function reportOf(inspection: Inspection): string {
  const rows = [...modelRows(inspection), ...memoryRows(inspection)];
  const lines = rows.map(([name, value]) => `${name.padEnd(labelWidth)}${value}`);
  return `${[...lines, '', ...fitLines(inspection)].join('\n')}\n`;
}

const labelWidth = 18;

function modelRows(model: Inspection): [name: string, value: string][] {
  const window = model.slidingWindow ? `, window ${formatCount(model.slidingWindow)}` : '';
  const stored = Object.entries(model.storedParameters)
    .map(([dtype, count]) => `${formatCount(count)} ${dtype}`)
    .join(' + ');
  return [
    ['model', model.folder],
    ['architecture', model.architecture],
    [
      'parameters',
      `${formatCount(model.numParameters)} (${stored}), ${formatBytes(model.storedBytes)} on disk`,
    ],
    [
      'layers',
      `${model.numLayers} of width ${formatCount(model.hiddenSize)}; ${model.numHeads} heads, ` +
        `${model.numKvHeads} of keys and values, of ${model.headDim}`,
    ],
    ['vocabulary', `${formatCount(model.vocabSize)} tokens`],
    ['chat template', model.hasChatTemplate ? 'yes' : 'none: generate() only'],
    ['context', `${formatCount(model.contextLen)} tokens${window}`],
  ];
}

function memoryRows(model: Inspection): [name: string, value: string][] {
  const { kvBytesPerToken, kvBlockBytes, blockSize } = model;
  return [
    ['weights', `${model.weightsDtype}, ${formatBytes(model.weightsBytes)} in memory`],
    [
      'KV cache',
      `${model.kvDtype}, ${formatCount(kvBytesPerToken)} bytes per token, ` +
        `${formatCount(kvBlockBytes)} per block of ${blockSize}`,
    ],
    ['activations', `${formatBytes(model.activationBytes)}, at most`],
    ['device', `${model.deviceName} (${model.backend}), ${formatBytes(model.freeBytes)} free`],
    [
      'KV cache, at most',
      `${formatBytes(model.maxKvCacheBytes)} (--kv-cache-bytes ${model.maxKvCacheBytes})`,
    ],
  ];
}

/** Sequences of one length that fit at once. */
function fitLines({ fits }: Inspection): string[] {
  const cells = fits.map((fit) => [
    formatCount(fit.contextLen),
    formatCount(fit.numSeqsByDefault),
    formatCount(fit.numSeqsAtMost),
  ]);
  const rows = [['context', 'sequences by default', 'at most'], ...cells];
  return rows.map((row) => row.map((cell, i) => cell.padStart([10, 22, 12][i])).join(''));
}
