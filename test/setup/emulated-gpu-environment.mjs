// Gives a test file the emulated GPU (test/emulation/driver) as the only one that its process sees:
//
//   /** @jest-environment ./test/setup/emulated-gpu-environment.mjs */
//
// The addon reads the process's own environment variables, which tests have a copy of: they are set
// here, and by the global function `setEmulatedGpu`.
import { existsSync } from 'node:fs';
import { join } from 'node:path';
import SharedArraysEnvironment from './environment.mjs';

const folder = join(import.meta.dirname, '../../build/emulation/driver');
const variables = {
  PAGED_ATTENTION_LIBCUDA:
    process.env.PAGED_ATTENTION_LIBCUDA ?? join(folder, 'libcuda-emulated.so'),
  PAGED_ATTENTION_CUDA_PAYLOAD:
    process.env.PAGED_ATTENTION_CUDA_PAYLOAD ?? join(folder, 'payload/cuda-13'),
  // Products must be those of cuda/: there is nothing that could run cuBLASLt's kernels.
  PAGED_ATTENTION_CUBLASLT: '/none',
};

export default class EmulatedGpuEnvironment extends SharedArraysEnvironment {
  #before;

  constructor(config, context) {
    if (!existsSync(variables.PAGED_ATTENTION_LIBCUDA)) {
      throw new Error(
        `${variables.PAGED_ATTENTION_LIBCUDA} is missing: build it with \`node tools/build-emulation.mjs\``,
      );
    }
    const before = { ...process.env };
    Object.assign(process.env, variables);
    super(config, context);
    this.#before = before;
  }

  async setup() {
    await super.setup();
    this.global.setEmulatedGpu = (changes) => {
      for (const [name, value] of Object.entries(changes)) {
        if (value === undefined) delete process.env[name];
        else process.env[name] = value;
      }
    };
  }

  async teardown() {
    for (const name of Object.keys(process.env)) {
      if (name.startsWith('PA_EMULATED_') || name.startsWith('PAGED_ATTENTION_')) {
        delete process.env[name];
      }
    }
    Object.assign(process.env, this.#before);
    await super.teardown();
  }
}
