#include "check_order.h"

#include <algorithm>

namespace emulation::check {

Ordering& ordering() {
  static auto* const order = new Ordering();
  return *order;
}

void Ordering::begin_launch() {
  first_serial_ = serial_ + 1;
  released_.clear();
}

void Ordering::begin_cta(u32 num_threads) {
  ++serial_;
  clocks_.assign(num_threads, 1);
  base_.assign(num_threads, 0);
  base_known_.clear();
  private_.resize(num_threads);
  for (Private& thread : private_) {
    thread.seen.assign(num_threads, 0);
    thread.known.clear();
    thread.acquired.clear();
    thread.released.clear();
  }
}

bool Ordering::is_before(Event event, u32 thread) const {
  const u32 serial = cta_of(event);
  if (serial < first_serial_) return true;  // an earlier launch, or never
  const u32 other = thread_of(event);
  const u32 clock = clock_of(event);
  if (serial == serial_) {
    return other == thread || clock <= base_[other] || clock <= private_[thread].seen[other];
  }
  for (const Known* known : {&base_known_, &private_[thread].known}) {
    const auto found = known->find(serial);
    if (found != known->end() && clock <= (*found->second)[other]) return true;
  }
  return false;
}

void Ordering::add(Known* to, u32 serial, const std::shared_ptr<const Clocks>& clocks) {
  std::shared_ptr<const Clocks>& place = (*to)[serial];
  if (place == nullptr) {
    place = clocks;
    return;
  }
  if (place == clocks) return;
  Clocks joined = *place;
  for (size_t i = 0; i < joined.size(); ++i) joined[i] = std::max(joined[i], (*clocks)[i]);
  place = std::make_shared<const Clocks>(std::move(joined));
}

void Ordering::add(Known* to, const Known& from) {
  for (const auto& [serial, clocks] : from) add(to, serial, clocks);
}

void Ordering::meet_all() {
  for (Private& thread : private_) {
    add(&base_known_, thread.known);
    thread.known.clear();
  }
  base_ = clocks_;
  for (u32& clock : clocks_) ++clock;
}

void Ordering::meet(const std::vector<u32>& threads) {
  if (threads.size() == clocks_.size()) {
    meet_all();
    return;
  }
  Clocks joined(clocks_.size(), 0);
  Known known;
  for (const u32 id : threads) {
    const Private& thread = private_[id];
    for (size_t i = 0; i < joined.size(); ++i) joined[i] = std::max(joined[i], thread.seen[i]);
    joined[id] = std::max(joined[id], clocks_[id]);
    add(&known, thread.known);
  }
  for (const u32 id : threads) {
    private_[id].seen = joined;
    private_[id].known = known;
    ++clocks_[id];
  }
}

void Ordering::fence(u32 id) {
  Private& thread = private_[id];
  add(&thread.known, thread.acquired);
  thread.acquired.clear();

  Clocks visible(clocks_.size());
  for (size_t i = 0; i < visible.size(); ++i) visible[i] = std::max(base_[i], thread.seen[i]);
  visible[id] = clocks_[id];
  ++clocks_[id];
  thread.released = base_known_;
  add(&thread.released, thread.known);
  add(&thread.released, serial_, std::make_shared<const Clocks>(std::move(visible)));
}

void Ordering::atomic(u32 id, const void* address) {
  Known& at_address = released_[address];
  add(&private_[id].acquired, at_address);
  add(&at_address, private_[id].released);
}

}  // namespace emulation::check
