// Runs the conformance cases on one device, without jest:
//
//   node test/conformance/run.mjs [--backend cpu] [--isa avx2] [--threads 2] [--op matmul]
//                                 [--seed 7] [--case 'NAME'] [--all] [--every 8]
//
// --all runs the full product of each suite's main axes instead of the pairwise cover of all; --case
// runs one case by its name, with the inputs it has among the others; --every 8 runs one case in eight.
// Ends with `N passed, N failed`.
import { register } from 'node:module';

register('./typescript-loader.mjs', import.meta.url);
const { runConformance } = await import('./runner.ts');
process.exitCode = await runConformance(process.argv.slice(2));
