// Capture and replay.

#include "exported.h"
#include "handles.h"

DRIVER_EXPORT CuResult cuStreamBeginCapture_v2(CuStream stream, CuCaptureMode) {
  BEGIN_CALL(cuStreamBeginCapture_v2, kContext);
  REQUIRE_ALIVE(stream);
  return stream->begin_capture();
}

DRIVER_EXPORT CuResult cuStreamEndCapture(CuStream stream, CuGraph* graph) {
  REQUIRE_ALIVE(stream);
  *graph = nullptr;
  std::vector<Work> nodes;
  const CuResult result = stream->end_capture(&nodes);  // also where the call fails
  BEGIN_CALL(cuStreamEndCapture, kContext);
  if (result != kCuSuccess) return result;
  *graph = new CuGraphHandle{std::move(nodes)};
  gpu().add(*graph);
  return kCuSuccess;
}

DRIVER_EXPORT CuResult cuGraphInstantiateWithFlags(CuGraphExec* exec, CuGraph graph, u64) {
  BEGIN_CALL(cuGraphInstantiateWithFlags, kContext);
  REQUIRE_ALIVE(graph);
  *exec = new CuGraphExecHandle{std::make_shared<const std::vector<Work>>(graph->nodes)};
  gpu().add(*exec);
  return kCuSuccess;
}

DRIVER_EXPORT CuResult cuGraphLaunch(CuGraphExec exec, CuStream stream) {
  BEGIN_CALL(cuGraphLaunch, kContext);
  REQUIRE_ALIVE(exec);
  REQUIRE_ALIVE(stream);
  return stream->push([nodes = exec->nodes] {
    for (const Work& node : *nodes) {
      if (const CuResult result = node(); result != kCuSuccess) return result;
    }
    return kCuSuccess;
  });
}

DRIVER_EXPORT CuResult cuGraphExecDestroy(CuGraphExec exec) {
  BEGIN_CALL(cuGraphExecDestroy, kContext);
  return destroy(exec);
}

DRIVER_EXPORT CuResult cuGraphDestroy(CuGraph graph) {
  BEGIN_CALL(cuGraphDestroy, kContext);
  return destroy(graph);
}
