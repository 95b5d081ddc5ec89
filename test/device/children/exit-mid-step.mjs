// Exits while steps are queued and running: `node exit-mid-step.mjs MILLISECONDS CODE`.

import { openBusyDevice } from './busy-device.mjs';

const [delayMs, exitCode] = process.argv.slice(2).map(Number);
await openBusyDevice();
setTimeout(() => process.exit(exitCode), delayMs);
