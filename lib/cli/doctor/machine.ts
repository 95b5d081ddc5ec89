import { accessSync, constants, existsSync, readFileSync } from 'node:fs';
import { availableParallelism, cpus, freemem, release, totalmem } from 'node:os';
import { dirname } from 'node:path';
import { readHubEnvironment } from '../../hub/index.js';
import { formatBytes } from '../terminal.js';
import type { Finding } from './findings.js';

const oldestNode = [20, 19] as const;
const oldestGlibc = [2, 28] as const;

/** Below this a small model and its cache hardly fit. */
const littleMemoryBytes = 512 * 2 ** 20;

/** Operating system, C library, Node, processor and memory. */
export function machineFindings(): Finding[] {
  return [systemFinding(), nodeFinding(), processorFinding(), memoryFinding()];
}

function isOlder(version: string, oldest: readonly [number, number]): boolean {
  const [major, minor] = version.split('.').map(Number);
  return major < oldest[0] || (major === oldest[0] && minor < oldest[1]);
}

function systemFinding(): Finding {
  const { platform, arch } = process;
  const glibc = glibcVersion();
  const libc =
    platform === 'linux' ? (glibc === undefined ? ', no glibc' : `, glibc ${glibc}`) : '';
  const finding = {
    name: 'system',
    text: `${systemName() ?? platform}, ${platform} ${release()} ${arch}${libc}`,
    facts: { platform, arch, glibc },
  };
  if (platform !== 'linux') {
    const cure = 'no addon is prebuilt for this system: build one in a clone: npm run build:addon';
    return { ...finding, status: 'note', cure };
  }
  if (glibc !== undefined && !isOlder(glibc, oldestGlibc)) return { ...finding, status: 'ok' };
  const cure = `use a distribution with glibc ${oldestGlibc.join('.')} or newer, or build the addon in a clone`;
  return { ...finding, status: 'fail', cure };
}

/** Such as `Debian GNU/Linux 12 (bookworm)`. */
function systemName(): string | undefined {
  try {
    return /^PRETTY_NAME="?([^"\n]+)/m.exec(readFileSync('/etc/os-release', 'utf8'))?.[1];
  } catch {
    return undefined;
  }
}

function glibcVersion(): string | undefined {
  const report = process.report.getReport() as { header?: { glibcVersionRuntime?: string } };
  return report.header?.glibcVersionRuntime;
}

function nodeFinding(): Finding {
  const { node, modules } = process.versions;
  const finding = { name: 'node', text: `${node}, ${process.execPath}`, facts: { node, modules } };
  if (!isOlder(node, oldestNode)) return { ...finding, status: 'ok' };
  return { ...finding, status: 'fail', cure: `use Node ${oldestNode.join('.')} or newer` };
}

function processorFinding(): Finding {
  const [first] = cpus();
  const numCores = availableParallelism();
  const name = first?.model.trim() || 'unknown processor';
  const cores = numCores === 1 ? '1 core' : `${numCores} cores`;
  return {
    name: 'processor',
    status: 'ok',
    text: `${name}, ${cores} for this process`,
    facts: { name, numCores },
  };
}

function memoryFinding(): Finding {
  const limitBytes = process.constrainedMemory() || undefined;
  const isLimited = limitBytes !== undefined && limitBytes < totalmem();
  const totalBytes = isLimited ? limitBytes : totalmem();
  const freeBytes = Math.min(process.availableMemory?.() ?? freemem(), totalBytes);
  const finding = {
    name: 'memory',
    text: `${formatBytes(freeBytes)} free of ${formatBytes(totalBytes)}${isLimited ? ' that the cgroup grants' : ''}`,
    facts: { freeBytes, totalBytes },
  };
  if (freeBytes >= littleMemoryBytes) return { ...finding, status: 'ok' };
  return { ...finding, status: 'note', cure: 'end other programs, or raise the limit' };
}

/** Where models from the hub are kept, and whether that can be written. */
export async function cacheFinding(): Promise<Finding> {
  const { cacheFolder, endpoint, isOffline, token } = await readHubEnvironment();
  const access = isOffline ? 'offline (HF_HUB_OFFLINE)' : endpoint;
  const finding = {
    name: 'models',
    text: `${cacheFolder}; ${access}${token === undefined ? '' : ', with a token'}`,
    facts: { cacheFolder, endpoint, isOffline, hasToken: token !== undefined },
  };
  if (canWrite(cacheFolder)) return { ...finding, status: 'ok' };
  const cure = "set HF_HOME to a folder that can be written; only load('owner/name') needs it";
  return { ...finding, status: 'note', text: `${finding.text}; it cannot be written`, cure };
}

/** Whether a folder, or the nearest one above it that exists, can be written. */
function canWrite(folder: string): boolean {
  if (!existsSync(folder)) return dirname(folder) !== folder && canWrite(dirname(folder));
  try {
    accessSync(folder, constants.W_OK);
    return true;
  } catch {
    return false;
  }
}
