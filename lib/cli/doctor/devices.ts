import { Device, type DeviceSurvey, surveyDevices, triesOfGpu } from '../../device/index.js';
import { load } from '../../llm/index.js';
import { formatBytes } from '../terminal.js';
import { type Finding, failure } from './findings.js';
import { kernelsFinding } from './kernels.js';

/** The addon, what it computes with, and a question answered with it. */
export async function deviceFindings(): Promise<Finding[]> {
  let survey: DeviceSurvey;
  try {
    survey = surveyDevices();
  } catch (error) {
    return [failure('addon', error, 'install the package again')];
  }
  const { addonFile } = survey;
  return [
    { name: 'addon', status: 'ok', text: addonFile, facts: { addonFile } },
    await cpuFinding(survey),
    await gpuFinding(survey),
    await kernelsFinding(survey),
    await selfTest(),
  ];
}

/** Opens the CPU, the way that `load` would, and says what it chose. */
async function cpuFinding({ isas }: DeviceSurvey): Promise<Finding> {
  const name = 'cpu backend';
  try {
    const device = Device.open({ backend: 'cpu' });
    const { isa, threads } = device.info;
    await device.close();
    const cores = threads === 1 ? '1 thread' : `${threads} threads`;
    const text = `computes with ${isa}, of ${isas.join(', ')}, on ${cores}`;
    return { name, status: 'ok', text, facts: { isa, isas, threads } };
  } catch (error) {
    return failure(name, error, 'please report this with the output of doctor --json');
  }
}

/** No kernels for the GPU: the CPU computes. Anything else is something that does not work. */
const unusedGpuCodes = ['ERR_CUDA_UNAVAILABLE', 'ERR_UNSUPPORTED_GPU'];

const noGpuCure =
  'only for an NVIDIA GPU: install its driver, or give the container the GPU (docker run --gpus all)';

/** Opens the first GPU, the way that `load` would. */
async function gpuFinding({ gpus, payloadFolders }: DeviceSurvey): Promise<Finding> {
  const driver = await driverOfGpus();
  const facts = { gpus, driver, payloadFolders };
  try {
    const device = Device.open({ backend: 'cuda' });
    const { name, isa, computeCapability } = device.info;
    const freeBytes = device.freeBytes() ?? 0;
    await device.close();
    return {
      name: 'gpu',
      status: 'ok',
      text: `${name}, ${driver}, compute capability ${computeCapability}, kernels for ${isa}, ${formatBytes(freeBytes)} free`,
      facts: { ...facts, isa, computeCapability, freeBytes },
    };
  } catch (error) {
    const finding = { ...failure('gpu', error, 'see docs/cuda.md'), facts };
    // A machine without a GPU lacks nothing.
    if (gpus.length === 0) return { ...finding, status: 'note', cure: noGpuCure };
    const { code = '' } = error as { code?: string };
    if (!unusedGpuCodes.includes(code)) return finding;
    const text = `${gpus[0]} is unused, the CPU computes: ${finding.text}`;
    return { ...finding, status: 'note', text };
  }
}

/** Such as `a driver for CUDA 13.0`, or that none works. */
async function driverOfGpus(): Promise<string> {
  const tries = (await triesOfGpu([])) ?? [];
  return /a driver for CUDA [\d.]+/.exec(tries.join('\n'))?.[0] ?? 'no driver that works';
}

/** Asks the embedded model twice over one text: the answers are known, and the second must find the text cached. */
async function selfTest(): Promise<Finding> {
  const name = 'self-test';
  const facts = {
    role: 'system',
    content: 'The vault code of Amber is 4217. Omar lives in Lisbon.',
  } as const;
  try {
    const startMs = performance.now();
    const llm = await load('recall', { backend: 'cpu', contextLen: 512 });
    const ask = (content: string) => llm.chat([facts, { role: 'user', content }]);
    try {
      const ann = await ask('What is the vault code of Amber?');
      const ben = await ask('Where does Omar live?');
      const { cachedTokens, promptTokens } = ben.usage;
      const seconds = ((performance.now() - startMs) / 1000).toFixed(1);
      const text = `"${ann.text}" and "${ben.text}", ${cachedTokens} of ${promptTokens} tokens cached for the second, ${seconds} s`;
      const isRight = ann.text === '4217' && ben.text === 'Lisbon' && cachedTokens > 0;
      if (isRight) return { name, status: 'ok', text, facts: { cachedTokens, promptTokens } };
      const cure = 'these answers are wrong: please report this with the output of doctor --json';
      return { name, status: 'fail', text, cure };
    } finally {
      await llm.close();
    }
  } catch (error) {
    return failure(name, error, 'please report this with the output of doctor --json');
  }
}
