// Runs one CTA: which thread goes on, barriers, and what may go wrong with them.

#include <algorithm>
#include <cstdlib>
#include <map>
#include <string>

#include "cta_state.h"
#include "hooks.h"

namespace emulation {

__thread Thread* current = nullptr;

void ReadyQueue::reset(Order order, u64 seed) {
  order_ = order;
  state_ = seed * 0x9e3779b97f4a7c15u | 1;
  begin_ = end_ = kCapacity;
}

void ReadyQueue::move_random_to_front() {
  state_ ^= state_ << 13;
  state_ ^= state_ >> 7;
  state_ ^= state_ << 17;
  const u32 pick = begin_ + u32((state_ >> 32) * (end_ - begin_) >> 32);
  std::swap(slots_[begin_ % kCapacity], slots_[pick % kCapacity]);
}

Cta::Cta() : main(), arena(nullptr) { main.cta = this; }

Cta::~Cta() {
  for (Thread* thread : threads) {
    destroy_fiber(&thread->fiber);
    std::free(thread->copies);
    delete thread;
  }
  release_shared_memory(*this);
}

namespace {

// A fiber is one of the CTA's threads again and again, in one CTA after the other.
void run_threads() {
  begin_fiber();
  for (;;) {
    Thread& self = *current;
    Cta& cta = *self.cta;
    cta.kernel->body(cta.params);
    self.is_done = true;
    --cta.num_alive;
    discard_copies(self);
    leave_warp(self);
    for (u32 id = 0; id < kNumBarriers; ++id) complete_barrier_if_met(cta, id);
    yield();
  }
}

void start_threads(Cta& cta) {
  const Index3& dim = cta.grid.block_dim;
  cta.num_threads = cta.num_alive = dim.x * dim.y * dim.z;
  while (cta.threads.size() < cta.num_threads) {
    Thread* const thread = new Thread();
    create_fiber(&thread->fiber, u32(cta.threads.size()), run_threads);
    cta.threads.push_back(thread);
  }
  cta.warps.resize((cta.num_threads + kNumLanes - 1) / kNumLanes);
  for (Warp& warp : cta.warps) warp.present = warp.alive = warp.num_open = 0;
  for (u32 id = 0; id < cta.num_threads; ++id) {
    Thread& thread = *cta.threads[id];
    thread.index = {id % dim.x, id / dim.x % dim.y, id / dim.x / dim.y};
    thread.grid = &cta.grid;
    thread.arena = cta.arena;
    thread.id = id;
    thread.lane = id % kNumLanes;
    thread.cta = &cta;
    thread.warp = &cta.warps[id / kNumLanes];
    thread.is_done = false;
    thread.barrier = -1;
    thread.first_copy = thread.end_copy = thread.copy_group = 0;
    thread.warp->lanes[thread.lane] = &thread;
    thread.warp->present |= 1u << thread.lane;
    thread.warp->alive |= 1u << thread.lane;
  }
  const bool is_descending = cta.ready.order() == Order::kDescending;
  for (u32 i = 0; i < cta.num_threads; ++i) {
    cta.ready.push_back(cta.threads[is_descending ? cta.num_threads - 1 - i : i]);
  }
}

[[noreturn]] void report_deadlock(const Cta& cta) {
  std::map<std::string, int> waiting;
  for (u32 id = 0; id < cta.num_threads; ++id) {
    const Thread& thread = *cta.threads[id];
    if (thread.is_done) continue;
    ++waiting[std::string(thread.waiting_in) + " at " + thread.waiting_at.file + ":" +
              std::to_string(thread.waiting_at.line)];
  }
  std::string lines;
  for (const auto& [place, count] : waiting) {
    lines += "\n  " + std::to_string(count) + " threads wait in " + place;
  }
  fault("deadlock: %u of %u threads have exited, none can go on%s", cta.num_threads - cta.num_alive,
        cta.num_threads, lines.c_str());
}

}  // namespace

void run_cta(Cta& cta) {
  Thread* const caller = current;
  current = &cta.main;
  for (Barrier& barrier : cta.barriers) barrier = {};
  start_threads(cta);
  hooks::begin_cta(cta);
  yield();
  if (cta.num_alive != 0) report_deadlock(cta);
  check_redzones(cta);
  current = caller;
}

void complete_barrier_if_met(Cta& cta, u32 id) {
  Barrier& barrier = cta.barriers[id];
  const u32 needed = barrier.num_needed != 0 ? barrier.num_needed : cta.num_alive;
  if (barrier.num_arrived == 0 || barrier.num_arrived < needed) return;
  barrier.num_arrived = 0;
  hooks::begin_meeting();
  const bool is_descending = cta.ready.order() == Order::kDescending;
  for (u32 i = 0; i < cta.num_threads; ++i) {
    Thread* const thread = cta.threads[is_descending ? cta.num_threads - 1 - i : i];
    if (thread->barrier != i32(id)) continue;
    thread->barrier = -1;
    thread->vote = barrier.vote;
    hooks::meet(*thread);
    cta.ready.push_back(thread);
  }
  hooks::end_meeting();
}

namespace {

void wait_at(u32 id, u32 num_threads, Location location, const char* what) {
  Thread& self = *current;
  Cta& cta = *self.cta;
  if (id >= kNumBarriers || num_threads % kNumLanes != 0 || num_threads > cta.num_threads) {
    fault("%s:%d: barrier %u of %u threads in a CTA of %u", location.file, location.line, id,
          num_threads, cta.num_threads);
  }
  Barrier& barrier = cta.barriers[id];
  if (barrier.num_arrived == 0) {
    barrier.location = location;
    barrier.num_needed = num_threads;
    barrier.vote = false;
  } else if (barrier.num_needed != num_threads ||
             (id == 0 && !is_same(barrier.location, location))) {
    fault("divergent barrier %u: %s:%d for %u threads, %s:%d for %u", id, barrier.location.file,
          barrier.location.line, barrier.num_needed, location.file, location.line, num_threads);
  }
  self.waiting_in = what;
  self.waiting_at = location;
  self.barrier = i32(id);
  ++barrier.num_arrived;
}

}  // namespace

void barrier(u32 id, u32 num_threads, Location location) {
  const bool is_named = num_threads != 0;
  if (is_named == (id == 0)) {
    fault("%s:%d: named barriers have ids 1 … 15 and threads", location.file, location.line);
  }
  wait_at(id, num_threads, location, is_named ? "named_barrier" : "sync_cta");
  complete_barrier_if_met(*current->cta, id);
  yield();
}

bool barrier_or(bool condition, Location location) {
  Cta& cta = *current->cta;
  wait_at(0, 0, location, "sync_cta_or");
  cta.barriers[0].vote |= condition;
  complete_barrier_if_met(cta, 0);
  yield();
  return current->vote;
}

}  // namespace emulation
