#include "stream.h"

namespace cuda {

Stream::~Stream() {
  if (handle_ != nullptr) context_.driver().stream_destroy(handle_);
}

Status Stream::open() {
  return context_.check(context_.driver().stream_create(&handle_, kCuStreamNonBlocking),
                        "cuStreamCreate");
}

Status Stream::synchronize() {
  return context_.check(context_.driver().stream_synchronize(handle_), "cuStreamSynchronize");
}

Event::~Event() {
  if (handle_ != nullptr) context_.driver().event_destroy(handle_);
}

Status Event::open() {
  return context_.check(context_.driver().event_create(&handle_, kCuEventDisableTiming),
                        "cuEventCreate");
}

Status Event::record(const Stream& stream) {
  return context_.check(context_.driver().event_record(handle_, stream.handle()), "cuEventRecord");
}

Status Event::synchronize() {
  return context_.check(context_.driver().event_synchronize(handle_), "cuEventSynchronize");
}

Status Event::hold_back(const Stream& stream) {
  return context_.check(context_.driver().stream_wait_event(stream.handle(), handle_, 0),
                        "cuStreamWaitEvent");
}

}  // namespace cuda
