#pragma once
// Bytes between pageable host memory and the GPU by way of pinned memory: the caller's memory is
// free again when a call returns, and no piece of pinned memory is written while the GPU may read
// it.

#include <functional>

#include "device_memory.h"

namespace cuda {

// Engine thread. Uploads go through a ring of pieces: the place of each is marked in the stream
// when it is full, and waited for before it is filled again.
class Staging {
 public:
  Staging(Context& context, Stream& stream);

  Status open();

  // Writes `bytes` bytes into the pinned memory `into`, from byte `offset` of what is uploaded.
  using Fill = std::function<void(u8* into, size_t offset, size_t bytes)>;

  // Queues an upload of `bytes` to `destination`, a multiple of `unit` at a time (kMaxUnit at
  // most).
  Status upload(void* destination, size_t bytes, size_t unit, const Fill& fill);
  Status upload(void* destination, const void* host, size_t bytes);
  // Waits for the stream; the bytes are there when it returns.
  Status download(void* host, const void* source, size_t bytes);

  static constexpr size_t kPieceBytes = size_t{4} << 20;
  static constexpr size_t kMaxUnit = kPieceBytes;

 private:
  struct Piece {
    explicit Piece(Context& context) : memory(context), read(context) {}
    PinnedMemory memory;
    Event read;  // the GPU has read it
  };

  // Room for `bytes` in the current piece, or in the next one once the GPU has read that.
  Status take(size_t bytes, u8** room);

  static constexpr size_t kNumPieces = 3;  // one filling, one on its way, one to spare

  Context& context_;
  Stream& stream_;
  std::vector<std::unique_ptr<Piece>> ring_;
  size_t current_ = 0;
  size_t used_bytes_ = 0;  // of the current piece
  PinnedMemory landing_;   // of downloads, kPieceBytes
};

}  // namespace cuda
