import { mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { randomConfig, writeRandomCheckpoint } from '../model/random-checkpoint.js';
import { vocabSize, writeTokenizer } from '../text/tiny-tokenizer.js';
import { HubServer } from './hub-server.js';

export const repo = 'owner/tiny';
const variables = ['HF_HOME', 'HF_ENDPOINT', 'HF_TOKEN', 'HF_HUB_OFFLINE', 'HF_HUB_CACHE'] as const;

/** A server with a small sharded model, an empty cache, and an environment that names both. */
export class HubFixture {
  readonly home = mkdtempSync(join(tmpdir(), 'paged-attention-hub-'));
  readonly modelFolder = mkdtempSync(join(tmpdir(), 'paged-attention-hub-model-'));
  readonly cacheFolder = join(this.home, 'hub', 'models--owner--tiny');
  readonly #before = variables.map((name) => process.env[name]);
  server!: HubServer;

  async start(): Promise<void> {
    const config = randomConfig({ vocab_size: vocabSize() });
    const shards = { maxShardBytes: 100_000 };
    writeRandomCheckpoint(this.modelFolder, { config, dtype: 'bf16', ...shards });
    writeTokenizer({ folder: this.modelFolder });
    const names = [...readdirSync(this.modelFolder)];
    const files = names.map((name) => [name, readFileSync(join(this.modelFolder, name))] as const);
    const others = [
      ['README.md', Buffer.from('# tiny')],
      ['pytorch_model.bin', Buffer.alloc(4096)],
    ] as const;
    this.server = new HubServer(repo, new Map([...files, ...others]));
    for (const name of variables) delete process.env[name];
    process.env.HF_HOME = this.home;
    process.env.HF_ENDPOINT = await this.server.start();
  }

  async stop(): Promise<void> {
    await this.server.stop();
    for (const [i, name] of variables.entries()) {
      const value = this.#before[i];
      if (value === undefined) delete process.env[name];
      else process.env[name] = value;
    }
    rmSync(this.home, { recursive: true });
    rmSync(this.modelFolder, { recursive: true });
  }

  /** Names of the files of the model that are needed. */
  neededNames(): string[] {
    return [...this.server.files.keys()].filter((name) => !/README|\.bin$/.test(name)).sort();
  }

  /** The largest shard. */
  largestName(): string {
    const [[name]] = [...this.server.files]
      .filter(([path]) => path.endsWith('.safetensors'))
      .sort(([, a], [, b]) => b.length - a.length);
    return name;
  }
}
