#pragma once
// An engine without JavaScript: jobs are waited for on the test's thread, which stands in for the
// JavaScript thread. And a small program with every kind of step tensor in it.

#include <condition_variable>
#include <mutex>
#include <unordered_set>

#include "../../addon/buffer_jobs.h"
#include "../../addon/engine.h"
#include "../../addon/program.h"

class TestEngine {
 public:
  explicit TestEngine(int num_threads = 2);

  // Queues a job to be waited for.
  template <class JobType>
  std::shared_ptr<JobType> submit(std::shared_ptr<JobType> job) {
    job->id = ++last_id_;
    engine.submit(job);
    return job;
  }
  // Waits until the engine or its transfer thread has reported the job.
  const Status& wait(const Job& job);
  // Queues a job, waits for it, and gives its status.
  Status run(std::shared_ptr<Job> job) { return wait(*submit(std::move(job))); }

  // A buffer with memory.
  std::shared_ptr<Buffer> buffer(size_t bytes);
  // Host memory for `count` blocks of a cache.
  std::shared_ptr<HostBlocks> host_blocks(const KvCache& cache, i32 count);
  // A buffer's bytes after all jobs queued so far.
  std::vector<u8> read(const std::shared_ptr<Buffer>& buffer);

 private:
  std::mutex mutex_;
  std::condition_variable reported_;
  std::unordered_set<u32> reported_ids_;
  u32 last_id_ = 0;

 public:
  Engine engine;  // last: its threads end before the rest goes
};

// One layer of paged attention between an embedding and logits, with random weights.
struct SmallProgram {
  static constexpr i32 kVocabSize = 32, kHeadDim = 16, kBlockSize = 8, kNumBlocks = 6;
  static constexpr i32 kHidden = 3 * kHeadDim;  // the embedding is the qkv row of one head
  static constexpr i32 kMaxPositions = 30;
  static constexpr ProgramLimits kLimits = {.max_tokens = 12,
                                            .max_seqs = 3,
                                            .max_logit_rows = 4,
                                            .max_table_rows = 3,
                                            .max_blocks_per_seq = 4,
                                            .max_copies = 3,
                                            .max_table_changes = 12,
                                            .vocab_size = kVocabSize,
                                            .num_sampling_slots = 3};

  explicit SmallProgram(TestEngine& test);

  std::shared_ptr<KvCache> cache;
  std::shared_ptr<Program> program;
};

// Words of a step of `SmallProgram`, named; all zeros and sources of -1 at first.
class StepWords {
 public:
  StepWords();

  i32& num_tokens() { return words_[0]; }
  i32& num_seqs() { return words_[1]; }
  i32& num_logit_rows() { return words_[2]; }
  i32& num_copies() { return words_[3]; }
  i32& num_table_changes() { return words_[4]; }
  i32* at(i32 section) { return words_.data() + section; }
  const i32* data() const { return words_.data(); }
  std::vector<i32>& words() { return words_; }

  static const StepSections& sections();

 private:
  std::vector<i32> words_;
};

// A step job with `words` copied in; null when the counts are refused.
std::shared_ptr<StepJob> make_step(const std::shared_ptr<Program>& program, StepWords& words);
