#pragma once
// A whole file, mapped read-only; unmapped by whoever lets go last, on any thread.

#include <memory>
#include <string>

#include "../cuda/params.h"
#include "live_objects.h"
#include "status.h"

class MappedFile : public Counted<MappedFile> {
 public:
  // Null, and a status, when the file cannot be mapped.
  static std::shared_ptr<MappedFile> open(const std::string& path, Status* status);
  ~MappedFile();
  MappedFile(const MappedFile&) = delete;
  MappedFile& operator=(const MappedFile&) = delete;

  const u8* data() const { return data_; }  // null for an empty file
  size_t bytes() const { return bytes_; }

  // Gives the memory of whole pages in [offset, + bytes) back to the operating system; whoever reads
  // there again reads the file again.
  void give_back(size_t offset, size_t bytes) const;

 private:
  MappedFile(const u8* data, size_t bytes) : data_(data), bytes_(bytes) {}

  const u8* const data_;
  const size_t bytes_;
};
