// Kernel registry, launches, and the OS threads that run CTAs.

#include "runtime.h"

#include <xmmintrin.h>

#include <algorithm>
#include <atomic>
#include <condition_variable>
#include <cstdlib>
#include <map>
#include <memory>
#include <mutex>
#include <numeric>
#include <thread>

#include "cta_state.h"
#include "hooks.h"

namespace emulation {
namespace {

std::map<std::string, Kernel>& registry() {
  static auto* const kernels = new std::map<std::string, Kernel>();
  return *kernels;
}

struct Settings {
  Order order = Order::kAscending;
  u64 seed = 0;
  u32 num_threads = 1;
};

bool parse_order(const std::string& text, Settings* settings) {
  if (text == "a" || text == "d") {
    settings->order = text == "a" ? Order::kAscending : Order::kDescending;
    return true;
  }
  if (text.size() < 2 || text[0] != 'r') return false;
  if (text.find_first_not_of("0123456789", 1) != std::string::npos) return false;
  settings->order = Order::kRandom;
  settings->seed = std::strtoull(text.c_str() + 1, nullptr, 10);
  return true;
}

Settings initial_settings() {
  Settings settings;
  const char* const order = std::getenv("EMULATION_ORDER");
  if (order != nullptr && !parse_order(order, &settings)) {
    fault("EMULATION_ORDER is %s; expected a, d or r<seed>", order);
  }
  const char* const threads = std::getenv("EMULATION_THREADS");
  const int asked = threads != nullptr ? std::atoi(threads) : 0;
  settings.num_threads = asked > 0 ? u32(asked) : std::max(1u, std::thread::hardware_concurrency());
  return settings;
}

Settings& settings() {
  static Settings current_settings = initial_settings();
  return current_settings;
}

// CTAs of one launch; worker threads take them by a shared counter.
struct Work {
  Launch launch;
  u32 num_ctas;
  Order order;
  u64 seed;
  std::vector<u32> permutation;  // random order only
  std::atomic<u32> next{0};
};

u32 cta_at(const Work& work, u32 turn) {
  if (work.order == Order::kRandom) return work.permutation[turn];
  return work.order == Order::kDescending ? work.num_ctas - 1 - turn : turn;
}

void check_shared_bytes(const Cta& cta, const Launch& launch) {
  const size_t static_bytes = static_shared_bytes(cta);
  const size_t total = (static_bytes + 1023) / 1024 * 1024 + launch.shared_bytes;
  const bool has_dynamic = launch.shared_bytes != 0;
  if (static_bytes > (48 << 10) || (has_dynamic ? total : static_bytes) > launch.max_shared_bytes) {
    fault(
        "kernel %s needs %zu static and %u dynamic bytes of shared memory; a CTA has %u, 49152 "
        "of them static",
        cta.kernel->name, static_bytes, launch.shared_bytes, launch.max_shared_bytes);
  }
}

void run_ctas(Work& work) {
  // On the heap: a library that is opened at run time gets little thread-local memory.
  static thread_local const std::unique_ptr<Cta> own_cta(new Cta());
  Cta& cta = *own_cta;
  const u32 saved_rounding = _mm_getcsr();
  _mm_setcsr(0x1f80);  // a GPU keeps subnormals; our caller may not
  const Launch& launch = work.launch;
  cta.kernel = launch.kernel;
  cta.params = launch.params;
  cta.grid.block_dim = {launch.block[0], launch.block[1], launch.block[2]};
  cta.grid.grid_dim = {launch.grid[0], launch.grid[1], launch.grid[2]};
  for (;;) {
    const u32 turn = work.next.fetch_add(1);
    if (turn >= work.num_ctas) break;
    const u32 index = cta_at(work, turn);
    cta.linear_index = index;
    cta.grid.block_index = {index % launch.grid[0], index / launch.grid[0] % launch.grid[1],
                            index / launch.grid[0] / launch.grid[1]};
    cta.ready.reset(work.order, work.seed * 1000003 + index + 1);
    reset_shared_memory(cta, launch.shared_bytes);
    run_cta(cta);
    check_shared_bytes(cta, launch);
  }
  _mm_setcsr(saved_rounding);
}

// Threads beside the caller's; they live as long as the process.
class Pool {
 public:
  void run(Work& work, u32 num_helpers) {
    {
      std::lock_guard<std::mutex> lock(mutex_);
      while (num_threads_ < num_helpers) {
        const u32 index = num_threads_++;
        std::thread([this, index] { serve(index); }).detach();
      }
      work_ = &work;
      num_asked_ = num_busy_ = num_helpers;
      ++turn_;
    }
    wake_.notify_all();
    run_ctas(work);
    std::unique_lock<std::mutex> lock(mutex_);
    idle_.wait(lock, [this] { return num_busy_ == 0; });
  }

 private:
  void serve(u32 index) {
    u64 seen = 0;
    for (;;) {
      Work* work;
      {
        std::unique_lock<std::mutex> lock(mutex_);
        wake_.wait(lock, [&] { return turn_ != seen && num_busy_ > 0; });
        seen = turn_;
        if (index >= num_asked_) continue;
        work = work_;
      }
      run_ctas(*work);
      std::lock_guard<std::mutex> lock(mutex_);
      if (--num_busy_ == 0) idle_.notify_one();
    }
  }

  std::mutex mutex_;
  std::condition_variable wake_;
  std::condition_variable idle_;
  Work* work_ = nullptr;
  u32 num_threads_ = 0;
  u32 num_asked_ = 0;
  u32 num_busy_ = 0;
  u64 turn_ = 0;
};

const char* problem_of(const Launch& launch) {
  const u64 threads = u64(launch.block[0]) * launch.block[1] * launch.block[2];
  if (launch.kernel == nullptr) return "no kernel";
  if (launch.grid[0] == 0 || launch.grid[1] == 0 || launch.grid[2] == 0) return "an empty grid";
  if (launch.grid[0] > 0x7fffffffu || launch.grid[1] > 65535 || launch.grid[2] > 65535) {
    return "a grid past 2^31 - 1, 65535, 65535";
  }
  if (u64(launch.grid[0]) * launch.grid[1] * launch.grid[2] > 0xffffffffu) {
    return "more CTAs than the emulation can count";
  }
  if (threads == 0) return "a CTA without threads";
  if (threads > launch.kernel->max_threads) return "more threads than the kernel's launch bounds";
  if (launch.params_bytes != launch.kernel->params_bytes) {
    return "parameters of another size than the kernel's";
  }
  if (launch.shared_bytes > launch.max_shared_bytes) return "more shared memory than a CTA has";
  return nullptr;
}

}  // namespace

Registration::Registration(const Kernel& kernel) {
  if (!registry().emplace(kernel.name, kernel).second) {
    fault("two kernels are named %s", kernel.name);
  }
}

const Kernel* find_kernel(const std::string& name) {
  const auto found = registry().find(name);
  return found == registry().end() ? nullptr : &found->second;
}

std::vector<std::string> kernel_names() {
  std::vector<std::string> names;
  for (const auto& entry : registry()) names.push_back(entry.first);
  return names;
}

u32 params_bytes_of(const Kernel* kernel) { return kernel->params_bytes; }
u32 max_threads_of(const Kernel* kernel) { return kernel->max_threads; }

bool set_order(const std::string& order) { return parse_order(order, &settings()); }

std::string order_name() {
  if (settings().order == Order::kRandom) return "r" + std::to_string(settings().seed);
  return settings().order == Order::kDescending ? "d" : "a";
}

void set_num_threads(u32 num_threads) { settings().num_threads = std::max(1u, num_threads); }

const char* run(const Launch& launch) {
  const char* const problem = problem_of(launch);
  if (problem != nullptr) return problem;
  static auto* const one_at_a_time = new std::mutex();
  static auto* const pool = new Pool();
  static u64 num_launches = 0;
  std::lock_guard<std::mutex> lock(*one_at_a_time);

  Work work;
  // A copy, as the hardware makes one: aligned, and not the caller's to change.
  std::vector<unsigned long long> params((launch.params_bytes + 7) / 8);
  std::copy_n(static_cast<const char*>(launch.params), launch.params_bytes,
              reinterpret_cast<char*>(params.data()));
  work.launch = launch;
  work.launch.params = params.data();
  work.num_ctas = launch.grid[0] * launch.grid[1] * launch.grid[2];
  work.order = settings().order;
  work.seed = settings().seed + 7919 * num_launches++;
  if (work.order == Order::kRandom) {
    work.permutation.resize(work.num_ctas);
    std::iota(work.permutation.begin(), work.permutation.end(), 0u);
    u64 state = work.seed * 0x9e3779b97f4a7c15u + 1;
    for (u32 i = work.num_ctas; i > 1; --i) {
      state = state * 6364136223846793005u + 1442695040888963407u;
      std::swap(work.permutation[i - 1], work.permutation[(state >> 33) % i]);
    }
  }
  hooks::begin_launch();
#if defined(PA_EMULATION_CHECK)
  const u32 num_threads = 1;
#else
  const u32 num_threads = std::min(settings().num_threads, work.num_ctas);
#endif
  if (num_threads <= 1) {
    run_ctas(work);
  } else {
    pool->run(work, num_threads - 1);
  }
  return nullptr;
}

}  // namespace emulation
