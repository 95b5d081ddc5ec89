// Rows about a process as a whole: how much memory it takes, and how long it loads.

import { median } from '../machine.mjs';
import { Child } from './children/child.mjs';
import { startOurs, startPeer } from './measure.mjs';
import { huggingFaceFolder } from './models/make-models.mjs';
import { judgeLoad, judgeMemory } from './rows.mjs';
import { shapes, weightBytes } from './shapes.mjs';

const mib = 1024 * 1024;

/** Eight streams (four where quick) that fill the KV pool but for a few tokens. */
function fillingStreams(isQuick) {
  const [numSeqs, promptLen] = isQuick ? [4, 448] : [8, 1024];
  return { numSeqs, promptLen, numTokens: 32 };
}

/** Peak resident memory of a process that filled its KV pool, over weights and pool. */
export async function measureMemory(setting, { isQuick, hasPeer }) {
  const streams = fillingStreams(isQuick);
  const { numSeqs, promptLen, numTokens } = streams;
  const contextLen = promptLen + 2 * numTokens;
  const pool = { kvTokens: numSeqs * contextLen, contextLen };
  const peak = async ({ child }) => {
    try {
      await child.call('fill', streams);
      return await child.call('peakRss');
    } finally {
      await child.stop();
    }
  };
  const ours = await startOurs(setting, 'bf16', pool);
  const oursBytes = await peak(ours);
  const peerBytes = hasPeer ? await peak(await startPeer(setting, 'bf16')) : undefined;
  const neededBytes = weightBytes(shapes[setting.model]) + ours.info.kvCacheBytes;
  return {
    name: 'peak RSS over weights and KV pool',
    unit: 'MiB',
    ours: oursBytes / mib,
    peer: peerBytes && peerBytes / mib,
    ceiling: `${Math.round(neededBytes / mib)} MiB needed`,
    ...judgeMemory(oursBytes, neededBytes),
  };
}

async function readOnce(path) {
  const child = new Child('ours.mjs');
  try {
    return await child.call('readFile', { path });
  } finally {
    await child.stop();
  }
}

async function loadOnce(start) {
  const { child, loadMs } = await start();
  await child.stop();
  return loadMs;
}

/** Milliseconds to load, each time in a fresh process, beside reading the weights' file. */
export async function measureLoad(setting, { numRounds, hasPeer }) {
  const path = huggingFaceFolder(setting.model);
  const rounds = { read: [], ours: [], peer: [] };
  for (let round = 0; round < numRounds; round++) {
    rounds.read.push(await readOnce(path));
    rounds.ours.push(await loadOnce(() => startOurs(setting, 'bf16')));
    if (hasPeer) rounds.peer.push(await loadOnce(() => startPeer(setting, 'bf16')));
  }
  const [readMs, loadMs] = [median(rounds.read), median(rounds.ours)];
  return {
    name: 'load over read() of the warm file',
    unit: 'ms',
    ours: loadMs,
    peer: hasPeer ? median(rounds.peer) : undefined,
    ceiling: `read() ${Math.round(readMs)} ms`,
    ...judgeLoad(loadMs, readMs),
    rounds,
  };
}
