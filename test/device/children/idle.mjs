// Opens a device, works, and ends without closing anything; the process must end by itself.

import { Device } from '../../../dist/device/index.js';

const device = Device.open({ threads: 2 });
const tensor = device.tensor({ dtype: 'f32', shape: [2], data: new Float32Array([1, 2]) });
await device.ops.scale({ x: tensor, factor: 3 });
process.stdout.write(`${[...(await tensor.read())]}\n`);
