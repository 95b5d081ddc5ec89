// The results of run-all, written anew after every stage, so that a run that is ended early has left
// what it knew:
//
//   summary.json   the GPU and one entry per stage
//   gpu-run.json   an entry for bench/gpu-runs.json: which kernels ran on which GPU and when
//   log.txt        everything that the stages printed
//   bench.json, peers.json, end-to-end.json, sanitizer.txt   by the stages of those names

import {
  appendFileSync,
  existsSync,
  mkdirSync,
  readFileSync,
  rmSync,
  writeFileSync,
} from 'node:fs';
import { join } from 'node:path';

function writeJson(path, value) {
  writeFileSync(path, `${JSON.stringify(value, null, 1)}\n`);
}

/** Collects what the stages give. */
export class Results {
  #stages = [];

  /**
   * @param folder made if it is not there
   * @param info of the opened device
   */
  constructor(folder, info, isEmulated) {
    this.folder = folder;
    this.info = info;
    this.isEmulated = isEmulated;
    this.kernelLog = join(folder, '.kernels-launched');
    this.started = new Date().toISOString();
    mkdirSync(folder, { recursive: true });
    for (const path of [this.kernelLog, join(folder, 'log.txt')]) rmSync(path, { force: true });
  }

  /** Shows text and adds it to the log. */
  write(text) {
    process.stdout.write(text);
    appendFileSync(join(this.folder, 'log.txt'), text);
  }

  /** Adds what a stage gave, and writes the files. */
  add(stage) {
    this.#stages.push(stage);
    const { started, info } = this;
    writeJson(join(this.folder, 'summary.json'), { started, info, stages: this.#stages });
    writeJson(join(this.folder, 'gpu-run.json'), this.describeRun());
  }

  #sum(field) {
    return this.#stages.reduce((sum, stage) => sum + stage[field], 0);
  }

  /** What this run shows about kernels, as an entry of bench/gpu-runs.json. */
  describeRun() {
    const { kernelLog, info } = this;
    const names = existsSync(kernelLog) ? readFileSync(kernelLog, 'utf8').split('\n') : [];
    return {
      date: this.started.slice(0, 10),
      gpu: info.name,
      capability: info.computeCapability,
      isEmulated: this.isEmulated,
      passed: this.#sum('passed'),
      failed: this.#sum('failed'),
      kernels: [...new Set(names.filter(Boolean))].toSorted(),
    };
  }

  /** One line per stage, and what is missing. */
  describeStages() {
    const line = ({ name, status, passed, failed, seconds, why }) =>
      `${name.padEnd(26)}${status.padEnd(9)}${passed} passed, ${failed} failed, ${seconds} s` +
      `${why ? ` (${why})` : ''}\n`;
    return this.#stages.map(line).join('');
  }

  /** Removes what only the run itself needed. */
  close() {
    rmSync(this.kernelLog, { force: true });
  }
}
