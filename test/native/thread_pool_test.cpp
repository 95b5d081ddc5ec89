#include "../../addon/cpu/thread_pool.h"

#include <chrono>
#include <numeric>

#include "../../addon/cpu/float_mode.h"
#include "backends.h"
#include "check.h"
#include "values.h"

TEST("parallelFor calls the body once per item, whatever the number of items and threads") {
  for (const int threads : {1, 2, 3, 8}) {
    cpu::ThreadPool pool(threads);
    CHECK_EQUAL(pool.num_threads(), threads);
    for (const i64 num_items : {0, 1, 2, 3, 17, 1000}) {
      std::vector<int> calls(size_t(num_items), 0);
      std::vector<int> workers(size_t(num_items), -1);
      pool.parallel_for(num_items, [&](i64 item, int worker) {
        calls[size_t(item)] += 1;
        workers[size_t(item)] = worker;
      });
      for (size_t i = 0; i < calls.size(); ++i) {
        CHECK_EQUAL(calls[i], 1);
        CHECK(workers[i] >= 0 && workers[i] < threads);
      }
    }
  }
}

TEST("many small jobs in a row see each other's writes") {
  cpu::ThreadPool pool(3);
  std::vector<i64> values(7, 0);
  for (i64 round = 1; round <= 20000; ++round) {
    pool.parallel_for(7, [&](i64 item, int) { values[size_t((item + round) % 7)] += item; });
  }
  const i64 sum = std::accumulate(values.begin(), values.end(), i64(0));
  CHECK_EQUAL(sum, i64(20000) * (0 + 1 + 2 + 3 + 4 + 5 + 6));
}

TEST("workers that have parked take part again, and a pool goes away in any state") {
  for (int round = 0; round < 30; ++round) {
    cpu::ThreadPool pool(1 + round % 4);
    if (round % 3 == 0) continue;
    std::atomic<int> calls{0};
    pool.parallel_for(10, [&](i64, int) { calls += 1; });
    if (round % 5 == 0) std::this_thread::sleep_for(std::chrono::milliseconds(3));
    pool.parallel_for(10, [&](i64, int) { calls += 1; });
    CHECK_EQUAL(calls.load(), 20);
  }
}

#if defined(__SSE2__)
TEST("ops run with denormals flushed on every thread and leave the caller's mode as it was") {
  const u32 before = _mm_getcsr();
  // With FTZ unset a tiny product would stay: the rows of all threads must agree on zero.
  std::vector<f32> x(4096 * 64, 1e-30f);
  for (const OpenBackend& open : all_backends()) {
    std::fill(x.begin(), x.end(), 1e-30f);
    check_ok(open.backend->scale({.x = x.data(), .operand = 1e-10f, .num_rows = 4096, .dim = 64}));
    for (const f32 value : x) {
      if (cpu::f32_bits(value) != 0) return check::fail(__FILE__, __LINE__, open.label);
    }
  }
  CHECK_EQUAL(_mm_getcsr(), before);
}
#endif
