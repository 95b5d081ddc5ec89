// Helpers of the child processes: a device that is kept busy with steps, on the built package.

import { Device } from '../../../dist/device/index.js';

/** Opens a device and submits steps without end, two at a time; resolves when the first one ran. */
export async function openBusyDevice({ rows = 64, inDim = 256, onFailure = () => {} } = {}) {
  const device = Device.open({ threads: 2 });
  const source = device.tensor({ dtype: 'f32', shape: [inDim, inDim] });
  const part = { source, byteOffset: 0, dtype: 'f32', outDim: inDim };
  const weight = await device.loadWeight({ dtype: 'f32', inDim, parts: [part] });
  const limits = {
    maxTokens: rows,
    maxSeqs: 1,
    maxLogitRows: 1,
    maxTableRows: 0,
    maxBlocksPerSeq: 0,
    maxCopies: 0,
  };
  const program = device.record(limits, undefined, (r) => {
    let x = r.embed({ table: weight });
    for (let i = 0; i < 200; i++) x = r.matmul({ x, weight });
    r.output({ hidden: r.gatherRows({ x }) });
  });
  const step = program.createStepBuffer();
  step.numTokens = rows;
  step.numSeqs = 1;
  step.queryStart[1] = rows;
  step.contextLens[0] = rows;
  const loop = () => device.submit(program, step).then(loop, onFailure);
  const first = device.submit(program, step);
  loop();
  await first;
  loop();
  return device;
}
