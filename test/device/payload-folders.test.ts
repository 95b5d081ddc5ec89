import { mkdirSync, mkdtempSync, realpathSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { surveyDevices } from '../../lib/device/index.js';

describe('folders of kernels', () => {
  const [, program] = process.argv;
  let project: string;
  beforeEach(() => {
    project = realpathSync(mkdtempSync(join(tmpdir(), 'kernels-')));
  });
  afterEach(() => {
    process.argv[1] = program;
    rmSync(project, { recursive: true });
  });

  test('are found beside the program that runs, whatever the working folder is', () => {
    const kernels = join(project, 'node_modules/@paged-attention/cuda-12');
    mkdirSync(kernels, { recursive: true });
    writeFileSync(join(kernels, 'package.json'), '{ "name": "@paged-attention/cuda-12" }');
    process.argv[1] = join(project, 'server.mjs');
    const { payloadFolders } = surveyDevices();
    expect(payloadFolders[1]).toBe(kernels);
    expect(payloadFolders[0]).toMatch(/@paged-attention\/cuda-13$/);
  });
});
