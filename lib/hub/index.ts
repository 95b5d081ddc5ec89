export { type DownloadOptions, type DownloadProgress, downloadModel } from './download-model.js';
export { type HubSource, parseHubSource } from './hub-source.js';
