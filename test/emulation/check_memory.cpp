// The checking build's shadow of shared and device memory: what state each byte is in, who wrote
// and read it last, and what is wrong with an access.

#include "check_memory.h"

#include <link.h>
#include <sys/mman.h>
#include <unistd.h>

#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <set>
#include <string>

#include "check_order.h"
#include "device_region.h"
#include "runtime.h"

namespace emulation::check {
namespace {

// Of two neighbouring bytes. Accesses of one byte are not checked for races.
struct Cell {
  Event write;
  Event reads[2];  // by different threads
  u8 state[2];
  bool is_atomic;  // the write
};

enum State : u8 { kUnknown, kUninitialised, kInitialised, kInFlight };

constexpr size_t kBytesPerCell = 2;
constexpr int kMaxReports = 20;

Cell* map_cells(size_t bytes) {
  void* const mapped = mmap(nullptr, bytes / kBytesPerCell * sizeof(Cell), PROT_READ | PROT_WRITE,
                            MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
  if (mapped == MAP_FAILED) fault("no address space for the shadow of %zu bytes", bytes);
  return static_cast<Cell*>(mapped);
}

struct Shadow {
  char* arena = nullptr;
  Cell* arena_cells = nullptr;
  Cell* device_cells = nullptr;
  int num_reports = 0;
  std::set<std::pair<size_t, std::string>> reported;
};

Shadow& shadow() {
  static auto* const all = new Shadow();
  return *all;
}

bool is_shared(const char* place) {
  return size_t(place - shadow().arena) < kArenaBytes && shadow().arena != nullptr;
}

Cell* cell_of(const char* place) {
  Shadow& all = shadow();
  if (is_shared(place)) return all.arena_cells + (place - all.arena) / kBytesPerCell;
  const DeviceRange range = device_range();
  if (size_t(place - range.base) >= range.bytes) return nullptr;
  if (all.device_cells == nullptr) all.device_cells = map_cells(range.bytes);
  return all.device_cells + (place - range.base) / kBytesPerCell;
}

void print_line(size_t pc) {
  size_t base = 0;
  dl_iterate_phdr(
      [](dl_phdr_info* info, size_t, void* result) {
        *static_cast<size_t*>(result) = info->dlpi_addr;
        return 1;  // the first is the program
      },
      &base);
  char command[256];
  std::snprintf(
      command, sizeof command,
      "addr2line -e /proc/%d/exe -i -s 0x%zx 2>/dev/null | grep -v '^device.cuh' | head -4",
      int(getpid()), pc - base - 1);
  std::FILE* const lines = popen(command, "r");
  char line[256];
  while (lines != nullptr && std::fgets(line, sizeof line, lines) != nullptr) {
    std::fprintf(stderr, "    at %s", line);
  }
  if (lines != nullptr) pclose(lines);
}

struct Access {
  const char* data;
  size_t bytes;
  hooks::Access kind;
  bool is_atomic;
  const Thread* thread;
  size_t pc;          // or 0, and
  Location location;  // where the collective stands
};

bool is_write(const Access& access) {
  return access.kind == hooks::Access::kWrite || access.kind == hooks::Access::kCopyIssued;
}

void report(const Access& access, const char* problem, Event other) {
  Shadow& all = shadow();
  const size_t place = access.pc != 0 ? access.pc : size_t(access.location.line);
  if (!all.reported.emplace(place, problem).second) return;
  const Cta& cta = *access.thread->cta;
  const Index3& block = cta.grid.block_index;
  std::fflush(stdout);
  std::fprintf(stderr, "check: %s: %s%s of %zu bytes, ", problem, access.is_atomic ? "atomic " : "",
               is_write(access) ? "write" : "read", access.bytes);
  if (is_shared(access.data)) {
    std::fprintf(stderr, "shared memory %#zx", size_t(access.data - all.arena));
  } else {
    std::fprintf(stderr, "%s", describe_device_address(access.data).c_str());
  }
  std::fprintf(stderr, "\n    kernel %s, CTA %u,%u,%u, thread %u", cta.kernel->name, block.x,
               block.y, block.z, access.thread->id);
  if (other != 0) {
    std::fprintf(stderr, "; the other is thread %u of the launch's CTA number %u", thread_of(other),
                 ordering().launch_index(other));
  }
  std::fprintf(stderr, "\n");
  if (access.pc != 0) {
    print_line(access.pc);
  } else {
    std::fprintf(stderr, "    at %s:%d\n", access.location.file, access.location.line);
  }
  std::fflush(stderr);
  if (++all.num_reports >= kMaxReports) _exit(kFaultExitCode);
}

// A byte nobody has touched: of an allocation, or of none.
State resolve(u8 state, const char* byte) {
  if (state != kUnknown || is_shared(byte)) return State(state);
  return is_device_memory(byte, 1) ? kUninitialised : kUnknown;
}

// What is wrong with the bytes' state, or null.
const char* state_problem(const Access& access, const Cell& cell, const char* byte) {
  const State state = resolve(cell.state[size_t(byte) % kBytesPerCell], byte);
  if (state == kUnknown) return "out of bounds";
  if (state == kInFlight) return "an asynchronous copy is in flight";
  const bool reads = !is_write(access) || access.is_atomic;
  if (state == kUninitialised && reads) return "uninitialised";
  return nullptr;
}

const char* race(const Access& access, const Cell& cell, Event* other) {
  const Ordering& order = ordering();
  const u32 thread = access.thread->id;
  if (!(access.is_atomic && cell.is_atomic) && !order.is_before(cell.write, thread)) {
    *other = cell.write;
    return is_write(access) ? "race (write after write)" : "race (read after write)";
  }
  if (!is_write(access)) return nullptr;
  for (const Event read : cell.reads) {
    if (order.is_before(read, thread)) continue;
    *other = read;
    return "race (write after read)";
  }
  return nullptr;
}

void note(const Access& access, Cell* cell, Event now) {
  if (is_write(access)) {
    cell->write = now;
    cell->reads[0] = cell->reads[1] = 0;
    cell->is_atomic = access.is_atomic;
  } else if (!access.is_atomic) {
    if (cell->reads[0] >> 24 != now >> 24) cell->reads[1] = cell->reads[0];
    cell->reads[0] = now;
  }
}

void check_access(const Access& access) {
  const Event now = ordering().now(access.thread->id);
  const bool has_races = access.bytes > 1;
  const char* const end = access.data + access.bytes;
  for (const char* byte = access.data; byte < end; ++byte) {
    Cell* const cell = cell_of(byte);
    const size_t half = size_t(byte) % kBytesPerCell;
    Event other = 0;
    const char* problem = state_problem(access, *cell, byte);
    const bool is_first = half == 0 || byte == access.data;
    if (problem == nullptr && has_races && is_first) problem = race(access, *cell, &other);
    if (problem != nullptr) {
      report(access, problem, other);
      return;
    }
    if (is_write(access)) {
      cell->state[half] = access.kind == hooks::Access::kCopyIssued ? kInFlight : kInitialised;
    }
    if (has_races && is_first) note(access, cell, now);
  }
}

void land_copy(const char* data, size_t bytes, const Thread& thread) {
  const Event now = ordering().now(thread.id);
  for (const char* byte = data; byte < data + bytes; byte += kBytesPerCell) {
    *cell_of(byte) = {now, {0, 0}, {kInitialised, kInitialised}, false};
  }
}

bool is_within(const void* place, const void* start, size_t bytes) {
  return size_t(static_cast<const char*>(place) - static_cast<const char*>(start)) < bytes;
}

struct Segments {
  const char* begin;
  const char* end;
};

// The program's own image: constant tables are fine to read.
bool is_in_image(const void* place) {
  extern const char image_begin[] asm("__executable_start");
  extern const char image_end[] asm("_end");
  return is_within(place, image_begin, size_t(image_end - image_begin));
}

// Memory that is neither shared nor device memory, and that a GPU would have: the thread's own
// stack, its parameters, constants; and what the emulation itself keeps.
bool is_own_memory(const char* place, const Thread& thread) {
  if (is_within(place, thread.fiber.stack, thread.fiber.stack_bytes)) return true;
  if (is_within(place, &thread, sizeof thread)) return true;
  const Cta& cta = *thread.cta;
  if (is_within(place, &cta.grid, sizeof cta.grid)) return true;
  if (is_within(place, cta.params, cta.kernel->params_bytes)) return true;
  const char* const thread_pointer = static_cast<char*>(__builtin_thread_pointer());
  if (is_within(place, thread_pointer - (64 << 10), 64 << 10)) return true;
  return is_in_image(place);
}

void access_at(const Access& access) {
  if (cell_of(access.data) != nullptr) {
    check_access(access);
  } else if (!is_own_memory(access.data, *access.thread)) {
    report(access, "not memory of the GPU", 0);
  }
}

// The running thread of a kernel, or null.
const Thread* kernel_thread() {
  return current == nullptr || current == &current->cta->main ? nullptr : current;
}

}  // namespace

void kernel_access(const void* data, size_t bytes, bool is_write, size_t pc) {
  const Thread* const thread = kernel_thread();
  if (thread == nullptr) return;
  const hooks::Access kind = is_write ? hooks::Access::kWrite : hooks::Access::kRead;
  access_at({static_cast<const char*>(data), bytes, kind, false, thread, pc, {}});
}

void aligned_access(const void* data, size_t bytes, bool is_write, size_t pc) {
  const Thread* const thread = kernel_thread();
  if (size_t(data) % bytes != 0 && thread != nullptr) {
    const hooks::Access kind = is_write ? hooks::Access::kWrite : hooks::Access::kRead;
    report({static_cast<const char*>(data), bytes, kind, false, thread, pc, {}}, "misaligned", 0);
  }
  kernel_access(data, bytes, is_write, pc);
}

void kernel_atomic(const void* data, size_t bytes, bool is_write, size_t pc) {
  const Thread* const thread = kernel_thread();
  if (thread == nullptr) return;
  const hooks::Access kind = is_write ? hooks::Access::kWrite : hooks::Access::kRead;
  access_at({static_cast<const char*>(data), bytes, kind, true, thread, pc, {}});
  ordering().atomic(thread->id, data);
}

void kernel_fence() {
  if (const Thread* const thread = kernel_thread()) ordering().fence(thread->id);
}

}  // namespace emulation::check

namespace emulation {

u32 num_reports() { return u32(check::shadow().num_reports); }

}  // namespace emulation

namespace emulation::hooks {
namespace {

std::vector<u32>& meeting() {
  static std::vector<u32> threads;
  return threads;
}

}  // namespace

void begin_launch() { check::ordering().begin_launch(); }
void begin_cta(Cta& cta) { check::ordering().begin_cta(cta.num_threads); }
void begin_meeting() { meeting().clear(); }
void meet(const Thread& thread) { meeting().push_back(thread.id); }
void end_meeting() { check::ordering().meet(meeting()); }

void shared_region(char* arena, const void* data, size_t bytes, Region state) {
  check::Shadow& all = check::shadow();
  all.arena = arena;
  if (all.arena_cells == nullptr) all.arena_cells = check::map_cells(kArenaBytes);
  region(data, bytes, state);
}

void region(const void* data, size_t bytes, Region state) {
  const char* const begin = static_cast<const char*>(data);
  const u8 wanted = state == Region::kInitialised     ? check::kInitialised
                    : state == Region::kUninitialised ? check::kUninitialised
                                                      : check::kUnknown;
  for (const char* byte = begin; byte < begin + bytes; ++byte) {
    check::Cell* const cell = check::cell_of(byte);
    if (cell == nullptr) return;
    if (byte == begin || size_t(byte) % check::kBytesPerCell == 0) {
      cell->write = cell->reads[0] = cell->reads[1] = 0;
    }
    cell->state[size_t(byte) % check::kBytesPerCell] = wanted;
  }
}

void forget(const void* data, size_t bytes) {
  check::Cell* const begin = check::cell_of(static_cast<const char*>(data));
  const size_t cells = bytes / check::kBytesPerCell;
  constexpr size_t kPage = 4096;
  char* const from = reinterpret_cast<char*>((size_t(begin) + kPage - 1) / kPage * kPage);
  char* const to = reinterpret_cast<char*>(size_t(begin + cells) / kPage * kPage);
  if (to <= from) {
    std::memset(static_cast<void*>(begin), 0, cells * sizeof(check::Cell));
    return;
  }
  std::memset(static_cast<void*>(begin), 0, size_t(from - reinterpret_cast<char*>(begin)));
  madvise(from, size_t(to - from), MADV_DONTNEED);
  std::memset(to, 0, size_t(reinterpret_cast<char*>(begin + cells) - to));
}

void access(const void* data, size_t bytes, Access kind, const Thread& thread, Location location) {
  if (kind == Access::kCopyLanded) {
    check::land_copy(static_cast<const char*>(data), bytes, thread);
    return;
  }
  check::access_at({static_cast<const char*>(data), bytes, kind, false, &thread, 0, location});
}

}  // namespace emulation::hooks
