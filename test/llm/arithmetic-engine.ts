import { mkdirSync, readFileSync, renameSync, writeFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { resolve } from 'node:path';
import { MessageChannel, type MessagePort, Worker } from 'node:worker_threads';
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

function startWorker(name: string, workerData?: unknown): Worker {
  if (!isCompiled) compileSources();
  isCompiled = true;
  return new Worker(`./test/llm/children/${name}.mjs`, { workerData });
}

/** An arithmetic engine in a Worker of its own, and the Worker. */
export async function openRemoteEngine(
  options: ArithmeticEngineOptions,
): Promise<{ core: EnginePort; worker: Worker }> {
  const worker = startWorker('arithmetic-engine', options);
  const { engine } = await RemoteEngine.open(worker);
  return { core: engine, worker };
}

let shared: Worker | undefined;

afterAll(() => shared?.terminate());

/**
 * An arithmetic engine in a Worker that all engines of the test file share: starting one takes longer than most tests.
 * Its port stands for the Worker, and ends as one would.
 */
export async function openSharedRemoteEngine(
  options: ArithmeticEngineOptions,
): Promise<EnginePort> {
  shared ??= startWorker('arithmetic-engines');
  const { port1, port2 } = new MessageChannel();
  shared.postMessage({ port: port2, options }, [port2]);
  shared.unref();
  const { engine } = await RemoteEngine.open(asWorker(port1));
  return engine;
}

function asWorker(port: MessagePort): Worker {
  port.once('close', () => port.emit('exit', 0));
  const terminate = async () => port.close();
  return Object.assign(port, { terminate }) as unknown as Worker;
}
