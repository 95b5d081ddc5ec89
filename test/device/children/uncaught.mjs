// Dies of an uncaught error while steps run.

import { openBusyDevice } from './busy-device.mjs';

await openBusyDevice();
setTimeout(() => {
  throw new Error('nobody catches this');
}, 5);
