import { mkdirSync, readFileSync, renameSync, writeFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { resolve } from 'node:path';
import { Worker } from 'node:worker_threads';
import { type EngineCoreOptions, type EnginePort, RemoteEngine } from '../../dist/engine/index.js';

/** What an arithmetic engine is made of; plain data, which can be sent to a Worker. */
export interface ArithmeticEngineOptions extends Omit<EngineCoreOptions, 'executor'> {
  readonly executor: {
    readonly numBlocks: number;
    readonly blockSize: number;
    readonly maxSeqs: number;
    readonly maxTokens: number;
    readonly vocabSize: number;
  };
}

const folder = resolve('build/test-worker');
const sources = ['engine/arithmetic-model', 'engine/arithmetic-executor', 'llm/turning-engine'];

/** Strips the types of what a Worker needs, which plain Node can then run over the compiled package. */
function compileSources(): void {
  const ts = createRequire(import.meta.url)('typescript') as typeof import('typescript');
  for (const source of sources) {
    const text = readFileSync(`test/${source}.ts`, 'utf8');
    const { outputText } = ts.transpileModule(text, {
      compilerOptions: {
        target: ts.ScriptTarget.ES2022,
        module: ts.ModuleKind.ESNext,
        verbatimModuleSyntax: true,
      },
    });
    const file = `${folder}/${source}.js`;
    mkdirSync(resolve(file, '..'), { recursive: true });
    writeFileSync(
      `${file}.${process.pid}`,
      outputText.replace(/\.\.\/\.\.\/(lib|dist)\//g, '../../../dist/'),
    );
    renameSync(`${file}.${process.pid}`, file);
  }
  writeFileSync(`${folder}/package.json`, '{ "type": "module" }');
}

let isCompiled = false;

/** An arithmetic engine in a Worker of its own, and the Worker. */
export async function openRemoteEngine(
  options: ArithmeticEngineOptions,
): Promise<{ core: EnginePort; worker: Worker }> {
  if (!isCompiled) compileSources();
  isCompiled = true;
  const worker = new Worker('./test/llm/children/arithmetic-engine.mjs', { workerData: options });
  const { engine } = await RemoteEngine.open(worker);
  return { core: engine, worker };
}
