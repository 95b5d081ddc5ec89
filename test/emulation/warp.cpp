// Warp collectives: lanes of a mask meet, the last to arrive runs the operation for all.

#include <cstring>

#include "cta_state.h"
#include "hooks.h"

namespace emulation {

bool is_same(const Location& a, const Location& b) {
  return a.line == b.line && (a.file == b.file || std::strcmp(a.file, b.file) == 0);
}

void wake_lanes(Warp& warp, u32 mask) {
  ReadyQueue& ready = current->cta->ready;
  if (ready.order() == Order::kRandom) {
    for (u32 rest = mask; rest != 0; rest &= rest - 1) {
      ready.push_back(warp.lanes[__builtin_ctz(rest)]);
    }
    return;
  }
  // At the front, so that a warp goes on while its stacks are in the cache.
  const bool is_descending = ready.order() == Order::kDescending;
  for (u32 i = 0; i < kNumLanes; ++i) {
    const u32 lane = is_descending ? i : kNumLanes - 1 - i;
    if (mask >> lane & 1) ready.push_front(warp.lanes[lane]);
  }
}

namespace {

void check_mask(const Warp& warp, u32 mask, const char* what, Location location) {
  if (!(mask >> current->lane & 1)) {
    fault("%s at %s:%d: mask %08x does not name the calling lane %u", what, location.file,
          location.line, mask, current->lane);
  }
  if (mask & ~warp.present) {
    fault("%s at %s:%d: mask %08x names lanes that do not exist; the warp has %08x", what,
          location.file, location.line, mask, warp.present);
  }
  if (mask & ~warp.alive) {
    fault("%s at %s:%d: mask %08x names lanes that have exited; %08x have not", what, location.file,
          location.line, mask, warp.alive);
  }
}

bool is_met_by(const Rendezvous& open, WarpOperation operation, Location location) {
  return open.operation == operation && is_same(open.location, location);
}

__attribute__((noinline)) Rendezvous& join(Warp& warp, u32 mask, WarpOperation operation,
                                           const char* what, Location location) {
  check_mask(warp, mask, what, location);
  for (u32 i = 0; i < warp.num_open; ++i) {
    Rendezvous& open = warp.open[i];
    if (open.mask != mask) continue;
    if (!is_met_by(open, operation, location)) {
      fault("divergent warp collective (mask %08x): %s at %s:%d, %s at %s:%d", mask, open.what,
            open.location.file, open.location.line, what, location.file, location.line);
    }
    return open;
  }
  Rendezvous& fresh = warp.open[warp.num_open++];
  fresh = {mask, 0, operation, what, location};
  return fresh;
}

}  // namespace

void collective(u32 mask, WarpOperation operation, void* arguments, const char* what,
                Location location) {
  Thread& self = *current;
  Warp& warp = *self.warp;
  const u32 lane_bit = 1u << self.lane;
  Rendezvous* meeting = &warp.open[0];
  if (warp.num_open != 1 || meeting->mask != mask || !(mask & lane_bit) ||
      meeting->operation != operation || meeting->location.line != location.line ||
      meeting->location.file != location.file) {
    meeting = &join(warp, mask, operation, what, location);
  }
  self.waiting_in = what;
  self.waiting_at = location;
  warp.arguments[self.lane] = arguments;
  meeting->arrived |= lane_bit;
  if (meeting->arrived == mask) {
    *meeting = warp.open[--warp.num_open];
    operation(warp, mask);
    wake_lanes(warp, mask);
  }
  yield();
}

void leave_warp(Thread& thread) {
  Warp& warp = *thread.warp;
  warp.alive &= ~(1u << thread.lane);
  for (u32 i = 0; i < warp.num_open; ++i) {
    const Rendezvous& open = warp.open[i];
    if (open.mask >> thread.lane & 1) {
      fault("lane %u exits; %s at %s:%d waits for it (mask %08x)", thread.lane, open.what,
            open.location.file, open.location.line, open.mask);
    }
  }
}

namespace {

template <class T>
void run_shuffle(Warp& warp, u32 mask) {
  for (u32 rest = mask; rest != 0; rest &= rest - 1) {
    Shuffle& lane = *static_cast<Shuffle*>(warp.arguments[__builtin_ctz(rest)]);
    lane.before = *static_cast<const T*>(lane.value);
  }
  for (u32 rest = mask; rest != 0; rest &= rest - 1) {
    Shuffle& lane = *static_cast<Shuffle*>(warp.arguments[__builtin_ctz(rest)]);
    if (!(mask >> lane.source & 1)) {
      fault("%s:%d: shuffle from lane %u, which mask %08x does not name", current->waiting_at.file,
            current->waiting_at.line, lane.source, mask);
    }
    const Shuffle& source = *static_cast<const Shuffle*>(warp.arguments[lane.source]);
    *static_cast<T*>(lane.value) = static_cast<T>(source.before);
  }
}

}  // namespace

void shuffle_words(Warp& warp, u32 mask) { run_shuffle<u32>(warp, mask); }
void shuffle_double_words(Warp& warp, u32 mask) { run_shuffle<u64>(warp, mask); }

void count_votes(Warp& warp, u32 mask) {
  u32 votes = 0;
  for (u32 rest = mask; rest != 0; rest &= rest - 1) {
    const u32 lane = u32(__builtin_ctz(rest));
    if (*static_cast<const u32*>(warp.arguments[lane]) != 0) votes |= 1u << lane;
  }
  for (u32 rest = mask; rest != 0; rest &= rest - 1) {
    *static_cast<u32*>(warp.arguments[__builtin_ctz(rest)]) = votes;
  }
}

namespace {

void run_sync(Warp& warp, u32 mask) {
  hooks::begin_meeting();
  for (u32 rest = mask; rest != 0; rest &= rest - 1) hooks::meet(*warp.lanes[__builtin_ctz(rest)]);
  hooks::end_meeting();
}

}  // namespace

void sync_lanes(u32 mask, Location location) {
  collective(mask, run_sync, nullptr, "sync_warp", location);
}

}  // namespace emulation
