// An engine of your own: BlockAllocator and PrefixCache say who holds which block, the device's ops compute over block
// tables. The model is one attention layer of made-up weights; docs/own-engine.md puts a trained one in its place.
import { Device, greedySlot } from 'paged-attention/device';
import { BlockAllocator, PrefixCache } from 'paged-attention/kv';

const device = Device.open();
const wave = (length) => Float32Array.from({ length }, (_, i) => Math.sin(i * i));
const matrix = (n, m) => device.tensor({ dtype: 'f32', shape: [n, m], data: wave(n * m) });
const part = (n, m) => ({ source: matrix(n, m), byteOffset: 0, dtype: 'f32', outDim: n });
const weight = (n, m) => device.loadWeight({ dtype: 'bf16', inDim: m, parts: [part(n, m)] });
const [qkvTable, head] = await Promise.all([weight(97, 3 * 256), weight(97, 256)]); // 97 tokens
const layer = { layer: 0, numHeads: 4, rope: matrix(256, 64), scale: 0.125, outDtype: 'bf16' };
const pool = { numBlocks: 64, blockSize: 16 };
const cache = new PrefixCache({ allocator: new BlockAllocator(pool) });
const kv = { ...pool, numLayers: 1, numKvHeads: 4, headDim: 64, dtype: 'bf16' };
const limits = { maxTokens: 256, maxSeqs: 4, maxBlocksPerSeq: 16 };
const program = device.record(limits, device.createKvCache(kv), (ops) => {
  const q = ops.ropeAndWriteKv({ qkv: ops.embed({ table: qkvTable }), ...layer });
  const x = ops.gatherRows({ x: ops.pagedAttention({ q, ...layer }) });
  ops.sample({ logits: ops.matmul({ x, weight: head }) });
});
const step = Object.assign(program.createStepBuffer(), { wantDigests: true }); // 64 bits of logits

/** A sequence that starts behind what anybody computed of its prompt; `row` is its block table's. */
function add(row, tokens, extraKeys = null) {
  const lease = cache.acquire(cache.matchPrompt(Int32Array.from(tokens), { extraKeys }));
  device.setSamplingSlot(program, row, greedySlot);
  return { ...lease, row, tokens, start: lease.numCachedTokens, digests: [] };
}

/** One step of a mixed batch: each sequence runs the tokens that it has not run, and gets the next. */
async function run(seqs) {
  step.clear();
  for (const { table, row, tokens, start, copy } of seqs) {
    cache.grow(table, tokens.length); // throws when every block is in use
    const fresh = { tokens: tokens.slice(start), copy, ...table.takeChanges() };
    const writeStart = table.numSharedBlocks * pool.blockSize;
    step.addSequence({ row, slot: row, start, writeStart, ...fresh });
  }
  const { samples, digests } = await device.submit(program, step);
  for (const [i, seq] of seqs.entries()) {
    if (seq.copy) cache.releaseCopySource(seq.copy);
    seq.copy = undefined;
    cache.registerSubmitted(seq.table, Int32Array.from(seq.tokens), seq.tokens.length);
    cache.commit(seq.table, seq.tokens.length);
    seq.start = seq.tokens.push(samples[i]) - 1;
    seq.digests.push(digests[i]);
  }
}

const facts = Array.from({ length: 40 }, (_, i) => (i * i) % 89);
const ann = add(0, [...facts, 90, 91]);
await run([ann]);
cache.registerTail(ann.table, Int32Array.from(ann.tokens), ann.start); // her last, partly filled block
const [ben, alone] = [add(1, [...facts, 95]), add(2, [...facts, 95], [['salt', 'a wall']])];
for (let i = 0; i < 8; i++) await run([ann, ben, alone]); // two prompts and a running sequence
for (const { table } of [ann, ben, alone]) console.log('table', ...table.blocks.slice(0, 3));
console.log(cache.stats()); // sharedBlocks, hitTokens, copiedTokens
console.log('the same logits as without sharing:', `${ben.digests}` === `${alone.digests}`);
await device.close();
