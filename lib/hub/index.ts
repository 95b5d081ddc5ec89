export { type DownloadOptions, type DownloadProgress, downloadModel } from './download-model.js';
export { type HubEnvironment, readHubEnvironment } from './hub-environment.js';
export { type HubSource, parseHubSource } from './hub-source.js';
