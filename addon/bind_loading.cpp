// Bindings of mapped files, and of weights and tensors loaded from them.

#include "bindings.h"
#include "float_types.h"
#include "load_jobs.h"

namespace {

constexpr i64 kMaxI32 = 0x7fffffff;

void check_range(const Fields& fields, size_t available, size_t offset, size_t bytes) {
  if (offset <= available && bytes <= available - offset) return;
  fields.refuse("byteOffset", "inside its source");
}

// MappedFile::open        addon/mapped_file.cpp
// lib/device/native.ts    mapFile(path: string): { file: NativeFile, byteLength: number }
Napi::Value MapFile(const Napi::CallbackInfo& info) {
  if (!info[0].IsString()) throw_error(info.Env(), "ERR_NATIVE", "path is no string");
  Status status;
  const std::shared_ptr<MappedFile> file = MappedFile::open(info[0].As<Napi::String>(), &status);
  throw_if_failed(info.Env(), status);
  Napi::Object result = Napi::Object::New(info.Env());
  result.Set("byteLength", static_cast<double>(file->bytes()));
  result.Set("file", wrap(info.Env(), file));
  return result;
}

// MappedFile::data        addon/mapped_file.h
// lib/device/native.ts    readFile(file, byteOffset, into: ArrayBuffer): void
void ReadFile(const Napi::CallbackInfo& info) {
  const auto file = unwrap<MappedFile>(info[0], "file");
  Napi::ArrayBuffer into = array_buffer(info, 2);
  const i64 offset = info[1].IsNumber() ? info[1].As<Napi::Number>().Int64Value() : -1;
  if (offset < 0 || static_cast<size_t>(offset) > file->bytes() ||
      into.ByteLength() > file->bytes() - static_cast<size_t>(offset)) {
    throw_error(info.Env(), "ERR_NATIVE", "the range lies outside the file");
  }
  if (into.ByteLength() > 0) std::memcpy(into.Data(), file->data() + offset, into.ByteLength());
}

// MappedFile::~MappedFile addon/mapped_file.cpp
// lib/device/native.ts    unmapFile(file): void
void UnmapFile(const Napi::CallbackInfo& info) {
  handle_of<MappedFile>(info[0], "file").value.reset();
}

StoredRows read_part(const Fields& part, i32 in_dim) {
  StoredRows rows;
  rows.offset = static_cast<size_t>(part.count("byteOffset"));
  rows.dtype = part.weight_dtype("dtype");
  rows.out_dim = static_cast<i32>(part.count("outDim", kMaxI32));
  rows.interleaved_head_dim = static_cast<i32>(part.count("interleavedHeadDim", kMaxI32));
  const bool is_whole =
      rows.interleaved_head_dim == 0 ||
      (rows.interleaved_head_dim % 2 == 0 && rows.out_dim % rows.interleaved_head_dim == 0);
  if (!is_whole) part.refuse("interleavedHeadDim", "even and a divisor of outDim");
  if (cpu::is_quantized(rows.dtype) && in_dim % cpu::kGroupElems != 0) {
    part.refuse("dtype", "of floats: inDim is no multiple of 32");
  }
  const Napi::Value source = part.value("source");
  bool is_file = false;
  napi_check_object_type_tag(part.env(), source, &kTypeTag<MappedFile>, &is_file);
  if (is_file) rows.file = unwrap<MappedFile>(source, "source");
  if (!is_file) rows.buffer = unwrap<Buffer>(source, "source");
  const size_t bytes = static_cast<size_t>(rows.out_dim) *
                       static_cast<size_t>(cpu::stored_row_bytes(rows.dtype, in_dim));
  check_range(part, is_file ? rows.file->bytes() : rows.buffer->bytes, rows.offset, bytes);
  return rows;
}

// Backend::pack_weight    addon/backend.h
// lib/device/native.ts    loadWeight(device, o: { dtype, inDim, parts }, id): { weight, byteLength
// }
Napi::Value LoadWeight(const Napi::CallbackInfo& info) {
  const auto device = device_of(info);
  const Fields options(info[1]);
  const DType dtype = options.weight_dtype("dtype");
  const i32 in_dim = static_cast<i32>(options.count("inDim", kMaxI32));
  const Napi::Array parts = options.value("parts").As<Napi::Array>();
  std::vector<StoredRows> rows;
  i64 out_dim = 0;
  for (u32 i = 0; i < parts.Length(); i++) {
    rows.push_back(read_part(Fields(parts.Get(i)), in_dim));
    out_dim += rows.back().out_dim;
  }
  if (out_dim > kMaxI32) options.refuse("parts", "small enough for 32-bit rows");
  Engine& engine = device->engine();
  const size_t bytes = engine.packed_bytes(dtype, static_cast<i32>(out_dim), in_dim);
  const std::shared_ptr<Buffer> weight = engine.memory().reserve(bytes, MemoryKind::kHuge);
  device->submit(std::make_shared<LoadWeightJob>(weight, dtype, in_dim, std::move(rows)),
                 unsigned_number(info, 2));
  Napi::Object result = Napi::Object::New(info.Env());
  result.Set("byteLength", static_cast<double>(bytes));
  result.Set("weight", wrap(info.Env(), weight));
  return result;
}

// Backend::upload         addon/backend.h
// lib/device/native.ts    loadTensor(device, o: { source, byteOffset, … }, id): NativeBuffer
Napi::Value LoadTensor(const Napi::CallbackInfo& info) {
  const auto device = device_of(info);
  const Fields options(info[1]);
  auto file = unwrap<MappedFile>(options.value("source"), "source");
  const size_t offset = static_cast<size_t>(options.count("byteOffset"));
  const size_t num_elements = static_cast<size_t>(options.count("numElements"));
  const DType dtype = options.dtype("sourceDtype");
  check_range(options, file->bytes(), offset, num_elements * dtype_bytes(dtype));
  const std::shared_ptr<Buffer> tensor =
      device->engine().memory().reserve(num_elements * sizeof(f32));
  auto job = std::make_shared<LoadTensorJob>(tensor, std::move(file), offset, dtype, num_elements);
  device->submit(std::move(job), unsigned_number(info, 2));
  return wrap(info.Env(), tensor);
}

}  // namespace

void export_loading(Napi::Env env, Napi::Object exports) {
  exports.Set("mapFile", Napi::Function::New<MapFile>(env, "mapFile"));
  exports.Set("readFile", Napi::Function::New<ReadFile>(env, "readFile"));
  exports.Set("unmapFile", Napi::Function::New<UnmapFile>(env, "unmapFile"));
  exports.Set("loadWeight", Napi::Function::New<LoadWeight>(env, "loadWeight"));
  exports.Set("loadTensor", Napi::Function::New<LoadTensor>(env, "loadTensor"));
}
