// node test/emulation/mutate.mjs [name…] [--jobs n] [--only words] [--folder build/emulation]
//                                [--seeds n]  [--build-only prefixes]  (as -DPA_ONLY)
//
// Proves that the kernel tests watch every guard: takes mutations/<name>.json (all without a name),
// rewrites a copy of a source file, rebuilds its objects, links them in place of the real ones and
// runs the named tests, which must fail in order d or r1, crash, hang or eat memory. One line per
// mutation, then `N passed, N failed` and the seconds that it took. The tests draw their inputs from
// seed 1, so that what a run says does not change from one to the next; with --seeds n from 1 to n,
// each of which must notice: a mutant that only some inputs show needs a test that is sure of it.

import { spawn } from 'node:child_process';
import {
  existsSync,
  lstatSync,
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
const runTimeoutMs = 60_000;
// Of a test process. By its resident pages: what a test reserves without touching may be huge.
const maxResidentBytes = 3 * 2 ** 30;
const residentPollMs = 100;
const pageBytes = 4096;
const orders = { plain: ['d', 'r1'], check: ['d'] };

const { values: options, positionals: names } = parseArgs({
  allowPositionals: true,
  options: {
    jobs: { type: 'string', default: '2' },
    only: { type: 'string', default: '' },
    folder: { type: 'string', default: 'build/emulation' },
    'build-only': { type: 'string', default: '' },
    seeds: { type: 'string', default: '1' },
  },
});
if (!/^[1-9]\d*$/.test(options.seeds)) {
  throw new Error(`--seeds is '${options.seeds}'; expected a whole number from 1`);
}
const seeds = Array.from({ length: Number(options.seeds) }, (_, i) => i + 1);

/** Bytes of memory that a process uses now; 0 when it has ended. */
function residentBytes(pid) {
  try {
    return Number(readFileSync(`/proc/${pid}/statm`, 'utf8').split(' ')[1]) * pageBytes;
  } catch {
    return 0;
  }
}

/** Runs a command; gives its exit code (null: too long or too large) and output. */
function run(command, args, { cwd = root, timeoutMs, seed = 1 } = {}) {
  return new Promise((done) => {
    const child = spawn(command, args, {
      cwd,
      env: { ...process.env, EMULATION_THREADS: '1', PA_SEED: String(seed) },
      stdio: ['ignore', 'pipe', 'pipe'],
      timeout: timeoutMs,
      killSignal: 'SIGKILL',
    });
    const watch = setInterval(() => {
      if (residentBytes(child.pid) > maxResidentBytes) child.kill('SIGKILL');
    }, residentPollMs);
    let output = '';
    child.stdout.on('data', (data) => (output += data));
    child.stderr.on('data', (data) => (output += data));
    child.on('error', (error) => {
      clearInterval(watch);
      done({ code: 127, output: `${output}${error.message}` });
    });
    child.on('close', (code) => {
      clearInterval(watch);
      done({ code, output });
    });
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
    .flatMap((file) => {
      const list = JSON.parse(readFileSync(join(folder, file), 'utf8'));
      const { instances = { all: [] }, mutations } = Array.isArray(list)
        ? { mutations: list }
        : list;
      const [usual] = Object.keys(instances);
      return mutations.map(({ instances: name = usual, ...mutation }) => ({
        build: 'plain',
        list: basename(file, '.json'),
        instances: { name: `${basename(file, '.json')}-${name}`, edits: instances[name] },
        ...mutation,
      }));
    })
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
  return { folder, compiles, link, narrowed: new Map(), passing: new Map() };
}

/**
 * The program with the kernels of `instances` only, whose objects other than the mutated ones a
 * mutant takes: few instances compile quickly.
 */
function narrow(build, instances) {
  if (!build.narrowed.has(instances.name)) {
    const tree = join(build.folder, 'instances', instances.name);
    build.narrowed.set(instances.name, buildProgram(build, build.link, instances.edits, [], tree));
  }
  return build.narrowed.get(instances.name);
}

/** Whether the unchanged program passes the tests that a mutant must fail. */
async function passesUnchanged(build, mutation) {
  const key = `${mutation.instances.name} ${mutation.tests}`;
  if (!build.passing.has(key)) {
    const { exe, problem } = await narrow(build, mutation.instances);
    if (problem) return { code: 1, output: problem };
    build.passing.set(
      key,
      run(exe, [...mutation.tests.split('|'), '--order', 'd'], { timeoutMs: runTimeoutMs }),
    );
  }
  return build.passing.get(key);
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

/** Makes `folder` of the tree one of its own, whose entries are links to the real ones. */
function ownFolder(tree, folder) {
  if (folder !== '.') ownFolder(tree, dirname(folder)); // or `copy` would be the real one
  const copy = join(tree, folder);
  if (existsSync(copy) && !lstatSync(copy).isSymbolicLink()) return;
  rmSync(copy, { force: true });
  mkdirSync(copy, { recursive: true });
  for (const entry of readdirSync(join(root, folder))) {
    symlinkSync(join(root, folder, entry), join(copy, entry));
  }
}

/** Makes a tree that looks like the repository, with some files rewritten; gives what is wrong. */
function makeTree(tree, edits) {
  rmSync(tree, { recursive: true, force: true });
  ownFolder(tree, '.');
  for (const { file, find, replace } of edits) {
    ownFolder(tree, dirname(file));
    const copy = join(tree, file);
    const text = readFileSync(copy, 'utf8');
    const count = text.split(find).length - 1;
    if (count !== 1) return `"${find}" occurs ${count} times in ${file}`;
    rmSync(copy);
    writeFileSync(
      copy,
      text.replace(find, () => replace),
    );
  }
}

/**
 * Builds the program in `tree` with `edits`, which change units themselves, and `mutations`, which
 * reach all units that include them; other objects are those of `link`.
 *
 * @returns the path of the program and how it was linked, or the problem
 */
async function buildProgram(build, link, edits, mutations, tree) {
  const wrong = makeTree(tree, [...edits, ...mutations]);
  if (wrong) return { problem: wrong };
  const changed = mutations.length > 0 ? mutations : edits;
  const units = new Set(changed.flatMap(({ file }) => unitsOf(build, file)));
  if (units.size === 0 && mutations.length > 0) {
    return { problem: `nothing that is built includes ${mutations[0].file}` };
  }
  for (const unit of units) {
    const object = join(tree, `${basename(unit.file)}.o`);
    const original = /-o (\S+)/.exec(unit.command)[1];
    const command = unit.command
      .replace(`-o ${original}`, `-o ${object}`)
      .replace(' -g1 ', ' ')
      .replace(' -O2 ', ' -O1 ') // compiles twice as quickly, which is most of a mutant's time
      .replaceAll(resolve(unit.file), join(tree, resolve(unit.file).slice(root.length)))
      .replaceAll(`-I${resolve(root, 'cuda')}`, `-I${join(tree, 'cuda')}`);
    const { code, output } = await run('sh', ['-c', command], { cwd: build.folder });
    if (code !== 0) return { problem: `does not compile:\n${output.slice(-1500)}` };
    const pattern = new RegExp(
      `\\S*(?<=[ /])${basename(unit.file).replaceAll('.', '\\.')}\\.o(?= )`,
    );
    link = link.replace(pattern, object);
  }
  const exe = join(tree, 'kernel_tests');
  const { code, output } = await run('sh', ['-c', link.replace('-o kernel_tests', `-o ${exe}`)], {
    cwd: build.folder,
  });
  return code === 0 ? { exe, link } : { problem: `does not link:\n${output.slice(-1500)}` };
}

/** Whether the mutant's tests fail in one of its orders. */
async function notices(exe, mutation, seed) {
  for (const order of orders[mutation.build]) {
    const { code } = await run(exe, [...mutation.tests.split('|'), '--order', order], {
      timeoutMs: runTimeoutMs,
      seed,
    });
    if (code !== 0) return true;
  }
  return false;
}

/** Null when the mutant is noticed by a test, else why not. */
async function survives(build, mutation, tree) {
  const unchanged = await passesUnchanged(build, mutation);
  if (unchanged.code !== 0) return `the tests fail without it:\n${unchanged.output.slice(-1500)}`;
  const { link } = await narrow(build, mutation.instances);
  const { edits } = mutation.instances;
  const { exe, problem } = await buildProgram(build, link, edits, [mutation], tree);
  if (problem) return problem;
  const blind = [];
  for (const seed of seeds) if (!(await notices(exe, mutation, seed))) blind.push(seed);
  return blind.length === 0 ? null : `no test noticed with seed ${blind.join(', ')}`;
}

const started = Date.now();
const secondsSince = (time) => ((Date.now() - time) / 1000).toFixed(1);
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
    const begun = Date.now();
    const reason = await survives(builds[mutation.build], mutation, join(scratch, String(worker)));
    console.log(
      `${reason ? 'FAIL' : 'pass'}  ${mutation.list}: ${mutation.name} (${secondsSince(begun)} s)${reason ? `: ${reason}` : ''}`,
    );
    if (reason) failed++;
    else passed++;
  }
}
await Promise.all(Array.from({ length: Number(options.jobs) }, (_, worker) => work(worker)));
rmSync(scratch, { recursive: true, force: true });
console.log(`${passed} passed, ${failed} failed, ${secondsSince(started)} s`);
process.exitCode = failed === 0 && passed > 0 ? 0 : 1;
