// Exits in the middle of steps: `node exit-busy.mjs MILLISECONDS WORKER`, WORKER being true or false.

import { openBusyLlm } from './busy-llm.mjs';

const [delayMs, worker] = process.argv.slice(2);
await openBusyLlm({ worker: worker === 'true' });
setTimeout(() => process.exit(7), Number(delayMs));
