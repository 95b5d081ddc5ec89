#include "../../../cuda/matmul_params.h"
#include "run_op.h"

namespace {

using emulation::DeviceArray;
using emulation::DeviceFloats;
using emulation::run_op;

// A table as packed weights lie: rows of a whole pitch, zeros after `hidden`.
std::vector<f32> random_table(Random& random, i32 vocab_size, i32 hidden) {
  const size_t pitch = size_t(matmul_weight_pitch(hidden));
  std::vector<f32> table(pitch * size_t(vocab_size), 0.0f);
  for (i32 id = 0; id < vocab_size; ++id) {
    for (i32 i = 0; i < hidden; ++i) table[size_t(id) * pitch + size_t(i)] = random.uniform();
  }
  return table;
}

// Rows that no token names are poison.
void check_embed(Random& random, DType dtype, i32 num_tokens, i32 hidden, bool has_vectors,
                 f32 poison) {
  const check::Case description(check::text(dtype_name(dtype), ", ", num_tokens, " tokens of ",
                                            hidden, has_vectors ? ", vectors" : ""));
  constexpr i32 kVocabSize = 50;
  constexpr i32 kNumVectors = 6;
  const size_t pitch = size_t(matmul_weight_pitch(hidden));
  std::vector<f32> table = random_table(random, kVocabSize, hidden);
  std::vector<f32> vectors = random.uniforms(size_t(kNumVectors) * size_t(hidden));
  for (i32 id = 0; id < kVocabSize; id += 2) {
    std::fill_n(table.begin() + i64(pitch) * id, hidden, poison);
  }
  std::fill_n(vectors.end() - hidden, hidden, poison);

  std::vector<i32> ids, vector_rows;
  for (i32 t = 0; t < num_tokens; ++t) {
    const bool is_vector = has_vectors && random.below(2) == 0;
    ids.push_back(is_vector ? 1 << 30 : random.below(kVocabSize / 2) * 2 + 1);
    vector_rows.push_back(is_vector ? random.below(kNumVectors - 1) : -1);
  }
  const DeviceFloats device_table(dtype, table);
  const DeviceArray<f32> device_vectors(vectors), out(size_t(num_tokens) * size_t(hidden));
  const DeviceArray<i32> device_ids(ids), device_rows(vector_rows);
  const std::string kernel =
      run_op(cuda::embed, EmbedParams{.out = out.data(),
                                      .table = {device_table.data(), kVocabSize, hidden, dtype},
                                      .ids = device_ids.data(),
                                      .vectors = has_vectors ? device_vectors.data() : nullptr,
                                      .vector_rows = has_vectors ? device_rows.data() : nullptr,
                                      .num_tokens = num_tokens});

  const std::vector<f32> stored = device_table.download();
  std::vector<double> expected;
  for (size_t t = 0; t < ids.size(); ++t) {
    const f32* const row = vector_rows[t] >= 0 ? &vectors[size_t(vector_rows[t]) * size_t(hidden)]
                                               : &stored[size_t(ids[t]) * pitch];
    expected.insert(expected.end(), row, row + hidden);
  }
  CHECK_CLOSE(kernel, out.download(), expected, (emulation::Tolerance{0, 0}));
}

}  // namespace

TEST("embed: copies rows of the table, and vectors where a token has one") {
  Random random(emulation::run_seed() + 20);
  for (const f32 poison : emulation::kPoisons) {
    for (const i32 hidden : {1, 3, 4, 7, 8, 12, 64, 257, 2048, 2056, 5000}) {
      const DType dtype = random.below(2) == 0 ? kBF16 : kF16;
      check_embed(random, dtype, 1 + random.below(9), hidden, random.below(3) > 0, poison);
      check_embed(random, dtype == kBF16 ? kF16 : kBF16, 2, hidden, false, poison);
    }
  }
}

TEST("embed: offsets of the table pass 2^31 elements") {
  constexpr i32 kHidden = 4096;
  constexpr i32 kLastId = (1 << 20) - 1;
  Random random(emulation::run_seed() + 21);
  const FloatArray row(kBF16, random.uniforms(kHidden));
  emulation::DeviceBytes table((size_t(kLastId) + 1) * kHidden * 2);
  table.upload(row.data(), kHidden * 2, size_t(kLastId) * kHidden * 2);
  const DeviceArray<i32> ids(std::vector<i32>{kLastId});
  const DeviceArray<f32> out(kHidden);
  run_op(cuda::embed, EmbedParams{.out = out.data(),
                                  .table = {table.data(), kLastId + 1, kHidden, kBF16},
                                  .ids = ids.data(),
                                  .vectors = nullptr,
                                  .vector_rows = nullptr,
                                  .num_tokens = 1});
  const std::vector<f32> written = out.download();
  for (size_t i = 0; i < written.size(); ++i) CHECK_EQUAL(written[i], row[i]);
}

TEST("embed: refuses a table without a kernel, and launches nothing for no tokens") {
  emulation::EmulatedLauncher launcher;
  EmbedParams params = {nullptr, {nullptr, 4, 8, kF32}, nullptr, nullptr, nullptr, 1};
  CHECK_EQUAL(cuda::embed(launcher, params).message(), "embed's table is f32; known are bf16, f16");
  params.table.dtype = kF16;
  params.num_tokens = 0;
  CHECK(cuda::embed(launcher, params).is_ok());
  CHECK_EQUAL(launcher.num_launches(), 0);
}
