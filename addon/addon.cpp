// The Node-API module: build/Release/paged_attention.node. Loaded once per JavaScript environment;
// nothing is shared between environments.

#include <napi.h>

#include "bindings.h"
#include "environment.h"

namespace {

Napi::Object init(Napi::Env env, Napi::Object exports) {
  env.SetInstanceData(new Environment(env));
  export_device(env, exports);
  export_buffers(env, exports);
  export_loading(env, exports);
  export_kv_cache(env, exports);
  export_programs(env, exports);
  return exports;
}

}  // namespace

NODE_API_MODULE(paged_attention, init)
