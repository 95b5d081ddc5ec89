#pragma once
// Moves whole blocks between a KV cache and host memory beside the steps, on a thread of its own
// that starts with the first transfer. The order with the steps is kept by the engine: a transfer
// is handed over when its turn in the queue comes, and jobs after a write to the device wait for
// it.

#include <condition_variable>
#include <deque>
#include <memory>
#include <mutex>
#include <thread>
#include <vector>

#include "job.h"
#include "kv_cache.h"

class TransferJob final : public Job {
 public:
  TransferJob(std::shared_ptr<KvCache> cache, std::shared_ptr<HostBlocks> host,
              std::vector<i32> pairs, bool is_to_host);
  Status run(Engine& engine) override;
  void let_go() override;
  bool is_handed_over() const override { return true; }

  bool is_to_host() const { return is_to_host_; }
  // Transfer thread. Moves the blocks; stops early when the engine is cancelled.
  Status move_blocks(Engine& engine);

 private:
  std::shared_ptr<KvCache> cache_;
  std::shared_ptr<HostBlocks> host_;
  std::vector<i32> pairs_;  // block, host block
  const bool is_to_host_;
};

// Engine thread, but for the loop itself.
class TransferThread {
 public:
  explicit TransferThread(Engine& engine) : engine_(engine) {}

  void submit(std::shared_ptr<TransferJob> job);
  // Waits until nothing that was submitted will write to the device any more.
  void wait_for_writes();
  // Ends the thread after what was submitted; joins.
  void stop();

 private:
  void loop();

  Engine& engine_;
  std::mutex mutex_;
  std::condition_variable wake_;
  std::condition_variable writes_done_;
  std::deque<std::shared_ptr<TransferJob>> queue_;  // guarded by mutex_
  int num_pending_writes_ = 0;                      // guarded by mutex_
  bool is_stopping_ = false;                        // guarded by mutex_
  std::thread thread_;
};
