// Everything that is required to load the addon, in CommonJS and by literal names, so that a bundler sees it and
// takes the addon along (docs/installation.md says how).
'use strict';

/** Finds the addon below a folder, for this system and runtime. */
exports.nodeGypBuild = require('node-gyp-build');

/** Loads an addon by its path. */
exports.requireFile = (file) => require(file);

/** Loads the addon that was bundled for a platform; undefined where none is prebuilt. */
exports.requirePrebuilt = (platform) => {
  switch (platform) {
    case 'linux-x64':
      return require('./prebuilds/linux-x64/node.glibc.node');
    case 'linux-arm64':
      return require('./prebuilds/linux-arm64/node.glibc.node');
    default:
      return undefined;
  }
};
