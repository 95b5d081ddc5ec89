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
  base_clocks_.assign(num_threads, 0);
  base_facts_ = {};
  clocks_of_.assign(num_threads, Clocks(num_threads, 0));
  facts_of_.assign(num_threads, Facts());
}

bool Ordering::is_before(Event event, u32 thread) const {
  const u32 serial = cta_of(event);
  if (serial < first_serial_) return true;  // an earlier launch, or never
  const u32 other = thread_of(event);
  const u32 clock = clock_of(event);
  if (serial == serial_) {
    return other == thread || clock <= base_clocks_[other] || clock <= clocks_of_[thread][other];
  }
  for (const Known* known : {&base_facts_.known, &facts_of_[thread].known}) {
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

void Ordering::add(Facts* to, const Facts& from) {
  add(&to->known, from.known);
  add(&to->acquired, from.acquired);
  add(&to->released, from.released);
}

void Ordering::meet_all() {
  for (Facts& facts : facts_of_) {
    add(&base_facts_, facts);
    facts = {};
  }
  base_clocks_ = clocks_;
  for (u32& clock : clocks_) ++clock;
}

void Ordering::meet(const std::vector<u32>& threads) {
  if (threads.size() == clocks_.size()) {
    meet_all();
    return;
  }
  Clocks joined(clocks_.size(), 0);
  Facts facts;
  for (const u32 id : threads) {
    const Clocks& seen = clocks_of_[id];
    for (size_t i = 0; i < joined.size(); ++i) joined[i] = std::max(joined[i], seen[i]);
    joined[id] = std::max(joined[id], clocks_[id]);
    add(&facts, facts_of_[id]);
  }
  for (const u32 id : threads) {
    clocks_of_[id] = joined;
    facts_of_[id] = facts;
    ++clocks_[id];
  }
}

void Ordering::fence(u32 id) {
  Facts& facts = facts_of_[id];
  add(&facts.known, base_facts_.acquired);
  add(&facts.known, facts.acquired);
  facts.acquired.clear();

  Clocks visible(clocks_.size());
  for (size_t i = 0; i < visible.size(); ++i) {
    visible[i] = std::max(base_clocks_[i], clocks_of_[id][i]);
  }
  visible[id] = clocks_[id];
  ++clocks_[id];
  add(&facts.released, base_facts_.known);
  add(&facts.released, facts.known);
  add(&facts.released, serial_, std::make_shared<const Clocks>(std::move(visible)));
}

void Ordering::atomic(u32 id, const void* address) {
  Known& at_address = released_[address];
  add(&facts_of_[id].acquired, at_address);
  add(&at_address, base_facts_.released);
  add(&at_address, facts_of_[id].released);
}

}  // namespace emulation::check
