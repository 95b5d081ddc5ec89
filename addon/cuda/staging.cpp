#include "staging.h"

#include <algorithm>
#include <cstring>

namespace cuda {
namespace {

constexpr size_t kAlignment = 256;

}  // namespace

Staging::Staging(Context& context, Stream& stream)
    : context_(context), stream_(stream), landing_(context) {}

Status Staging::open() {
  Status status = landing_.open(kPieceBytes);
  for (size_t i = 0; i < kNumPieces && status.is_ok(); i++) {
    Piece& piece = *ring_.emplace_back(std::make_unique<Piece>(context_));
    status = piece.memory.open(kPieceBytes);
    if (status.is_ok()) status = piece.read.open();
  }
  return status;
}

Status Staging::take(size_t bytes, u8** room) {
  if (used_bytes_ + bytes > kPieceBytes) {
    Status status = ring_[current_]->read.record(stream_);
    if (!status.is_ok()) return status;
    current_ = (current_ + 1) % kNumPieces;
    used_bytes_ = 0;
    status = ring_[current_]->read.synchronize();
    if (!status.is_ok()) return status;
  }
  *room = ring_[current_]->memory.data() + used_bytes_;
  used_bytes_ += (bytes + kAlignment - 1) / kAlignment * kAlignment;
  return Status::ok();
}

Status Staging::upload(void* destination, size_t bytes, size_t unit, const Fill& fill) {
  const size_t slice_bytes = kPieceBytes / unit * unit;
  for (size_t offset = 0; offset < bytes; offset += slice_bytes) {
    const size_t slice = std::min(slice_bytes, bytes - offset);
    u8* room = nullptr;
    Status status = take(slice, &room);
    if (!status.is_ok()) return status;
    fill(room, offset, slice);
    const auto to = reinterpret_cast<CuDevicePointer>(destination) + offset;
    status = context_.check(context_.driver().memcpy_htod_async(to, room, slice, stream_.handle()),
                            "cuMemcpyHtoDAsync");
    if (!status.is_ok()) return status;
  }
  return Status::ok();
}

Status Staging::upload(void* destination, const void* host, size_t bytes) {
  return upload(destination, bytes, 1, [host](u8* into, size_t offset, size_t slice) {
    std::memcpy(into, static_cast<const u8*>(host) + offset, slice);
  });
}

Status Staging::download(void* host, const void* source, size_t bytes) {
  for (size_t offset = 0; offset < bytes; offset += kPieceBytes) {
    const size_t slice = std::min(kPieceBytes, bytes - offset);
    const auto from = reinterpret_cast<CuDevicePointer>(source) + offset;
    Status status = context_.check(
        context_.driver().memcpy_dtoh_async(landing_.data(), from, slice, stream_.handle()),
        "cuMemcpyDtoHAsync");
    if (status.is_ok()) status = stream_.synchronize();
    if (!status.is_ok()) return status;
    std::memcpy(static_cast<u8*>(host) + offset, landing_.data(), slice);
  }
  return Status::ok();
}

}  // namespace cuda
