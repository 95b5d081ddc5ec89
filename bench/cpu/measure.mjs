// Runs the rows of one setting: model, threads and instruction set. Both engines live in processes of
// their own and take turns; one is idle while the other computes.

import { median } from '../machine.mjs';
import { Child } from './children/child.mjs';
import { ggufFile, huggingFaceFolder } from './models/make-models.mjs';
import { measureCeilings } from './native.mjs';
import { findPeer } from './peer-install.mjs';
import { kvBytesPerToken, shapes } from './shapes.mjs';

/** What the peer's file of the same weights is called. */
const peerFormats = { bf16: 'bf16', int8: 'q8_0', int4: 'q4_0' };
/** Tokens that our KV pool has room for: every prompt that is decoded after, and two long ones beside them. */
const kvTokens = 20_480;

/** Starts an engine with a model; undefined when it does not know these weights yet. */
export async function startOurs({ model, threads, isa }, weights, changes = {}) {
  const child = new Child('ours.mjs');
  const shape = shapes[model];
  const options = {
    path: huggingFaceFolder(model),
    threads,
    isa,
    kvTokens,
    kvBytesPerToken: kvBytesPerToken(shape),
    ...(weights === 'bf16' ? {} : { dtype: weights }),
    ...changes,
  };
  try {
    const { loadMs, info } = await child.call('open', options);
    return { child, loadMs, info };
  } catch (error) {
    await child.stop();
    if (weights !== 'bf16' && error.code === 'ERR_INVALID_ARGUMENT') return undefined;
    throw error;
  }
}

/** Starts the peer with its file of the same weights. */
export async function startPeer({ model, threads, isa }, weights) {
  const path = ggufFile(model, peerFormats[weights]);
  const child = new Child('peer.mjs', { PEER_MODULE: findPeer(isa).module });
  const { vocabSize } = shapes[model];
  try {
    const { loadMs, info } = await child.call('open', { path, threads, vocabSize });
    return { child, loadMs, info };
  } catch (error) {
    await child.stop();
    throw error;
  }
}

/**
 * How far the two engines' first steps are apart.
 *
 * @param ours,peers `[[id, log-probability], …]`, most likely first
 */
export function compareFirstSteps(ours, peers) {
  const theirs = new Map(peers);
  const shared = ours.filter(([id]) => theirs.has(id));
  const differences = shared.map(([id, logprob]) => Math.abs(logprob - theirs.get(id)));
  return {
    isSameToken: ours[0][0] === peers[0][0],
    numShared: shared.length,
    numCompared: ours.length,
    maxDifference: Math.max(...differences),
  };
}

/** Both compute the same: proven before anything is timed. Warms both. */
export async function checkFirstStep(ours, peer) {
  const prompt = { promptLen: 64, seed: 7 };
  const step = await ours.call('firstStep', prompt);
  if (peer === undefined) return undefined;
  const comparison = compareFirstSteps(step, await peer.call('firstStep', prompt));
  if (comparison.numShared < comparison.numCompared / 2) {
    throw new Error(`the peer computes something else: ${JSON.stringify(comparison)}`);
  }
  return comparison;
}

/** One round: each row on each engine, the other way round in every second round. */
async function runRound(engines, rows, round, figures) {
  const order = round % 2 === 0 ? engines : engines.toReversed();
  for (const row of rows) {
    for (const { name, child } of order) {
      const result = await child.call(row.op, { ...row.args, seed: 1000 + round });
      figures.get(row)[name].push(row.toFigure(result));
    }
  }
}

/** The middle of each ceiling: a single one may fall into a moment in which the machine was not ours. */
export function medianCeilings(rounds) {
  const entries = Object.keys(rounds[0]).map((name) => {
    const values = rounds.map((ceilings) => ceilings[name]);
    return [name, typeof values[0] === 'number' ? median(values) : values[0]];
  });
  return Object.fromEntries(entries);
}

function judgeRow(row, rounds, { setting, ceilings, figureOf }) {
  const { model } = setting;
  const ours = median(rounds.ours);
  const peer = rounds.peer.length > 0 ? median(rounds.peer) : undefined;
  const quotient = row.isTime ? peer / ours : ours / peer;
  const ratio = peer === undefined ? undefined : quotient;
  const shape = shapes[model];
  const judged = row.judge({ ours, peer, ratio, ceilings, model, shape, figureOf });
  const unit = row.isTime ? 'ms' : 'tok/s';
  return { name: row.name, weights: row.weights, unit, ours, peer, ratio, ...judged, rounds };
}

/**
 * Measures all rows of one kind of weights.
 *
 * @param options.rows of {@link engineRows}, one kind of weights
 * @returns `{ isa, peerIsa, ceilings, firstStep, rows }`; `rows` is undefined when the engine does not
 *   know these weights yet
 */
export async function measureRows(setting, { rows, numRounds, hasPeer }) {
  const [{ weights }] = rows;
  const ours = await startOurs(setting, weights);
  if (ours === undefined) return { weights };
  const peer = hasPeer ? await startPeer(setting, weights) : undefined;
  try {
    const engines = [{ name: 'ours', ...ours }, ...(peer ? [{ name: 'peer', ...peer }] : [])];
    const firstStep = await checkFirstStep(ours.child, peer?.child);
    const figures = new Map(rows.map((row) => [row, { ours: [], peer: [] }]));
    const ceilingRounds = [];
    for (let round = 0; round < numRounds; round++) {
      ceilingRounds.push(measureCeilings(setting));
      await runRound(engines, rows, round, figures);
    }
    const ceilings = medianCeilings(ceilingRounds);
    const figureOf = (name) => {
      const row = rows.find((candidate) => candidate.name === name);
      return row && median(figures.get(row).ours);
    };
    const judged = rows.map((row) =>
      judgeRow(row, figures.get(row), { setting, ceilings, figureOf }),
    );
    const { isa } = ours.info;
    return { weights, isa, peerIsa: peer?.info.isa, ceilings, firstStep, rows: judged };
  } finally {
    await ours.child.stop();
    await peer?.child.stop();
  }
}
