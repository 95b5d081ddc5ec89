// Streams and events.

#include "exported.h"

DRIVER_EXPORT CuResult cuStreamCreate(CuStream* stream, u32) {
  BEGIN_CALL(cuStreamCreate, kContext);
  *stream = new CuStreamHandle();
  gpu().add(*stream);
  return kCuSuccess;
}

DRIVER_EXPORT CuResult cuStreamDestroy_v2(CuStream stream) {
  BEGIN_CALL(cuStreamDestroy_v2, kContext);
  return destroy(stream);
}

DRIVER_EXPORT CuResult cuStreamSynchronize(CuStream stream) {
  BEGIN_CALL(cuStreamSynchronize, kNoCapture);
  REQUIRE_ALIVE(stream);
  return stream->wait_until_idle();
}

DRIVER_EXPORT CuResult cuStreamWaitEvent(CuStream stream, CuEvent event, u32) {
  BEGIN_CALL(cuStreamWaitEvent, kContext);
  REQUIRE_ALIVE(stream);
  REQUIRE_ALIVE(event);
  const std::lock_guard lock(event->mutex);
  if (event->mark == nullptr) return kCuSuccess;
  return stream->push_mark([mark = event->mark] { mark->wait(); });
}

DRIVER_EXPORT CuResult cuEventCreate(CuEvent* event, u32) {
  BEGIN_CALL(cuEventCreate, kContext);
  *event = new CuEventHandle();
  gpu().add(*event);
  return kCuSuccess;
}

DRIVER_EXPORT CuResult cuEventDestroy_v2(CuEvent event) {
  BEGIN_CALL(cuEventDestroy_v2, kContext);
  return destroy(event);
}

DRIVER_EXPORT CuResult cuEventRecord(CuEvent event, CuStream stream) {
  BEGIN_CALL(cuEventRecord, kContext);
  REQUIRE_ALIVE(event);
  REQUIRE_ALIVE(stream);
  const std::lock_guard lock(event->mutex);
  const auto mark = std::make_shared<Mark>();
  const CuResult result = stream->push_mark([mark] { mark->reach(); });
  if (result == kCuSuccess) event->mark = mark;
  return result;
}

DRIVER_EXPORT CuResult cuEventSynchronize(CuEvent event) {
  BEGIN_CALL(cuEventSynchronize, kNoCapture);
  REQUIRE_ALIVE(event);
  std::shared_ptr<Mark> mark;
  {
    const std::lock_guard lock(event->mutex);
    mark = event->mark;
  }
  if (mark != nullptr) mark->wait();
  return gpu().failure();
}
