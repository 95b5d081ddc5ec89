// What bench/gpu/native is asked to run: one request per row, built from shapes.json.
//
// A request is an object of strings and numbers; the native program reads it as `field=value;…`.

const layouts = ['block-major', 'layer-major'];
const transferBlocks = 64;

/** Requests of the whole benchmark, in the order in which they run. */
export function allRequests(shapes) {
  return [
    ...ceilings(shapes),
    ...decode(shapes),
    ...blockSizes(shapes),
    ...prefill(shapes),
    ...matmul(shapes),
    ...memory(shapes),
    ...steps(shapes),
  ];
}

/** One line of the native program's input. */
export function requestLine(request) {
  return Object.entries(request)
    .map(([field, value]) => `${field}=${Array.isArray(value) ? value.join(',') : value}`)
    .join(';');
}

function ceilings({ copyCeilingBytes: bytes, gemmCeiling: size }) {
  const gemm = { kind: 'matmul', name: 'ceiling', rows: size, inDim: size, outDim: size };
  return [
    { kind: 'ceiling', name: 'read', bytes },
    { kind: 'ceiling', name: 'copy', bytes },
    { ...gemm, kernels: 'default' },
  ];
}

function attention(shapes, kind, name, rest) {
  const { heads, kvHeads, headDim, blockSize: block } = shapes;
  const fields = { layout: 'block-major', order: 'shuffled', queryLen: 1, block };
  return { kind, name, heads, kvHeads, headDim, ...fields, ...rest };
}

function decode(shapes) {
  const rows = shapes.decode.map(({ name, lengths }) =>
    attention(shapes, 'decode', name, { lengths }),
  );
  const comparedLayouts = shapes.decode
    .filter(({ name }) => shapes.layoutCases.includes(name))
    .flatMap(({ name, lengths }) =>
      layouts.map((layout) =>
        attention(shapes, 'decode', `${name}, ${layout}, ${shapes.step.layers} layers`, {
          lengths,
          layout,
          layers: shapes.step.layers,
        }),
      ),
    );
  const fixed = rows.map((row) => ({
    ...row,
    name: `${row.name}, deterministic`,
    deterministic: 1,
  }));
  return [...rows, ...comparedLayouts, ...fixed];
}

function blockSizes(shapes) {
  const { lengths } = shapes.decode.find(({ name }) => name === shapes.blockSizeCase);
  return shapes.blockSizes.map((block) =>
    attention(shapes, 'decode', `${shapes.blockSizeCase}, blocks of ${block}`, { lengths, block }),
  );
}

function prefill(shapes) {
  return shapes.prefill.flatMap(({ name, queryLen, contextLen }) =>
    ['shuffled', 'in order'].map((order) =>
      attention(shapes, 'prefill', `${name}, ${order}`, { queryLen, lengths: [contextLen], order }),
    ),
  );
}

function matmul({ matmul: weights, matmulRows }) {
  return weights.flatMap(({ name, inDim, outDim }) =>
    matmulRows.flatMap((rows) =>
      ['own', 'default'].map((kernels) => ({
        kind: 'matmul',
        name: `${name}, ${rows} rows, ${kernels}`,
        rows,
        inDim,
        outDim,
        kernels,
      })),
    ),
  );
}

function memory(shapes) {
  const { blockBytes, numPairs: pairs } = shapes.copyBlocks;
  const { heads, kvHeads, headDim, blockSize: block } = shapes;
  const transfers = ['to host', 'to device'].flatMap((direction) =>
    ['in order', 'shuffled'].map((order) => ({
      kind: 'transfer',
      name: `${direction}, ${order}`,
      blockBytes,
      blocks: transferBlocks,
      order,
    })),
  );
  return [
    { kind: 'copyBlocks', name: `${pairs} blocks`, blockBytes, pairs },
    ...shapes.ropeAndWriteKv.map(({ name, numTokens: tokens }) => ({
      kind: 'ropeAndWriteKv',
      name,
      tokens,
      heads,
      kvHeads,
      headDim,
      block,
    })),
    ...transfers,
  ];
}

function steps(shapes) {
  const { heads, kvHeads, headDim, blockSize: block, step } = shapes;
  const { contextLen: context, numSeqs, ...model } = step;
  return numSeqs.map((seqs) => ({
    kind: 'step',
    name: `${seqs} at ${context}`,
    seqs,
    context,
    heads,
    kvHeads,
    headDim,
    block,
    ...model,
  }));
}
