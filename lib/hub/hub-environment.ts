import { readFile } from 'node:fs/promises';
import { homedir } from 'node:os';
import { join } from 'node:path';

/** What the variables of the Hugging Face tools say; the same names and defaults as in Python. */
export interface HubEnvironment {
  /** `HF_ENDPOINT`, without a slash at its end. */
  readonly endpoint: string;
  /** `HF_HUB_CACHE`, or `hub` in `HF_HOME`. */
  readonly cacheFolder: string;
  /** `HF_TOKEN`, or what `hf auth login` left in `HF_HOME`. */
  readonly token: string | undefined;
  /** `HF_HUB_OFFLINE`: nothing is asked of any server. */
  readonly isOffline: boolean;
}

/** Reads the environment as it is now. */
export async function readHubEnvironment(): Promise<HubEnvironment> {
  const { env } = process;
  const home = env.HF_HOME || join(env.XDG_CACHE_HOME || join(homedir(), '.cache'), 'huggingface');
  return {
    endpoint: (env.HF_ENDPOINT || 'https://huggingface.co').replace(/\/+$/, ''),
    cacheFolder: env.HF_HUB_CACHE || env.HUGGINGFACE_HUB_CACHE || join(home, 'hub'),
    token: env.HF_TOKEN?.trim() || (await readToken(env.HF_TOKEN_PATH || join(home, 'token'))),
    isOffline: /^(1|on|yes|true)$/i.test(env.HF_HUB_OFFLINE ?? ''),
  };
}

async function readToken(path: string): Promise<string | undefined> {
  const text = await readFile(path, 'utf8').catch(() => '');
  return text.trim() || undefined;
}
