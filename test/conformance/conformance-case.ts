import type { Device, DeviceInfo } from '../../lib/device/index.js';
import { MismatchError, type RawOutputs } from './compare.js';
import { describePart, type Extent, productPart } from './extent.js';
import { type Axes, type Combination, pairwiseCover } from './pairwise.js';
import { Random } from './random.js';

/** Cases per op in CI, where the pairwise cover is smaller. */
export const minCasesPerOp = 60;

/** What one run of an op on drawn inputs is, and what it must give. */
export interface Trial {
  /** Runs the op on a device and gives what it wrote, bit for bit. Leaves nothing allocated. */
  execute(device: Device): Promise<RawOutputs>;
  /**
   * @param backend that gave them: tensor cores round otherwise than the CPU
   * @throws {MismatchError} when outputs are not what the reference says
   */
  check(outputs: RawOutputs, backend: DeviceInfo['backend']): void;
}

/** The cases of one op: axes to choose from, and a trial for each choice. */
export interface OpSuite<A extends Axes = Axes> {
  readonly op: string;
  readonly axes: A;
  /** Axes whose product can be run, the others drawn at random; all of them when left out. */
  readonly productAxes?: readonly (keyof A & string)[];
  /** Of what its axis `dtype` is, where a backend may have no kernels for one. */
  readonly dtypeOf?: 'weights' | 'caches';
  /** Draws inputs; the same `random` gives the same inputs. */
  makeTrial(choice: Combination<A>, random: Random): Trial;
}

/** One case as data: jest and `run.mjs` both execute it, on any device. */
export interface ConformanceCase {
  /** The op and the value of each axis. */
  readonly name: string;
  readonly op: string;
  /** Draws the inputs and hands out the trial; the same one each time. */
  trial(): Trial;
  /**
   * Runs it on a device and checks what comes back: the right outputs, or the refusal of a dtype that the
   * backend does not have.
   *
   * @throws {Error} naming the case, its seed and the command that repeats it
   */
  run(device: Device): Promise<'passed' | 'unsupported'>;
}

/** Lets a suite of one op stand among those of others. */
export function asSuite<A extends Axes>(suite: OpSuite<A>): OpSuite {
  return suite as unknown as OpSuite;
}

/**
 * The cases of a suite.
 *
 * @param extent a pairwise cover of all axes, or a share or all of the product of `productAxes`
 */
export function* casesOf(
  suite: OpSuite,
  options: { seed: number; extent: Extent },
): Generator<ConformanceCase> {
  const { seed, extent } = options;
  const random = new Random(seed, suite.op);
  const choices =
    extent === 'cover'
      ? pairwiseCover(suite.axes, random, minCasesPerOp)
      : productOf(suite, extent, { seed, random });
  for (const choice of choices) yield makeCase(suite, choice, seed);
}

/** The case of a given name, with the inputs it has among the others. */
export function caseNamed(suite: OpSuite, name: string, seed: number): ConformanceCase {
  const chosen = Object.entries(suite.axes).map(([axis, values]) => {
    // A value may have spaces, so it ends where the next axis or the name does.
    const value = values.find((candidate) => {
      const text = ` ${axis}=${candidate}`;
      const end = name.indexOf(text) + text.length;
      return name.includes(text) && /^( \w+=|$)/.test(name.slice(end));
    });
    if (value === undefined) throw new Error(`${axis} has no value in '${name}'`);
    return [axis, value];
  });
  return makeCase(suite, Object.fromEntries(chosen), seed);
}

/** How many cases of a suite's product a run of it took. */
export function describeCases(suite: OpSuite, numCases: number): string {
  return describePart(numCases, crossedAxes(suite));
}

function crossedAxes({ axes, productAxes = Object.keys(axes) }: OpSuite): Axes {
  return Object.fromEntries(productAxes.map((axis) => [axis, axes[axis]]));
}

function* productOf(
  suite: OpSuite,
  extent: 'share' | 'all',
  { seed, random }: { seed: number; random: Random },
): Generator<Combination<Axes>> {
  const { axes } = suite;
  for (const choice of productPart(crossedAxes(suite), extent, seed)) {
    const values = Object.entries(axes).map(([axis, all]) => [
      axis,
      axis in choice ? choice[axis] : random.pick(all),
    ]);
    yield Object.fromEntries(values);
  }
}

function makeCase(suite: OpSuite, choice: Combination<Axes>, seed: number): ConformanceCase {
  const values = Object.entries(choice).map(([axis, value]) => `${axis}=${value}`);
  const name = `${suite.op} ${values.join(' ')}`;
  let drawn: Trial | undefined;
  const trial = () => {
    drawn ??= suite.makeTrial(choice, new Random(seed, name));
    return drawn;
  };
  return {
    name,
    op: suite.op,
    trial,
    async run(device) {
      try {
        if (!isSupported(suite, choice, device)) {
          await expectRefusal(trial(), device);
          return 'unsupported';
        }
        trial().check(await trial().execute(device), device.info.backend);
        return 'passed';
      } catch (cause) {
        const { backend, isa, threads } = device.info;
        const isaOption = backend === 'cpu' ? `--isa ${isa} ` : '';
        throw new Error(
          `${name}\n  ${(cause as Error).message}\n  on ${backend}/${isa}, ${threads} threads, ` +
            `seed ${seed}\n  repeat: node test/conformance/run.mjs --backend ${backend} ` +
            `${isaOption}--seed ${seed} --case '${name}'`,
          { cause },
        );
      }
    },
  };
}

function isSupported(suite: OpSuite, choice: Combination<Axes>, device: Device): boolean {
  if (suite.dtypeOf === undefined) return true;
  const { weightDtypes, cacheDtypes } = device.info;
  const known: readonly string[] = suite.dtypeOf === 'weights' ? weightDtypes : cacheDtypes;
  return known.includes(choice.dtype as string);
}

async function expectRefusal(trial: Trial, device: Device): Promise<void> {
  const refusal = await trial.execute(device).then(
    () => undefined,
    (error: { code?: string }) => error,
  );
  if (refusal?.code === 'ERR_UNSUPPORTED_DTYPE') return;
  throw new MismatchError(
    `a dtype that the backend does not have gave ${refusal ?? 'a result'}; expected ERR_UNSUPPORTED_DTYPE`,
  );
}
