// Compiles the translation unit of all kernels for one architecture by one toolkit.

import { spawn } from 'node:child_process';
import { mkdirSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';

const nvrtcScript = fileURLToPath(new URL('nvrtc_compile.py', import.meta.url));

/** `cubin` for an architecture like `sm_90a`, `ptx` for one like `compute_120`. */
export function kindOf(arch) {
  return arch.startsWith('compute_') ? 'ptx' : 'cubin';
}

/**
 * Command and arguments of one compilation; what they say decides whether an image is up to date.
 * Constexpr functions of the *_params.h are meant for both sides, which each compiler has an option for.
 */
export function compileCommand(toolkit, { arch, unit, image, deviceFolder }) {
  const common = ['-std=c++17', `-I${deviceFolder}`];
  const ptxas = kindOf(arch) === 'cubin' ? ['-Xptxas', '-v'] : [];
  if (toolkit.kind === 'nvrtc') {
    const script = ['python3', nvrtcScript, toolkit.compiler, unit, image, arch];
    return [...script, ...common, '-default-device', ...ptxas];
  }
  const strict = ['--expt-relaxed-constexpr', '-Werror', 'all-warnings'];
  const target = [`-arch=${arch}`, `-${kindOf(arch)}`, '-o', image];
  return [toolkit.compiler, ...target, ...common, ...strict, ...ptxas, unit];
}

/**
 * Runs one compilation.
 *
 * @returns `{ status, output, seconds }`; `output` is all that the compiler printed
 */
export function compileImage(toolkit, job) {
  const [command, ...args] = compileCommand(toolkit, job);
  mkdirSync(dirname(job.image), { recursive: true });
  const started = performance.now();
  return new Promise((resolve) => {
    const child = spawn(command, args, { stdio: ['ignore', 'pipe', 'pipe'] });
    let output = '';
    for (const stream of [child.stdout, child.stderr]) {
      stream.setEncoding('utf8').on('data', (text) => {
        output += text;
      });
    }
    const finish = (status) =>
      resolve({ status, output, seconds: (performance.now() - started) / 1000 });
    child.on('error', (error) => {
      output += error.message;
      finish(1);
    });
    child.on('close', finish);
  });
}

/** Where the images of a CUDA major version go; the addon looks for them here in a clone. */
export function payloadFolder(root, major) {
  return join(root, 'prebuilds', `linux-${process.arch}`, `cuda-${major}`);
}
