// Captures calls, replays them between two events, and gives quantiles over rounds.

#include <dlfcn.h>

#include <algorithm>
#include <chrono>

#include "gpu.h"

namespace bench {
namespace {

constexpr int kRounds = 7;

// The elapsed time between events is of no use to the addon, so its driver table lacks it.
using EventElapsedTime = cuda::CuResult (*)(float* ms, cuda::CuEvent start, cuda::CuEvent end);

class EventPair {
 public:
  explicit EventPair(Gpu& gpu) : gpu_(gpu), driver_(gpu.context().driver()) {
    for (const char* name : {"cuEventElapsedTime_v2", "cuEventElapsedTime"}) {
      if (elapsed_ == nullptr) {
        elapsed_ = reinterpret_cast<EventElapsedTime>(dlsym(driver_.handle, name));
      }
    }
    check(driver_.event_create(&start_, 0), "cuEventCreate");
    check(driver_.event_create(&end_, 0), "cuEventCreate");
  }
  ~EventPair() {
    driver_.event_destroy(start_);
    driver_.event_destroy(end_);
  }
  EventPair(const EventPair&) = delete;
  EventPair& operator=(const EventPair&) = delete;

  // False for an emulated driver: times mean nothing then.
  bool is_device_clock() const { return elapsed_ != nullptr; }

  // Milliseconds that the device took for what `queue` queues; by the host's clock where the driver
  // has none.
  template <class Queue>
  double time(Queue&& queue) {
    gpu_.synchronize();
    const auto before = std::chrono::steady_clock::now();
    check(driver_.event_record(start_, gpu_.stream().handle()), "cuEventRecord");
    queue();
    check(driver_.event_record(end_, gpu_.stream().handle()), "cuEventRecord");
    gpu_.synchronize();
    float ms = 0;
    if (elapsed_ != nullptr) {
      check(elapsed_(&ms, start_, end_), "cuEventElapsedTime");
      return double(ms);
    }
    const auto after = std::chrono::steady_clock::now();
    return std::chrono::duration<double, std::milli>(after - before).count();
  }

 private:
  void check(cuda::CuResult result, const char* call) {
    require(gpu_.context().check(result, call));
  }

  Gpu& gpu_;
  const cuda::Driver& driver_;
  EventElapsedTime elapsed_ = nullptr;
  cuda::CuEvent start_ = nullptr;
  cuda::CuEvent end_ = nullptr;
};

class CapturedCalls {
 public:
  CapturedCalls(Gpu& gpu, const std::vector<std::function<Status()>>& calls, int repeats)
      : gpu_(gpu), driver_(gpu.context().driver()) {
    const cuda::CuStream stream = gpu.stream().handle();
    check(driver_.stream_begin_capture(stream, cuda::kCuCaptureThreadLocal),
          "cuStreamBeginCapture");
    for (int i = 0; i < repeats; i++) {
      for (const auto& call : calls) require(call());
    }
    cuda::CuGraph graph = nullptr;
    check(driver_.stream_end_capture(stream, &graph), "cuStreamEndCapture");
    check(driver_.graph_instantiate(&exec_, graph, 0), "cuGraphInstantiateWithFlags");
    driver_.graph_destroy(graph);
  }
  ~CapturedCalls() { driver_.graph_exec_destroy(exec_); }
  CapturedCalls(const CapturedCalls&) = delete;
  CapturedCalls& operator=(const CapturedCalls&) = delete;

  void replay() { check(driver_.graph_launch(exec_, gpu_.stream().handle()), "cuGraphLaunch"); }

 private:
  void check(cuda::CuResult result, const char* call) {
    require(gpu_.context().check(result, call));
  }

  Gpu& gpu_;
  const cuda::Driver& driver_;
  cuda::CuGraphExec exec_ = nullptr;
};

}  // namespace

Times time_calls(Gpu& gpu, const std::vector<std::function<Status()>>& calls, int min_calls) {
  EventPair events(gpu);
  const int num_calls = static_cast<int>(calls.size());
  const int repeats = events.is_device_clock() ? (min_calls + num_calls - 1) / num_calls : 1;
  const int rounds = events.is_device_clock() ? kRounds : 1;
  CapturedCalls captured(gpu, calls, repeats);
  events.time([&] { captured.replay(); });
  std::vector<double> us;
  for (int round = 0; round < rounds; round++) {
    us.push_back(events.time([&] { captured.replay(); }) * 1000 / (repeats * num_calls));
  }
  std::sort(us.begin(), us.end());
  return {us[us.size() / 2], us.front(), us.back()};
}

}  // namespace bench
