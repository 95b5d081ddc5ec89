// Runs the conformance cases; in the bundle, where test/ is compiled. Arguments as for
// test/conformance/run.mjs.
import { runConformance } from '../../test/conformance/runner.js';

process.exitCode = await runConformance(process.argv.slice(2));
