import type { OpSuite } from './conformance-case.js';
import { copyBlocksSuite } from './copy-blocks.cases.js';
import { scaleSuite, softcapSuite } from './elementwise.cases.js';
import { embedSuite } from './embed.cases.js';
import { geluMulSuite, siluMulSuite } from './gated-mul.cases.js';
import { gatherRowsSuite } from './gather-rows.cases.js';
import { matmulSuite } from './matmul.cases.js';
import { pagedAttentionSuite } from './paged-attention.cases.js';
import { rmsNormSuite } from './rms-norm.cases.js';
import { ropeAndWriteKvSuite } from './rope-and-write-kv.cases.js';
import { sampleSuite } from './sample.cases.js';
import { readKvSuite, writeKvSuite } from './write-kv.cases.js';

/** The cases of every op of the instruction set. */
export const allSuites: readonly OpSuite[] = [
  embedSuite,
  rmsNormSuite,
  matmulSuite,
  writeKvSuite,
  readKvSuite,
  ropeAndWriteKvSuite,
  pagedAttentionSuite,
  siluMulSuite,
  geluMulSuite,
  gatherRowsSuite,
  scaleSuite,
  softcapSuite,
  copyBlocksSuite,
  sampleSuite,
];
