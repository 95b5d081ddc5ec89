import type { Device } from '../../lib/device/index.js';
import type { RawOutputs } from './compare.js';
import { type Axes, type Combination, fullProduct, pairwiseCover } from './pairwise.js';
import { Random } from './random.js';

/** Cases per op in CI, where the pairwise cover is smaller. */
export const minCasesPerOp = 60;

/** What one run of an op on drawn inputs is, and what it must give. */
export interface Trial {
  /** Runs the op on a device and gives what it wrote, bit for bit. Leaves nothing allocated. */
  execute(device: Device): Promise<RawOutputs>;
  /** @throws {MismatchError} when outputs are not what the reference says */
  check(outputs: RawOutputs): void;
}

/** The cases of one op: axes to choose from, and a trial for each choice. */
export interface OpSuite<A extends Axes = Axes> {
  readonly op: string;
  readonly axes: A;
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
   * Runs it on a device and checks what comes back.
   *
   * @throws {Error} naming the case, its seed and the command that repeats it
   */
  run(device: Device): Promise<RawOutputs>;
}

/** Lets a suite of one op stand among those of others. */
export function asSuite<A extends Axes>(suite: OpSuite<A>): OpSuite {
  return suite as unknown as OpSuite;
}

/**
 * The cases of a suite.
 *
 * @param isFull the full product of the axes instead of a pairwise cover
 */
export function* casesOf(
  suite: OpSuite,
  options: { seed: number; isFull: boolean },
): Generator<ConformanceCase> {
  const { seed, isFull } = options;
  const random = new Random(seed, suite.op);
  const choices = isFull
    ? fullProduct(suite.axes)
    : pairwiseCover(suite.axes, random, minCasesPerOp);
  for (const choice of choices) yield makeCase(suite, choice, seed);
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
        const outputs = await trial().execute(device);
        trial().check(outputs);
        return outputs;
      } catch (cause) {
        const { backend, isa, threads } = device.info;
        throw new Error(
          `${name}\n  ${(cause as Error).message}\n  on ${backend}/${isa}, ${threads} threads, ` +
            `seed ${seed}\n  repeat: node test/conformance/run.mjs --backend ${backend} ` +
            `--isa ${isa} --seed ${seed} --case '${name}'`,
          { cause },
        );
      }
    },
  };
}
