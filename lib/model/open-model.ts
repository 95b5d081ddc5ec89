import type { Device, FloatDType, WeightDType } from '../device/index.js';
import { InvalidArgumentError } from '../errors.js';
import { type Checkpoint, openCheckpoint } from './checkpoint.js';
import { type ModelConfig, parseConfig, readConfig } from './config.js';
import { openGgufCheckpoint } from './gguf-checkpoint.js';
import { plannedTensors, type WeightPlan } from './weight-plan.js';
import { deviceDtype, type LoadProgress, planCheckpoint } from './weights.js';

/** The part of {@link LoadModelOptions} that decides how much memory a model takes. */
export interface OpenModelOptions {
  /**
   * Dtype of the weights on the device; `auto` is the one that config.json names, else the stored one, and
   * bf16, which has f32's range, where the device does not have that one. `int8` and `int4` quantise
   * while loading.
   */
  readonly dtype?: 'auto' | WeightDType;
  /** Dtype of the KV cache; `auto` is what `dtype: 'auto'` would be for quantised weights, else the weights'. */
  readonly kvDtype?: 'auto' | FloatDType;
  /** Longest context, in tokens; default and upper bound is the model's own. */
  readonly contextLen?: number;
}

/** What {@link loadModel} may be told. */
export interface LoadModelOptions extends OpenModelOptions {
  /** Told how far loading is, after each tensor; what it throws ends the loading. */
  readonly onProgress?: (progress: LoadProgress) => void;
  /** Ends the loading, which then rejects with `signal.reason`. */
  readonly signal?: AbortSignal;
}

/** A model whose files were checked and of which nothing is loaded; the owner closes `checkpoint`. */
export interface OpenModel {
  readonly config: ModelConfig;
  readonly checkpoint: Checkpoint;
  readonly plan: WeightPlan;
  readonly weightsDtype: WeightDType;
  readonly kvDtype: FloatDType;
  /** Longest context, in tokens. */
  readonly contextLen: number;
}

/** A rotary table beyond this is refused: lower `contextLen`. */
const maxRopeTableBytes = 2 ** 30;

/**
 * Reads and checks all that a model folder or a GGUF file says, and settles what the options leave open.
 *
 * @throws {EngineError} codes of `readConfig`, `openCheckpoint` and `planCheckpoint`;
 *   `ERR_INVALID_ARGUMENT`, `ERR_UNSUPPORTED_DTYPE`
 */
export async function openModel(
  device: Device,
  path: string,
  options: OpenModelOptions,
): Promise<OpenModel> {
  const { config, checkpoint } = await openFiles(device, path);
  try {
    const contextLen = resolveContextLen(options.contextLen, config);
    const plan = planCheckpoint(checkpoint, config);
    const declared = config.declaredDtype ?? mostUsedDtype(checkpoint, plan);
    return { config, checkpoint, plan, contextLen, ...resolveDtypes(device, declared, options) };
  } catch (error) {
    checkpoint.close();
    throw error;
  }
}

async function openFiles(
  device: Device,
  path: string,
): Promise<Pick<OpenModel, 'config' | 'checkpoint'>> {
  if (!path.endsWith('.gguf')) {
    const config = await readConfig(path);
    return { config, checkpoint: await openCheckpoint(device, path) };
  }
  const { config, checkpoint } = openGgufCheckpoint(device, path);
  try {
    return { config: parseConfig(config), checkpoint };
  } catch (error) {
    checkpoint.close();
    throw error;
  }
}

/** The dtype that most elements of the matrices are stored in. */
function mostUsedDtype(checkpoint: Checkpoint, plan: WeightPlan): WeightDType {
  const counts = new Map<WeightDType, number>();
  for (const { name, shape } of plannedTensors(plan)) {
    if (shape.length === 1) continue;
    const dtype = deviceDtype(checkpoint.getTensor(name).dtype);
    counts.set(dtype, (counts.get(dtype) ?? 0) + shape[0] * shape[1]);
  }
  return [...counts].reduce((most, next) => (next[1] > most[1] ? next : most))[0];
}

function resolveDtypes(
  device: Device,
  declared: WeightDType,
  options: OpenModelOptions,
): Pick<OpenModel, 'weightsDtype' | 'kvDtype'> {
  const { weightDtypes, cacheDtypes } = device.info;
  const auto = weightDtypes.includes(declared) ? declared : 'bf16';
  const weightsDtype = resolveDtype('dtype', options.dtype, auto, weightDtypes);
  const autoFloat = isQuantized(auto) ? 'bf16' : auto;
  const autoKv = isQuantized(weightsDtype) ? autoFloat : weightsDtype;
  return { weightsDtype, kvDtype: resolveDtype('kvDtype', options.kvDtype, autoKv, cacheDtypes) };
}

const isQuantized = (dtype: WeightDType): dtype is 'int8' | 'int4' =>
  dtype === 'int8' || dtype === 'int4';

function resolveContextLen(
  contextLen: number | undefined,
  { maxPositions, rope }: ModelConfig,
): number {
  const tablePositions = Math.floor(maxRopeTableBytes / (rope.rotaryDim * 4));
  const limit = Math.min(maxPositions, tablePositions);
  const chosen = contextLen ?? maxPositions;
  if (Number.isInteger(chosen) && chosen >= 1 && chosen <= limit) return chosen;
  throw new InvalidArgumentError('contextLen', chosen, `an integer from 1 to ${limit}`);
}

function resolveDtype<D extends WeightDType>(
  field: string,
  dtype: 'auto' | D | undefined,
  auto: D,
  known: readonly D[],
): D {
  if (dtype === undefined || dtype === 'auto') return auto;
  if (known.includes(dtype)) return dtype;
  const names = ['auto', ...known].map((name) => `'${name}'`);
  const limit = `${names.slice(0, -1).join(', ')} or ${names.at(-1)}`;
  const isDtype = ['f32', 'f16', 'bf16', 'int8', 'int4'].includes(dtype);
  throw new InvalidArgumentError(
    field,
    dtype,
    limit,
    isDtype ? 'ERR_UNSUPPORTED_DTYPE' : 'ERR_INVALID_ARGUMENT',
  );
}
