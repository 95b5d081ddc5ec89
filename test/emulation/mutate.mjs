// node test/emulation/mutate.mjs [name…] [--jobs n] [--only words] [--folder build/emulation]
//                                           [--build-only prefixes]  (as -DPA_ONLY)
//
// Proves that the kernel tests watch every guard: takes mutations/<name>.json (all without a name),
// rewrites a copy of a source file, rebuilds its objects, links them in place of the real ones and
// runs the named tests, which must fail in order d or r1. One line per mutation, then
// `N passed, N failed`.

import { spawn } from 'node:child_process';
import {
  existsSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { basename, dirname, join, resolve } from 'node:path';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';

const here = dirname(fileURLToPath(import.meta.url));
const root = resolve(here, '../..');
const runTimeoutMs = 240_000;
const orders = { plain: ['d', 'r1'], check: ['d'] };

const { values: options, positionals: names } = parseArgs({
  allowPositionals: true,
  options: {
    jobs: { type: 'string', default: '2' },
    only: { type: 'string', default: '' },
    folder: { type: 'string', default: 'build/emulation' },
    'build-only': { type: 'string', default: '' },
  },
});

/** Runs a command; gives its exit code (null: it took too long) and output. */
function run(command, args, { cwd = root, timeoutMs } = {}) {
  return new Promise((done) => {
    const child = spawn(command, args, {
      cwd,
      env: { ...process.env, EMULATION_THREADS: '1' },
      stdio: ['ignore', 'pipe', 'pipe'],
      timeout: timeoutMs,
      killSignal: 'SIGKILL',
    });
    let output = '';
    child.stdout.on('data', (data) => (output += data));
    child.stderr.on('data', (data) => (output += data));
    child.on('error', (error) => done({ code: 127, output: `${output}${error.message}` }));
    child.on('close', (code) => done({ code, output }));
  });
}

async function mustRun(command, args, cwd) {
  const { code, output } = await run(command, args, { cwd });
  if (code !== 0) throw new Error(`${command} ${args[0]} failed:\n${output.slice(-4000)}`);
  return output;
}

/** Every mutation of the asked-for lists, with the list's name. */
function readMutations() {
  const folder = join(here, 'mutations');
  const files = readdirSync(folder).filter((file) => file.endsWith('.json'));
  const unknown = names.filter((name) => !files.includes(`${name}.json`));
  if (unknown.length > 0) throw new Error(`no list ${unknown}; there are ${files.join(', ')}`);
  return files
    .filter((file) => names.length === 0 || names.includes(basename(file, '.json')))
    .flatMap((file) =>
      JSON.parse(readFileSync(join(folder, file), 'utf8')).map((mutation) => ({
        build: 'plain',
        list: basename(file, '.json'),
        ...mutation,
      })),
    )
    .filter(({ name }) => name.includes(options.only));
}

/** The finished build that mutants borrow objects and commands from. */
async function openBuild(build) {
  const folder = resolve(root, options.folder, build);
  await mustRun('cmake', [
    '-S',
    here,
    '-B',
    folder,
    '-G',
    'Ninja',
    `-DPA_EMULATION=${build}`,
    `-DPA_ONLY=${options['build-only']}`,
  ]);
  await mustRun('ninja', ['-C', folder, 'kernel_tests']);
  const compiles = JSON.parse(readFileSync(join(folder, 'compile_commands.json'), 'utf8'));
  const commands = await mustRun('ninja', ['-C', folder, '-t', 'commands', 'kernel_tests']);
  const link = commands.trim().split('\n').pop();
  return { folder, compiles, link, passing: new Map() };
}

/** Whether the unchanged program passes the tests that a mutant must fail. */
function passesUnchanged(build, tests) {
  if (!build.passing.has(tests)) {
    const exe = join(build.folder, 'kernel_tests');
    build.passing.set(
      tests,
      run(exe, [...tests.split('|'), '--order', 'd'], { timeoutMs: runTimeoutMs }),
    );
  }
  return build.passing.get(tests);
}

const includesOf = (file) =>
  [...readFileSync(file, 'utf8').matchAll(/#include\s*[<"]([^>"]+)[>"]/g)].map((match) =>
    basename(match[1]),
  );

/** Whether `file` includes `header`, itself or through headers of its folder. */
function includes(file, header, seen = new Set()) {
  return includesOf(file).some((name) => {
    if (name === header) return true;
    const next = join(dirname(file), name);
    if (seen.has(name) || !existsSync(next)) return false;
    return includes(next, header, seen.add(name));
  });
}

/** The translation units of the build that a change of `file` reaches, among kernels and ops. */
function unitsOf(build, file) {
  const changed = resolve(root, file);
  return build.compiles.filter(({ file: unit }) => {
    const path = resolve(unit);
    return (
      path === changed || (dirname(path) === dirname(changed) && includes(path, basename(changed)))
    );
  });
}

/** A tree that looks like the repository, with one file rewritten. */
function makeTree(tree, mutation, text) {
  rmSync(tree, { recursive: true, force: true });
  let real = root;
  let copy = tree;
  for (const part of mutation.file.split('/')) {
    mkdirSync(copy, { recursive: true });
    for (const entry of readdirSync(real)) {
      if (entry !== part) symlinkSync(join(real, entry), join(copy, entry));
    }
    real = join(real, part);
    copy = join(copy, part);
  }
  writeFileSync(copy, text);
}

/** Builds the mutant; gives the path of its program, or what is wrong with the mutation. */
async function buildMutant(build, mutation, tree) {
  const text = readFileSync(join(root, mutation.file), 'utf8');
  const count = text.split(mutation.find).length - 1;
  if (count !== 1)
    return { problem: `"${mutation.find}" occurs ${count} times in ${mutation.file}` };
  const units = unitsOf(build, mutation.file);
  if (units.length === 0) return { problem: `nothing that is built includes ${mutation.file}` };
  makeTree(
    tree,
    mutation,
    text.replace(mutation.find, () => mutation.replace),
  );
  let link = build.link;
  for (const unit of units) {
    const object = join(tree, `${basename(unit.file)}.o`);
    const original = /-o (\S+)/.exec(unit.command)[1];
    const command = unit.command
      .replace(`-o ${original}`, `-o ${object}`)
      .replaceAll(resolve(unit.file), join(tree, resolve(unit.file).slice(root.length)))
      .replaceAll(`-I${resolve(root, 'cuda')}`, `-I${join(tree, 'cuda')}`);
    const { code, output } = await run('sh', ['-c', command], { cwd: build.folder });
    if (code !== 0) return { problem: `does not compile:\n${output.slice(-1500)}` };
    link = link.replaceAll(original, object);
  }
  const exe = join(tree, 'kernel_tests');
  const { code, output } = await run('sh', ['-c', link.replace('-o kernel_tests', `-o ${exe}`)], {
    cwd: build.folder,
  });
  return code === 0 ? { exe } : { problem: `does not link:\n${output.slice(-1500)}` };
}

/** Null when the mutant is noticed by a test, else why not. */
async function survives(build, mutation, tree) {
  const unchanged = await passesUnchanged(build, mutation.tests);
  if (unchanged.code !== 0) return `the tests fail without it:\n${unchanged.output.slice(-1500)}`;
  const { exe, problem } = await buildMutant(build, mutation, tree);
  if (problem) return problem;
  for (const order of orders[mutation.build]) {
    const { code } = await run(exe, [...mutation.tests.split('|'), '--order', order], {
      timeoutMs: runTimeoutMs,
    });
    if (code !== 0) return null;
  }
  return 'no test noticed';
}

const mutations = readMutations();
const builds = {};
for (const build of new Set(mutations.map((mutation) => mutation.build)))
  builds[build] = await openBuild(build);

const scratch = resolve(root, options.folder, 'mutants');
const queue = [...mutations];
let passed = 0;
let failed = 0;
async function work(worker) {
  for (let mutation = queue.shift(); mutation; mutation = queue.shift()) {
    const started = Date.now();
    const reason = await survives(builds[mutation.build], mutation, join(scratch, String(worker)));
    const seconds = ((Date.now() - started) / 1000).toFixed(0);
    console.log(
      `${reason ? 'FAIL' : 'pass'}  ${mutation.list}: ${mutation.name} (${seconds} s)${reason ? `: ${reason}` : ''}`,
    );
    if (reason) failed++;
    else passed++;
  }
}
await Promise.all(Array.from({ length: Number(options.jobs) }, (_, worker) => work(worker)));
rmSync(scratch, { recursive: true, force: true });
console.log(`${passed} passed, ${failed} failed`);
process.exitCode = failed === 0 && passed > 0 ? 0 : 1;
