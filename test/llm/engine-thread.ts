let isInWorker = false;

/** Whether test models run their engine in a Worker. */
export function inWorker(): boolean {
  return isInWorker;
}

/** From here on they do. */
export function runInWorkers(): void {
  isInWorker = true;
}
