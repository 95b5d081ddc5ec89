export interface BlockAllocatorOptions {
  /** Blocks of the pool, the null block 0 included; at least 2. */
  readonly numBlocks: number;
  /** Tokens per block: a power of two from 8 to 256; default 16. */
  readonly blockSize?: number;
}

export class BlockAllocator {
  readonly numBlocks: number;
  readonly blockSize: number;

  constructor({ numBlocks, blockSize = 16 }: BlockAllocatorOptions) {
    this.numBlocks = numBlocks;
    this.blockSize = blockSize;
  }
}
