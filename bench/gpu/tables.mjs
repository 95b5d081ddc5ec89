// The tables of the GPU benchmark: measured rows beside the ceilings of the same run, with gate and
// goal where there is one.

/** Rows of one run by `kind/name`, without those that failed. */
export function rowsByName(rows) {
  return new Map(
    rows.filter(({ failed }) => !failed).map((row) => [`${row.kind}/${row.name}`, row]),
  );
}

/** Everything that has a gate: what, value, gate, goal. A value that cannot be had is undefined. */
export function gatedValues(rows, shapes) {
  const found = rowsByName(rows);
  const row = (kind, name) => found.get(`${kind}/${name}`);
  const perSecond = (kind, name, unit = 'bytes') => {
    const measured = row(kind, name);
    return measured && (measured[unit] / measured.medianUs) * 1e6;
  };
  const copy = perSecond('ceiling', 'copy');
  const read = perSecond('ceiling', 'read');
  return [
    ...layoutValues(row, shapes),
    ...bandwidthValues(perSecond, copy, shapes),
    ...latencyValues(row),
    ...prefillValues(perSecond, row),
    ...matmulValues(row, perSecond, read, shapes),
    ...memoryValues(row, perSecond, copy, shapes),
    ...stepValues(perSecond, read, shapes),
  ];
}

function value(what, number, unit, gate, goal, isLess = false) {
  return { what, value: number, unit, gate, goal, isLess };
}

function ratio(numerator, denominator) {
  return numerator === undefined || denominator === undefined ? undefined : numerator / denominator;
}

function layoutValues(row, { layoutCases, step }) {
  return layoutCases.map((name) => {
    const timeOf = (layout) => row('decode', `${name}, ${layout}, ${step.layers} layers`)?.medianUs;
    const times = ratio(timeOf('layer-major'), timeOf('block-major'));
    return value(`decode ${name}: block-major over layer-major`, times, 'ratio', 0.95, 0.99);
  });
}

const manyBytes = 256 * 2 ** 20;

function bandwidthValues(perSecond, copy, shapes) {
  const bytesOf = (lengths) =>
    lengths.reduce((sum, length) => sum + length, 0) * shapes.kvHeads * shapes.headDim * 4;
  const values = shapes.decode
    .filter(({ lengths }) => bytesOf(lengths) >= manyBytes)
    .map(({ name, lengths }) => {
      const isMixed = new Set(lengths).size > 1;
      const share = ratio(perSecond('decode', name), copy);
      const [gate, goal] = isMixed ? [0.8, 0.92] : [0.85, 0.97];
      return value(`decode ${name}, of copy bandwidth`, share, 'ratio', gate, goal);
    });
  const rates = shapes.blockSizes.map((block) =>
    perSecond('decode', `${shapes.blockSizeCase}, blocks of ${block}`),
  );
  const isComplete = rates.every((rate) => rate !== undefined);
  const worst = isComplete ? Math.min(...rates) / Math.max(...rates) : undefined;
  values.push(value('decode, block sizes: worst over best', worst, 'ratio', 0.8, 0.9));
  return values;
}

function latencyValues(row) {
  return [
    value('decode 1x1k', row('decode', '1x1k')?.medianUs, 'µs', 12, 7, true),
    value('decode 1x32k', row('decode', '1x32k')?.medianUs, 'µs', 50, 40, true),
  ];
}

function prefillValues(perSecond, row) {
  const flops = perSecond('prefill', 'causal 8k, shuffled', 'flops');
  const inOrder = row('prefill', 'causal 8k, in order')?.medianUs;
  const shuffled = row('prefill', 'causal 8k, shuffled')?.medianUs;
  return [
    value('prefill causal 8k', flops && flops / 1e12, 'TFLOP/s', 250, 320),
    value('prefill causal 8k, paged over contiguous', ratio(inOrder, shuffled), 'ratio', 0.95, 1),
  ];
}

function matmulValues(row, perSecond, read, { matmul, matmulRows }) {
  const name = (weight, rows, kernels) => `${weight.name}, ${rows} rows, ${kernels}`;
  const timeOf = (weight, rows, kernels) => row('matmul', name(weight, rows, kernels))?.medianUs;
  const many = matmulRows.filter((rows) => rows >= 512);
  const few = matmulRows.filter((rows) => rows <= 16);
  return [
    ...many.flatMap((rows) =>
      matmul.map((weight) => {
        const share = ratio(timeOf(weight, rows, 'default'), timeOf(weight, rows, 'own'));
        return value(
          `own GEMM, ${weight.name}, ${rows} rows, of cuBLASLt`,
          share,
          'ratio',
          0.5,
          0.65,
        );
      }),
    ),
    ...few.flatMap((rows) =>
      matmul.map((weight) => {
        const share = ratio(perSecond('matmul', name(weight, rows, 'default')), read);
        return value(
          `matmul ${weight.name}, ${rows} rows, of read bandwidth`,
          share,
          'ratio',
          0.85,
          0.95,
        );
      }),
    ),
  ];
}

function memoryValues(row, perSecond, copy, { copyBlocks }) {
  const copied = perSecond('copyBlocks', `${copyBlocks.numPairs} blocks`);
  const transfers = ['to host', 'to device'].map((direction) => {
    const inOrder = row('transfer', `${direction}, in order`)?.medianUs;
    const shuffled = row('transfer', `${direction}, shuffled`)?.medianUs;
    const what = `transfer of blocks ${direction}, of one long piece`;
    return value(what, ratio(inOrder, shuffled), 'ratio', 0.85, 0.95);
  });
  return [
    value('copyBlocks, of copy bandwidth', ratio(copied, copy), 'ratio', 0.85, 0.95),
    ...transfers,
  ];
}

function stepValues(perSecond, read, { step }) {
  return step.numSeqs.map((seqs) => {
    const share = ratio(perSecond('step', `${seqs} at ${step.contextLen}`), read);
    return value(
      `decode step, ${seqs} at ${step.contextLen}, of read bandwidth`,
      share,
      'ratio',
      0.75,
      0.9,
    );
  });
}

/** `met`, `goal` or `missed`; empty where there is no value. */
export function verdictOf({ value: number, gate, goal, isLess }) {
  if (number === undefined) return '';
  const reaches = (limit) => (isLess ? number <= limit : number >= limit);
  if (reaches(goal)) return 'goal';
  return reaches(gate) ? 'gate' : 'missed';
}

/** Markdown of everything that has a gate. */
export function gateTable(values) {
  const lines = values.map((entry) => {
    const { what, unit, gate, goal, isLess } = entry;
    const sign = isLess ? '≤' : '≥';
    const shown = entry.value === undefined ? '' : entry.value.toPrecision(3);
    return `| ${what} | ${shown} | ${unit} | ${sign} ${gate} | ${sign} ${goal} | ${verdictOf(entry)} |`;
  });
  return [
    '| what | measured | unit | gate | goal | reached |',
    '|---|---|---|---|---|---|',
    ...lines,
  ].join('\n');
}

/** Markdown of every row, with bandwidth and rate of arithmetic, and of the peers beside them. */
export function rowTable(rows, peers) {
  const rate = (amount, us, scale) => (amount ? (amount / us / scale).toPrecision(4) : '');
  const cellsOf = (row) => [
    row.medianUs.toFixed(1),
    rate(row.bytes, row.medianUs, 1e6),
    rate(row.flops, row.medianUs, 1e6),
    row.worstError.toPrecision(2),
    row.note ?? '',
  ];
  const lines = rows.map((row) => {
    const cells = row.failed ? ['FAILED', '', '', '', row.failed] : cellsOf(row);
    return [row.kind, row.name, ...cells].join(' | ').replaceAll('\n', ' ');
  });
  const peerLines = peers.map((peer) => {
    const us = peer.time?.medianUs;
    const shown = us === undefined ? (peer.unavailable ?? 'not timed') : us.toFixed(1);
    const [bytes, flops] = [peer.kvBytes ?? peer.bytes, peer.flops];
    const rates = us === undefined ? ['', ''] : [rate(bytes, us, 1e6), rate(flops, us, 1e6)];
    const name = `${peer.peer ?? 'PyTorch'}: ${peer.case}`;
    return [
      `${peer.table} (peer)`,
      name,
      shown,
      ...rates,
      peer.worstError?.toPrecision(2) ?? '',
      '',
    ].join(' | ');
  });
  const head = [
    '| table | case | median µs | TB/s | TFLOP/s | worst error | note |',
    '|---|---|---|---|---|---|---|',
  ];
  return [...head, ...[...lines, ...peerLines].map((line) => `| ${line} |`)].join('\n');
}
