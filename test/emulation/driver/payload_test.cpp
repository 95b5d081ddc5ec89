// Choosing the kernels.

#include "../../../addon/cuda/payload.h"

#include <algorithm>
#include <filesystem>
#include <fstream>

#include "../../../addon/cuda/json.h"
#include "cuda_fixture.h"

namespace {

namespace fs = std::filesystem;

// A folder of this test program with files in it.
std::string make_folder(const std::string& name,
                        const std::vector<std::pair<std::string, std::string>>& files) {
  const fs::path folder = fs::path(PA_TEST_FOLDER) / name;
  fs::remove_all(folder);
  fs::create_directories(folder);
  for (const auto& [file, content] : files) std::ofstream(folder / file) << content;
  return folder.string();
}

std::string image_json(const std::string& arch) {
  const bool is_ptx = arch.rfind("compute_", 0) == 0;
  return R"({ "file": ")" + arch +
         (is_ptx ? R"(.ptx", "kind": "ptx")" : R"(.cubin", "kind": "cubin")") + R"(, "arch": ")" +
         arch + R"(" })";
}

std::string manifest(const std::string& abi, int cuda, const std::vector<std::string>& archs) {
  std::string images;
  for (const std::string& arch : archs) images += (images.empty() ? "" : ", ") + image_json(arch);
  return R"({ "abi": ")" + abi + R"(", "cuda": )" + std::to_string(cuda) + R"(, "images": [)" +
         images + "] }";
}

std::string payload(const std::string& name, const std::vector<std::string>& archs, int cuda = 13,
                    const std::string& abi = cuda::kPayloadAbi) {
  std::vector<std::pair<std::string, std::string>> files = {
      {"payload.json", manifest(abi, cuda, archs)}};
  for (const std::string& arch : archs) {
    const bool is_ptx = arch.rfind("compute_", 0) == 0;
    files.emplace_back(arch + (is_ptx ? ".ptx" : ".cubin"), "PAGED-ATTENTION-EMULATED\n" + arch);
  }
  return make_folder(name, files);
}

cuda::Image image(const std::string& arch) {
  return {"", arch.rfind("compute_", 0) == 0 ? "ptx" : "cubin", arch, 13};
}

// The architectures that are tried on a GPU, best first.
std::string order_on(cuda::Capability gpu, const std::string& folder) {
  std::string archs;
  for (const cuda::Image& found : cuda::find_images({folder}, gpu, 13000).images) {
    archs += (archs.empty() ? "" : " ") + found.arch;
  }
  return archs;
}

Status open_status(const std::vector<std::string>& folders) {
  CudaOptions options = emulated_options();
  options.payload_folders = folders;
  Status status;
  CHECK(open_cuda_backend(options, &status) == nullptr);
  return status;
}

}  // namespace

TEST(
    "machine code runs on its major version from its minor on; an architecture's own, there only") {
  const struct {
    const char* arch;
    cuda::Capability gpu;
    bool runs;
  } cases[] = {
      {"sm_80", {8, 0}, true},         {"sm_80", {8, 9}, true},       {"sm_86", {8, 0}, false},
      {"sm_80", {9, 0}, false},        {"sm_90a", {9, 0}, true},      {"sm_90a", {10, 0}, false},
      {"sm_100", {10, 3}, true},       {"sm_103", {10, 0}, false},    {"sm_100f", {10, 3}, true},
      {"sm_100f", {12, 0}, false},     {"sm_120", {12, 1}, true},     {"compute_80", {8, 0}, true},
      {"compute_80", {12, 0}, true},   {"compute_90", {8, 9}, false}, {"compute_90a", {9, 0}, true},
      {"compute_90a", {10, 0}, false}, {"sm_", {9, 0}, false},        {"sm_90b", {9, 0}, false},
      {"gfx90", {9, 0}, false},        {"sm_90aa", {9, 0}, false}};
  for (const auto& [arch, gpu, runs] : cases) {
    const check::Case which(check::text(arch, " on ", gpu.major, ".", gpu.minor));
    CHECK_EQUAL(cuda::runs_on(image(arch), gpu), runs);
  }
}

TEST("the newest machine code that fits is first, PTX last") {
  const std::string folder =
      payload("order", {"compute_80", "sm_80", "sm_90", "sm_86", "sm_90a", "compute_90"});
  CHECK_EQUAL(order_on({9, 0}, folder), "sm_90a sm_90 compute_90 compute_80");
  CHECK_EQUAL(order_on({8, 9}, folder), "sm_86 sm_80 compute_80");
  CHECK_EQUAL(order_on({8, 0}, folder), "sm_80 compute_80");
  CHECK_EQUAL(order_on({12, 0}, folder), "compute_90 compute_80");
  CHECK_EQUAL(order_on({7, 5}, folder), "");
}

TEST("a GPU without machine code of its own runs the PTX") {
  const Variable capability("PA_EMULATED_CAPABILITY", "10.0");
  CudaOptions options = emulated_options();
  options.payload_folders = {payload("ptx", {"sm_90a", "compute_80"})};
  CHECK_EQUAL(open_gpu(options)->info().isa, "compute_80");
}

TEST("a GPU that no payload fits is refused, with its capability and all architectures") {
  const Variable capability("PA_EMULATED_CAPABILITY", "7.5");
  const std::string folder = payload("unfit", {"sm_80", "sm_90a", "compute_80"});
  check_says(open_status({folder}), "ERR_UNSUPPORTED_GPU",
             {"compute capability 7.5", "sm_80, sm_90a, compute_80", folder});
  CHECK_EQUAL(emulated_driver().num_leaks(), i64(0));
}

TEST("without a payload the error has every folder and what is wrong with it") {
  const std::string other = payload("other", {"sm_90a"}, 13, "0123456789abcdef");
  const std::string broken = make_folder("broken", {{"payload.json", "{ \"abi\": "}});
  const std::string newer = payload("newer", {"sm_90a"}, 14);
  const std::string empty = payload("empty", {});
  check_says(
      open_status({"/nowhere/cuda-13", other, broken, newer, empty}), "ERR_CUDA_UNAVAILABLE",
      {"/nowhere/cuda-13: no payload.json", "its abi is 0123456789abcdef",
       std::string("the addon's is ") + cuda::kPayloadAbi, broken + ": payload.json is no JSON",
       newer + ": is for CUDA 14; the driver is for CUDA 13", empty + ": has nothing"});
  check_says(open_status({}), "ERR_CUDA_UNAVAILABLE", {"no folder to look for kernels in"});
}

TEST("the first folder that fits is taken") {
  CudaOptions options = emulated_options();
  options.payload_folders = {"/nowhere", payload("old", {"sm_80"}), payload("first", {"sm_90"}),
                             payload("second", {"sm_90a"})};
  CHECK_EQUAL(open_gpu(options)->info().isa, "sm_90");
}

TEST("an image that the driver refuses gives way to the next one, and is named when none is left") {
  const std::string folder = payload("refused", {"sm_90a", "sm_90"});
  std::ofstream(fs::path(folder) / "sm_90a.cubin") << "\x7f" << "ELF";
  CudaOptions options = emulated_options();
  options.payload_folders = {folder};
  CHECK_EQUAL(open_gpu(options)->info().isa, "sm_90");
  fs::remove(fs::path(folder) / "sm_90.cubin");
  check_says(open_status({folder}), "ERR_CUDA_UNAVAILABLE",
             {"sm_90a.cubin: CUDA_ERROR_INVALID_IMAGE", "sm_90.cubin: cannot be read"});
}

TEST("a payload whose list is not understood is refused") {
  const std::string head = std::string(R"({ "abi": ")") + cuda::kPayloadAbi + R"(", "cuda": 13)";
  for (const std::string& rest :
       {std::string(" }"), std::string(R"(, "images": {} })"), std::string(R"(, "images": [{}] })"),
        std::string(R"(, "images": [{ "file": "a", "kind": "elf", "arch": "sm_90" }] })"),
        std::string(
            R"(, "images": [{ "file": "../a", "kind": "ptx", "arch": "compute_90" }] })")}) {
    const std::string folder = make_folder("list", {{"payload.json", head + rest}});
    check_says(open_status({folder}), "ERR_CUDA_UNAVAILABLE", {folder + ": payload.json has"});
  }
}

TEST("the JSON reader takes what is JSON and refuses what is not, with the place") {
  std::string problem;
  const auto value = cuda::parse_json(
      " {\"a\": [1, -2, {\"b\": \"x\\\"\\\\y\"}, true, false, null], \"c\": {}} \n", &problem);
  CHECK(value.has_value());
  const cuda::Json* items = value->find("a", cuda::Json::Kind::kArray);
  CHECK(items != nullptr && items->items.size() == 6);
  CHECK_EQUAL(items->items[1].number, -2);
  CHECK_EQUAL(items->items[2].find("b", cuda::Json::Kind::kString)->text, "x\"\\y");
  CHECK(items->items[3].boolean && !items->items[4].boolean);
  CHECK(value->find("c", cuda::Json::Kind::kArray) == nullptr);

  for (const char* text : {"", "{", "[1,]", "{\"a\" 1}", "{\"a\": 1,}", "{'a': 1}", "[1] 2", "01x",
                           "\"open", "\"\\u0041\"", "nul", "{\"a\": 1, \"a\": 2}", "99999999999",
                           "[[[[[[[[[[[[[[[[[[[[1]]]]]]]]]]]]]]]]]]]]", "\"a\nb\""}) {
    const check::Case which(text);
    problem.clear();
    CHECK(!cuda::parse_json(text, &problem).has_value());
    CHECK(problem.find("byte ") == 0);
  }
}
