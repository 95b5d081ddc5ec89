export declare const nodeGypBuild: {
  /** Path of the addon below `folder` that fits this runtime; throws where there is none. */
  path(folder: string): string;
};
/** Loads an addon by its path. */
export declare function requireFile(file: string): unknown;
/** Loads the addon that was bundled for a platform; undefined where none is prebuilt. */
export declare function requirePrebuilt(platform: string): unknown;
