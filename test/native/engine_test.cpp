#include <cstring>

#include "backends.h"
#include "engine_fixture.h"
#include "values.h"

namespace {

const StepSections& sections() { return StepWords::sections(); }

// One sequence of `ids` from position 0 in blocks 1, 2; its last row draws from slot 0.
StepWords prompt_step(const std::vector<i32>& ids) {
  StepWords words;
  words.num_tokens() = i32(ids.size());
  words.num_seqs() = 1;
  words.num_logit_rows() = 1;
  words.num_table_changes() = 2;
  const StepSections& at = StepWords::sections();
  std::copy(ids.begin(), ids.end(), words.at(at.token_ids));
  words.at(at.query_start)[1] = i32(ids.size());
  words.at(at.context_lens)[0] = i32(ids.size());
  words.at(at.logit_rows)[0] = i32(ids.size()) - 1;
  const i32 changes[] = {0, 0, 1, 0, 1, 2};
  std::copy(std::begin(changes), std::end(changes), words.at(at.table_changes));
  return words;
}

i32 sample_of(const StepJob& job) {
  i32 sample;
  const ResultLayout layout(ResultShape{1, false, 0});
  std::memcpy(&sample, job.result.data() + layout.samples, sizeof sample);
  return sample;
}

const std::vector<i32> kPrompt = {3, 14, 15, 9, 26, 5, 30, 8, 9, 7};

}  // namespace

TEST("jobs run in the order they were submitted") {
  TestEngine test;
  const auto buffer = test.buffer(64);
  std::vector<std::shared_ptr<ReadJob>> reads;
  for (u8 byte = 0; byte < 50; byte++) {
    test.submit(std::make_shared<FillJob>(buffer, byte));
    reads.push_back(test.submit(std::make_shared<ReadJob>(buffer)));
  }
  for (u8 byte = 0; byte < 50; byte++) {
    check_ok(test.wait(*reads[byte]));
    CHECK(reads[byte]->result == std::vector<u8>(64, byte));
  }
}

TEST("memory goes back when the last holder lets go, and all of it at the end") {
  std::shared_ptr<Buffer> outlives;
  {
    TestEngine test;
    outlives = test.buffer(100);
    auto buffer = test.buffer(1000);
    CHECK_EQUAL(test.engine.memory().bytes_allocated(), size_t(1100));
    const auto read = test.submit(std::make_shared<ReadJob>(buffer));
    test.submit(std::make_shared<FreeJob>(std::move(buffer)));
    check_ok(test.wait(*read));
    check_ok(test.run(std::make_shared<MarkerJob>()));
    CHECK_EQUAL(test.engine.memory().bytes_allocated(), size_t(100));
  }
}

TEST("a buffer that was never allocated fails the jobs that use it, and no others") {
  TestEngine test;
  const auto huge = test.engine.memory().reserve(size_t(1) << 60);
  CHECK_EQUAL(std::string(test.run(std::make_shared<AllocateJob>(std::vector{huge})).code()),
              "ERR_OUT_OF_MEMORY");
  CHECK_EQUAL(std::string(test.run(std::make_shared<FillJob>(huge, u8(1))).code()),
              "ERR_OUT_OF_MEMORY");
  check_ok(test.run(std::make_shared<FillJob>(test.buffer(8), u8(1))));
}

TEST("a job that cannot wait runs between two that are queued") {
  TestEngine test;
  const auto buffer = test.buffer(1 << 20);
  for (int round = 0; round < 30; round++) {
    for (int i = 0; i < 5; i++) test.submit(std::make_shared<FillJob>(buffer, u8(i)));
    const auto urgent = test.engine.memory().reserve(64);
    AllocateJob job({urgent});
    check_ok(test.engine.run_now(job));
  }
  check_ok(test.run(std::make_shared<MarkerJob>()));
}

TEST("a step gives the same draw each time, and a failed one leaves the next alone") {
  TestEngine test;
  const SmallProgram small(test);
  StepWords words = prompt_step(kPrompt);
  const auto first = test.submit(make_step(small.program, words));
  check_ok(test.wait(*first));
  const i32 sample = sample_of(*first);
  CHECK(sample >= 0);

  StepWords bad = words;
  bad.at(sections().token_ids)[4] = SmallProgram::kVocabSize;
  const auto failed = test.submit(make_step(small.program, bad));
  const auto again = test.submit(make_step(small.program, words));
  CHECK_EQUAL(std::string(test.wait(*failed).code()), "ERR_TOKEN_OUT_OF_RANGE");
  check_ok(test.wait(*again));
  CHECK_EQUAL(sample_of(*again), sample);
  CHECK_EQUAL(test.engine.counters().steps_run.load(), u64(2));
}

TEST("random words in a step are refused or run, and touch nothing that is not theirs") {
  TestEngine test;
  const SmallProgram small(test);
  StepWords good = prompt_step(kPrompt);
  const auto first = test.submit(make_step(small.program, good));
  check_ok(test.wait(*first));
  const i32 sample = sample_of(*first);

  Random random(7);
  int num_run = 0, num_refused = 0;
  for (int round = 0; round < 3000; round++) {
    StepWords words = good;
    for (i32 spoiled = random.below(4); spoiled >= 0; spoiled--) {
      const size_t place = size_t(random.below(sections().length));
      const i32 kinds[] = {random.below(16), random.below(40) - 8, i32(random.next())};
      words.words()[place] = kinds[random.below(3)];
    }
    const auto job = make_step(small.program, words);
    const bool is_run = job != nullptr && test.run(job).is_ok();
    (is_run ? num_run : num_refused)++;
  }
  CHECK(num_run > 300);
  CHECK(num_refused > 300);
  const auto last = test.submit(make_step(small.program, good));
  check_ok(test.wait(*last));
  CHECK_EQUAL(sample_of(*last), sample);
}

TEST("a transfer to the host sees what was before it; what follows one to the device waits") {
  TestEngine test;
  const SmallProgram small(test);
  const auto host = test.host_blocks(*small.cache, 4);
  const auto transfer = [&](bool is_to_host) {
    const std::vector<i32> pairs = {1, 0, 2, 3};
    return test.submit(std::make_shared<TransferJob>(small.cache, host, pairs, is_to_host));
  };
  for (u8 round = 1; round < 40; round++) {
    test.submit(std::make_shared<FillJob>(small.cache->buffer, round));
    const auto out = transfer(true);
    check_ok(test.wait(*out));
    test.submit(std::make_shared<FillJob>(small.cache->buffer, u8(0xee)));
    const auto back = transfer(false);
    const std::vector<u8> bytes = test.read(small.cache->buffer);
    check_ok(test.wait(*back));
    CHECK_EQUAL(int(bytes[4096]), int(round));
    CHECK_EQUAL(int(bytes[3 * 4096 - 1]), int(round));
    CHECK_EQUAL(int(bytes[3 * 4096]), 0xee);
  }
}

TEST("an engine can be cancelled in the middle of steps and transfers, its buffers outliving it") {
  for (int round = 0; round < 20; round++) {
    std::shared_ptr<Program> program;
    std::shared_ptr<Buffer> buffer;
    {
      TestEngine test;
      const SmallProgram small(test);
      program = small.program;
      buffer = small.cache->buffer;
      StepWords words = prompt_step(kPrompt);
      const auto host = test.host_blocks(*small.cache, 4);
      const std::vector<i32> pairs = {1, 0, 2, 1, 3, 2};
      std::shared_ptr<Job> first;
      for (int i = 0; i < 30; i++) {
        const auto step = test.submit(make_step(program, words));
        if (first == nullptr) first = step;
        test.submit(std::make_shared<TransferJob>(small.cache, host, pairs, i % 2 == 0));
      }
      if (round % 2 == 1) test.wait(*first);
      test.engine.cancel();
      CHECK_EQUAL(std::string(test.run(std::make_shared<MarkerJob>()).code()), "ERR_CLOSED");
    }
  }
}

TEST("closing runs what is queued, then reports that everything is freed") {
  TestEngine test;
  const auto buffer = test.buffer(16);
  const auto fill = test.submit(std::make_shared<FillJob>(buffer, u8(3)));
  const auto read = test.submit(std::make_shared<ReadJob>(buffer));
  const auto closed = std::make_shared<MarkerJob>();
  closed->id = 1u << 30;
  test.engine.close(closed);
  check_ok(test.wait(*closed));
  check_ok(fill->status);
  CHECK(read->result == std::vector<u8>(16, 3));
  CHECK_EQUAL(test.engine.memory().bytes_allocated(), size_t(0));
  CHECK_EQUAL(std::string(test.run(std::make_shared<MarkerJob>()).code()), "ERR_CLOSED");
  test.engine.join();
}
