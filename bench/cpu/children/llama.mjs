// node-llama-cpp's model, as every child process of the benchmarks opens it: on the CPU, from what is installed.
// PEER_MODULE (environment) is its entry file: peer-install.mjs.

const { getLlama } = await import(process.env.PEER_MODULE);

/** Library and model, on so many threads. */
export async function loadLlama({ path, threads }) {
  const llama = await getLlama({
    gpu: false,
    build: 'never',
    skipDownload: true,
    progressLogs: false,
    maxThreads: threads,
    logLevel: 'error',
  });
  return { llama, model: await llama.loadModel({ modelPath: path }) };
}
