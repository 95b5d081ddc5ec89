// Read-only files, mapped by the operating system.

#include "mapped_file.h"

#include <fcntl.h>
#if defined(__GLIBC__)
#include <malloc.h>
#endif
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>

std::shared_ptr<MappedFile> MappedFile::open(const std::string& path, Status* status) {
  const auto refuse = [&](const char* what) {
    *status = Status::error("ERR_FILE_UNREADABLE", path + ": " + what);
    return nullptr;
  };
  const int descriptor = ::open(path.c_str(), O_RDONLY | O_CLOEXEC);
  if (descriptor < 0) return refuse(std::strerror(errno));
  struct stat info;
  if (fstat(descriptor, &info) != 0 || !S_ISREG(info.st_mode)) {
    ::close(descriptor);
    return refuse("is no regular file");
  }
  const size_t bytes = static_cast<size_t>(info.st_size);
  void* data = nullptr;
  if (bytes > 0) data = mmap(nullptr, bytes, PROT_READ, MAP_PRIVATE, descriptor, 0);
  const int error = errno;
  ::close(descriptor);
  if (data == MAP_FAILED) return refuse(std::strerror(error));
  return std::shared_ptr<MappedFile>(new MappedFile(static_cast<const u8*>(data), bytes));
}

void MappedFile::give_back(size_t offset, size_t bytes) const {
  const size_t page = static_cast<size_t>(sysconf(_SC_PAGESIZE));
  const size_t begin = (offset + page - 1) / page * page;
  const size_t end = (offset + bytes) / page * page;
  if (begin >= end) return;
  // Advice: without it the pages stay until somebody needs their memory.
  madvise(const_cast<u8*>(data_) + begin, end - begin, MADV_DONTNEED);
}

MappedFile::~MappedFile() {
  if (data_ != nullptr) munmap(const_cast<u8*>(data_), bytes_);
#if defined(__GLIBC__)
  // What was parsed and widened on the way has left free pieces in malloc's pools: 10 MiB and more.
  malloc_trim(0);
#endif
}
